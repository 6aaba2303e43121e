#include "archive.h"

#include <torch/script.h>

#include <caffe2/serialize/inline_container.h>

#include <algorithm>
#include <sstream>

namespace egraff {
namespace {

constexpr const char *DEPLOY = "'egraff deploy CHECKPOINT OUT.pt'";

bool any_starts_with(const std::vector<std::string> &names, const std::string &prefix)
{
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string &name) { return name.rfind(prefix, 0) == 0; });
}

bool any_contains(const std::vector<std::string> &names, const std::string &part)
{
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string &name) { return name.find(part) != std::string::npos; });
}

// Our files hold code of those packages, too: the contract is looked for first.
std::optional<Format> format_of(const std::vector<std::string> &names)
{
  if (any_starts_with(names, "extra/egraff_contract.json")) return Format::CONTRACT;
  if (any_starts_with(names, "code/__torch__/mace/calculators/lammps_mace")) return Format::MACE;
  if (!any_starts_with(names, "extra/r_max")) return std::nullopt;
  if (any_starts_with(names, "code/__torch__/allegro")) return Format::ALLEGRO;
  if (any_starts_with(names, "code/__torch__/nequip")) return Format::NEQUIP;
  return std::nullopt;
}

// What the files of a format are called.
std::string description(Format format)
{
  switch (format) {
  case Format::NEQUIP:
    return "a NequIP export (nequip-compile --mode torchscript)";
  case Format::ALLEGRO:
    return "an Allegro export (nequip-compile --mode torchscript)";
  case Format::MACE:
    return "a MACE export (mace_create_lammps_model)";
  case Format::CONTRACT:
    break;
  }
  return "a model file written by 'egraff deploy'";
}

std::string pair_style_of(Format format)
{
  switch (format) {
  case Format::NEQUIP:
    return "'pair_style nequip'";
  case Format::ALLEGRO:
    return "'pair_style allegro'";
  case Format::MACE:
    return "'pair_style mace'";
  case Format::CONTRACT:
    break;
  }
  return "'pair_style egraff'";
}

// How to get a file that the style reads, from a training checkpoint.
std::string next_step(Format wanted, const std::string &checkpoint)
{
  if (wanted == Format::CONTRACT) return "turn " + checkpoint + " into a model file with " + DEPLOY;
  return "export " + checkpoint + " with " +
         (wanted == Format::MACE ? "mace_create_lammps_model" : "nequip-compile") +
         ", or turn it into a model file for 'pair_style egraff' with " + DEPLOY;
}

// What an archive of none of the formats is, or of one that the style does not read.
std::string other_archive(const std::vector<std::string> &names, Format wanted)
{
  if (const auto found = format_of(names))
    return description(*found) + ": write " + pair_style_of(*found) + " for it" +
           (wanted == Format::CONTRACT
                ? std::string(", or deploy its training checkpoint with ") + DEPLOY
                : std::string());
  if (any_contains(names, "aotinductor"))
    return "an AOTInductor package (.nequip.pt2): " + next_step(wanted, "its training checkpoint");
  if (any_starts_with(names, "code/"))
    return std::string(wanted == Format::CONTRACT
                           ? "a TorchScript file without an egraff contract (an upstream export): "
                           : "a TorchScript file of another kind: ") +
           next_step(wanted, "its training checkpoint");
  if (any_starts_with(names, "data.pkl"))
    return "a training checkpoint: " + next_step(wanted, "it");
  return "a zip archive of another kind: " + next_step(wanted, "a checkpoint");
}

std::string not_archive(const std::string &bytes, Format wanted)
{
  if (bytes.empty()) return "an empty file: copy it again or write it again";
  if (bytes.compare(0, 2, "PK") == 0)
    return "a truncated file (the end of the archive is missing): copy it again";
  if (bytes[0] == '\x80')
    return "a Python pickle (a checkpoint or a bare torch.save): " +
           next_step(wanted, "the checkpoint");
  return "a file that is no TorchScript archive: " + next_step(wanted, "a checkpoint");
}

}    // namespace

Archive::Archive(const std::string &bytes, const std::string &where, Format format) :
    bytes_(bytes), where_(where)
{
  const std::string expected = where + ": expected " + description(format) + ", got ";
  std::vector<std::string> names;
  try {
    std::istringstream stream(bytes);
    caffe2::serialize::PyTorchStreamReader reader(&stream);
    names = reader.getAllRecords();
  } catch (const c10::Error &) {
    // Of archives the reader refuses those that torch did not write, too.
    const bool whole = bytes.find("PK\x05\x06") != std::string::npos;
    throw UserError(expected + (whole ? other_archive({}, format) : not_archive(bytes, format)));
  }
  if (format_of(names) != format) throw UserError(expected + other_archive(names, format));
}

std::optional<std::string> Archive::extra(const std::string &name) const
{
  try {
    std::istringstream stream(bytes_);
    caffe2::serialize::PyTorchStreamReader reader(&stream);
    if (!reader.hasRecord("extra/" + name)) return std::nullopt;
    auto [data, size] = reader.getRecord("extra/" + name);
    return std::string(static_cast<const char *>(data.get()), size);
  } catch (const c10::Error &) {
    throw UserError(where_ + ": its archive is damaged (extra/" + name + "): copy it again");
  }
}

}    // namespace egraff
