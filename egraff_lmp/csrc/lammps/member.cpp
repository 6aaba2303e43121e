#include "member.h"

#include "archive_limits.h"
#include "sha256.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "lammps.h"
#include "lmptype.h"
#include "platform.h"

#include <mpi.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <new>

using namespace LAMMPS_NS;

namespace egraff {
namespace {

// A mass further than this from its element's standard mass is taken for a mistake: P and S, the
// closest pair in LiPS, differ by 3.5 %. `masses no` switches the check off (isotopes).
constexpr double MASS_TOLERANCE = 0.02;

// A sentence if the file at `path` must not be read or unpacked, for its size. A device or a pipe
// has no end: it is left unread, as if it were not there.
std::string read_within_limits(const std::string &path, std::string &bytes, bool &readable)
{
  std::error_code none;
  readable = std::filesystem::is_regular_file(path, none);
  const auto size = readable ? std::filesystem::file_size(path, none) : 0;
  if (!readable) return {};
  if (size > MAX_ARCHIVE_BYTES)
    return fmt::format("{}: expected a model file of at most {}, got {}: this is no model file",
                       path, size_text(MAX_ARCHIVE_BYTES), size_text(size));
  std::ifstream stream(path, std::ios::binary);
  try {
    bytes.resize(size);
  } catch (const std::bad_alloc &) {
    return fmt::format("{}: out of memory for its {}: use fewer ranks a node", path,
                       size_text(size));
  }
  stream.read(bytes.data(), static_cast<std::streamsize>(size));
  readable = stream.good() || (size == 0 && !stream.bad());
  if (!readable) return {};
  try {
    refuse_zip_bomb(bytes, path);
  } catch (const UserError &error) {
    return error.what();
  }
  return {};
}

}    // namespace

std::string join(const std::vector<std::string> &words)
{
  std::string text;
  for (const auto &word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

void Member::evaluate(const AtomGraph &atoms, const int *type_of_atom, double graph_r_max,
                      ExchangeHost *host)
{
  const double start = platform::walltime();
  Graph nearer;
  const Graph *graph = &atoms.graph;
  if (contract().r_max < graph_r_max) {
    nearer = nearer_than(atoms.graph, contract().r_max);
    graph = &nearer;
  }
  std::vector<int64_t> types(atoms.atom_of_node.size());
  for (size_t node = 0; node < types.size(); ++node)
    types[node] = species_of_type[type_of_atom[atoms.atom_of_node[node]]];
  model->evaluate(*graph, types, host, evaluation);
  if (graph == &nearer) spread_gradients(atoms.graph, contract().r_max, evaluation);
  seconds = platform::walltime() - start;
}

std::string read_file(LAMMPS *lmp, const std::string &file, bool &readable)
{
  std::string bytes, failure;
  bigint size = -1;
  if (lmp->comm->me == 0) {
    bool read = false;
    failure = read_within_limits(file, bytes, read);
    if (read) size = static_cast<bigint>(bytes.size());
  }
  all_or_error(lmp, failure);
  MPI_Bcast(&size, 1, MPI_LMP_BIGINT, 0, lmp->world);
  readable = size >= 0;
  if (!readable) return {};
  try {
    bytes.resize(size);
  } catch (const std::bad_alloc &) {
    failure =
        fmt::format("{}: out of memory for its {}: use fewer ranks a node", file, size_text(size));
  }
  all_or_error(lmp, failure);
  constexpr bigint CHUNK = 1 << 30;    // MPI counts are int
  for (bigint at = 0; at < size; at += CHUNK)
    MPI_Bcast(bytes.data() + at, static_cast<int>(std::min(CHUNK, size - at)), MPI_BYTE, 0,
              lmp->world);
  return bytes;
}

void require_sha256(LAMMPS *lmp, const std::string &style, const std::string &file,
                    const std::string &bytes, const std::string &expected)
{
  if (expected.empty()) return;
  const std::string hash = sha256(bytes);
  if (hash != expected)
    lmp->error->all(FLERR,
                    "pair_style {}: expected sha256 {} of {}, got {}: nothing of the file was "
                    "loaded; name the file that the hash is of, or mend the keyword sha256",
                    style, expected, file, hash);
}

std::vector<int> map_species(LAMMPS *lmp, const Member &member,
                             const std::vector<std::string> &elements)
{
  const auto &contract = member.contract();
  std::vector<int> species_of_type(elements.size() + 1, -1);
  for (size_t type = 1; type <= elements.size(); ++type) {
    const auto &element = elements[type - 1];
    if (element == "NULL") continue;
    species_of_type[type] = contract.species_index(element);
    if (species_of_type[type] < 0)
      lmp->error->all(FLERR,
                      "pair_coeff {}: expected elements out of '{}', which {} was trained on, "
                      "got '{}' for type {}",
                      member.style, join(contract.species), member.file, element, type);
  }
  return species_of_type;
}

void check_masses(LAMMPS *lmp, const Member &member)
{
  const auto &contract = member.contract();
  const double *masses = lmp->atom->mass;
  if (!masses) return;    // per-atom masses (atom style sphere): nothing to compare
  for (int type = 1; type <= lmp->atom->ntypes; ++type) {
    const int wanted = member.species_of_type[type];
    if (wanted < 0) continue;
    int closest = wanted;
    for (size_t s = 0; s < contract.masses.size(); ++s)
      if (std::abs(masses[type] - contract.masses[s]) <
          std::abs(masses[type] - contract.masses[closest]))
        closest = static_cast<int>(s);
    const double expected = contract.masses[wanted];
    if (closest == wanted && std::abs(masses[type] - expected) <= MASS_TOLERANCE * expected)
      continue;
    const std::string guess =
        closest != wanted
            ? fmt::format("that is closer to {} ({}): put the elements of pair_coeff in the order "
                          "of the types",
                          contract.species[closest], contract.masses[closest])
            : std::string(
                  "mend the mass, or the elements of pair_coeff, or say 'masses no' for isotopes");
    lmp->error->all(FLERR,
                    "pair_style {}: expected a mass of {} for type {}, which pair_coeff names "
                    "{}, got {}; {}",
                    member.style, expected, type, contract.species[wanted], masses[type], guess);
  }
}

}    // namespace egraff
