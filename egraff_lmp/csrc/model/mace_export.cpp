// Files of `mace_create_lammps_model`: see mace-torch's own `calculators/lammps_mace.py`.
//
// As for nequip's exports the energy model inside is called, with all nodes at the origin and the
// edge vectors as lattice shifts, so that the gradient comes back per edge. MACE's edges run from
// sender (our neighbour) to receiver (our centre).

#include "network.h"

#include <array>

namespace egraff {
namespace {

constexpr std::array<const char *, 119> SYMBOLS = {
    "X",  "H",  "He", "Li", "Be", "B",  "C",  "N",  "O",  "F",  "Ne", "Na", "Mg", "Al", "Si",
    "P",  "S",  "Cl", "Ar", "K",  "Ca", "Sc", "Ti", "V",  "Cr", "Mn", "Fe", "Co", "Ni", "Cu",
    "Zn", "Ga", "Ge", "As", "Se", "Br", "Kr", "Rb", "Sr", "Y",  "Zr", "Nb", "Mo", "Tc", "Ru",
    "Rh", "Pd", "Ag", "Cd", "In", "Sn", "Sb", "Te", "I",  "Xe", "Cs", "Ba", "La", "Ce", "Pr",
    "Nd", "Pm", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Hf", "Ta", "W",
    "Re", "Os", "Ir", "Pt", "Au", "Hg", "Tl", "Pb", "Bi", "Po", "At", "Rn", "Fr", "Ra", "Ac",
    "Th", "Pa", "U",  "Np", "Pu", "Am", "Cm", "Bk", "Cf", "Es", "Fm", "Md", "No", "Lr", "Rf",
    "Db", "Sg", "Bh", "Hs", "Mt", "Ds", "Rg", "Cn", "Nh", "Fl", "Mc", "Lv", "Ts", "Og"};

class MACEExport : public Network {
 public:
  MACEExport(const std::string &bytes, const std::string &where, at::Device device)
  {
    const auto root = load_module(bytes, where, device);
    for (const char *name : {"r_max", "atomic_numbers", "num_interactions", "model"})
      if (!root.hasattr(name))
        throw UserError(where + ": expected a MACE export with '" + name +
                        "', got none: write it again with mace_create_lammps_model");
    energy_model_ = root.attr("model").toModule();
    if (root.hasattr("head")) head_ = root.attr("head").toTensor();
    const auto r_max = root.attr("r_max").toTensor();
    dtype_ = r_max.scalar_type();
    contract_.architecture = "MACE (mace_create_lammps_model)";
    contract_.dtype = dtype_ == at::kDouble ? "float64" : "float32";
    contract_.r_max = r_max.item<double>();
    contract_.n_layers = static_cast<int>(root.attr("num_interactions").toTensor().item<int64_t>());
    contract_.halo_layers = contract_.n_layers;
    const auto numbers =
        root.attr("atomic_numbers").toTensor().to(at::kCPU, at::kLong).contiguous();
    for (int64_t k = 0; k < numbers.numel(); ++k)
      contract_.species.push_back(SYMBOLS.at(numbers.data_ptr<int64_t>()[k]));
  }

  NetworkOutput forward(const NetworkInput &input) override
  {
    const DefaultPrecision precision(dtype_);
    const auto n_nodes = input.types.size(0);
    const auto options = input.vectors.options().requires_grad(false).dtype(dtype_);
    const auto integers = input.types.options();
    c10::Dict<std::string, at::Tensor> data;
    data.insert("positions", at::zeros({n_nodes, 3}, options));
    data.insert("shifts", -input.vectors.to(dtype_));
    data.insert("unit_shifts", at::zeros_like(input.vectors, options));
    data.insert("edge_index", input.index.flip(0));
    data.insert("cell", at::eye(3, options));
    data.insert(
        "node_attrs",
        at::one_hot(input.types, static_cast<int64_t>(contract_.species.size())).to(dtype_));
    data.insert("batch", at::zeros({n_nodes}, integers));
    data.insert("ptr", at::tensor({int64_t{0}, n_nodes}, integers));
    if (head_.defined()) data.insert("head", head_);
    const auto no = c10::IValue(false);
    auto all = energy_model_
                   .forward({data}, {{"training", no},
                                     {"compute_force", no},
                                     {"compute_virials", no},
                                     {"compute_stress", no},
                                     {"compute_displacement", no}})
                   .toGenericDict();
    return {all.at("node_energy").toTensor(), all};
  }

 private:
  torch::jit::Module energy_model_;
  at::Tensor head_;
  at::ScalarType dtype_ = at::kDouble;
};

}    // namespace

std::unique_ptr<Network> open_mace_export(const std::string &bytes, const std::string &where,
                                          at::Device device)
{
  return std::make_unique<MACEExport>(bytes, where, device);
}

}    // namespace egraff
