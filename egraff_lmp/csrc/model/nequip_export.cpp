// Files of `nequip-compile --mode torchscript` (NequIP, Allegro): see nequip's own
// `model/inference_models/torchscript.py`.
//
// The exported module returns forces of the sum over all nodes. On a halo that would count the
// energies of ghosts, so the energy model inside is called, and differentiated here. It is given
// all nodes at the origin and the edge vectors as lattice shifts of a unit cell, from which every
// version of nequip makes the same edge vectors, and which leads the gradient back to edges.

#include "archive.h"
#include "network.h"

#include <algorithm>
#include <cctype>
#include <sstream>
#include <string>
#include <vector>

namespace egraff {
namespace {

// "layer0_convnet", "layer1_convnet", ...: NequIP's message passing.
bool is_message_passing(const std::string &name)
{
  constexpr size_t N_LAYER = 5;    // "layer"
  if (name.rfind("layer", 0) != 0) return false;
  size_t at = N_LAYER;
  while (at < name.size() && std::isdigit(static_cast<unsigned char>(name[at]))) ++at;
  return at > N_LAYER && name.substr(at) == "_convnet";
}

template <typename T> std::vector<T> words(const std::string &text)
{
  std::istringstream stream(text);
  std::vector<T> values;
  for (T value; stream >> value;) values.push_back(value);
  return values;
}

class NequIPExport : public Network {
 public:
  NequIPExport(const std::string &bytes, const Archive &archive, const std::string &where,
               at::Device device, Format format) : where_(where)
  {
    const auto r_max = words<double>(required(archive, "r_max"));
    if (r_max.size() != 1 || !(r_max[0] > 0.0)) refuse("a positive r_max", "another text");
    contract_.r_max = r_max[0];
    contract_.species = words<std::string>(required(archive, "type_names"));
    contract_.dtype = required(archive, "model_dtype");
    contract_.architecture =
        format == Format::ALLEGRO ? "Allegro (nequip-compile)" : "NequIP (nequip-compile)";
    read_cutoffs(archive, device);
    energy_model_ = find_energy_model(load_module(bytes, where, device));
    count_layers(format);
  }

  NetworkOutput forward(const NetworkInput &input) override
  {
    const DefaultPrecision precision(at::kDouble);    // whatever the model's own
    auto vectors = input.vectors;
    auto index = input.index;
    if (cutoffs_.defined()) {
      const auto n_types = static_cast<int64_t>(contract_.species.size());
      const auto kinds =
          input.types.index_select(0, index[0]) * n_types + input.types.index_select(0, index[1]);
      const auto near =
          (vectors.detach().norm(2, 1) < cutoffs_.index_select(0, kinds)).nonzero().view(-1);
      vectors = vectors.index_select(0, near);
      index = index.index_select(1, near);
    }
    const auto options = vectors.options().requires_grad(false);
    c10::Dict<std::string, at::Tensor> data;
    data.insert("pos", at::zeros({input.types.size(0), 3}, options));
    data.insert("cell", at::eye(3, options).view({1, 3, 3}));
    data.insert("edge_cell_shift", vectors);
    data.insert("edge_index", index);
    data.insert("atom_types", input.types);
    auto all = energy_model_.forward({data}).toGenericDict();
    return {all.at("atomic_energy").toTensor().view(-1), all};
  }

 private:
  std::string where_;
  torch::jit::Module energy_model_;
  at::Tensor cutoffs_;    // of (centre type, neighbour type), row by row; undefined: r_max for all

  [[noreturn]] void refuse(const std::string &expected, const std::string &got) const
  {
    throw UserError(where_ + ": expected " + expected + ", got " + got +
                    ": export the model again with nequip 0.7 or newer, or turn its training "
                    "checkpoint into a model file with 'egraff deploy CHECKPOINT OUT.pt'");
  }

  std::string required(const Archive &archive, const std::string &name) const
  {
    const auto text = archive.extra(name);
    if (!text || text->empty()) refuse("an export that states its " + name, "none");
    return *text;
  }

  // Exporters leave out the edges beyond these, which are no longer than r_max.
  void read_cutoffs(const Archive &archive, at::Device device)
  {
    const auto text = archive.extra("per_edge_type_cutoff");
    if (!text || text->empty() || *text == "None") return;
    const auto values = words<double>(*text);
    const auto n_types = contract_.species.size();
    if (values.size() != n_types * n_types)
      refuse(std::to_string(n_types * n_types) + " values in per_edge_type_cutoff",
             std::to_string(values.size()));
    cutoffs_ = at::tensor(values, at::TensorOptions().dtype(at::kDouble)).to(device);
  }

  torch::jit::Module find_energy_model(const torch::jit::Module &root) const
  {
    // A wrapper between them (old releases: RescaleOutput) would scale what is taken from inside.
    if (root.type()->name() && root.type()->name()->name() == "GraphModel" &&
        root.hasattr("model")) {
      const auto model = root.attr("model").toModule();
      if (model.hasattr("func")) return model.attr("func").toModule();
    }
    refuse("a GraphModel with an energy model inside", "another module");
  }

  void count_layers(Format format)
  {
    int convolutions = 0;
    for (const auto &child : energy_model_.named_children())
      convolutions += is_message_passing(child.name);
    if (format == Format::NEQUIP && convolutions == 0)
      refuse("layers named layer0_convnet, layer1_convnet, ...", "none");
    if (format == Format::ALLEGRO && convolutions > 0)
      refuse("a strictly local network",
             std::to_string(convolutions) + " layers that pass messages");
    contract_.n_layers = convolutions;
    contract_.halo_layers = std::max(convolutions, 1);
    if (format != Format::ALLEGRO) return;
    for (const auto &child : energy_model_.named_children())
      if (child.value.hasattr("num_layers"))
        contract_.n_layers = static_cast<int>(child.value.attr("num_layers").toInt());
  }
};

}    // namespace

std::unique_ptr<Network> open_nequip_export(const std::string &bytes, const Archive &archive,
                                            const std::string &where, at::Device device,
                                            Format format)
{
  return std::make_unique<NequIPExport>(bytes, archive, where, device, format);
}

}    // namespace egraff
