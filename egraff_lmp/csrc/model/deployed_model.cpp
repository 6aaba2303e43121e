#include "deployed_model.h"

#include "archive.h"
#include "edge_forces.h"
#include "exchange.h"
#include "network.h"
#include "peak_memory.h"
#include "sha256.h"
#include "thread_scope.h"
#include "vector_functions.h"

#include <torch/script.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <sstream>

namespace egraff {
namespace {

// Largest differences that another machine's arithmetic explains, relative to the largest force:
// float32 carries 7 digits, of which a deep network loses two to cancellation.
constexpr double SELF_TEST_FLOAT32 = 1e-4;
constexpr double SELF_TEST_FLOAT64 = 1e-8;

template <typename T>
at::Tensor to_tensor(const std::vector<T> &values, std::vector<int64_t> shape, at::Device device)
{
  const auto options = at::TensorOptions().dtype(c10::CppTypeToScalarType<T>::value);
  if (values.empty()) return at::empty(shape, options.device(device));
  auto *data = const_cast<T *>(values.data());    // from_blob has no const form; never written to
  return at::from_blob(data, shape, options).to(device);
}

void copy_out(const at::Tensor &tensor, std::vector<double> &values)
{
  const auto host = tensor.to(at::kCPU, at::kDouble).contiguous();
  const auto *data = host.data_ptr<double>();
  values.assign(data, data + host.numel());
}

// Rows of an output for the local atoms; those of edges are summed over the edges of a centre.
std::vector<double> per_atom(const at::Tensor &rows, const Output &output, const Graph &graph)
{
  std::vector<double> values, sums(graph.n_local * output.width, 0.0);
  copy_out(rows, values);
  const auto width = static_cast<size_t>(output.width);
  if (!output.per_edge) {
    values.resize(graph.n_local * width);
    return values;
  }
  for (size_t e = 0; e < graph.n_edges(); ++e)
    if (graph.centers[e] < graph.n_local)
      for (size_t k = 0; k < width; ++k)
        sums[graph.centers[e] * width + k] += values.at(e * width + k);
  return sums;
}

// The frame's edges by a plain double loop over periodic images: it is small, and this code is
// then independent of any neighbour list.
Graph self_test_graph(const Contract &contract)
{
  const auto &test = contract.self_test;
  Graph graph;
  graph.n_local = graph.n_centers = graph.n_all = static_cast<int64_t>(test.species.size());

  int images[3];
  const auto &a = test.cell;
  for (int k = 0; k < 3; ++k) {
    const auto &u = a[(k + 1) % 3], &v = a[(k + 2) % 3];
    const double n[3] = {u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2],
                         u[0] * v[1] - u[1] * v[0]};
    const double area = std::sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
    const double volume = std::abs(n[0] * a[k][0] + n[1] * a[k][1] + n[2] * a[k][2]);
    // Positions may lie outside the cell by up to one lattice vector.
    images[k] = test.pbc[k] ? static_cast<int>(std::ceil(contract.r_max * area / volume)) + 2 : 0;
  }

  const double *x = test.positions.data();
  for (int64_t i = 0; i < graph.n_local; ++i)
    for (int64_t j = 0; j < graph.n_local; ++j)
      for (int p = -images[0]; p <= images[0]; ++p)
        for (int q = -images[1]; q <= images[1]; ++q)
          for (int r = -images[2]; r <= images[2]; ++r) {
            double d[3];
            for (int k = 0; k < 3; ++k)
              d[k] = x[3 * j + k] - x[3 * i + k] + p * a[0][k] + q * a[1][k] + r * a[2][k];
            const double square = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
            const bool self = i == j && p == 0 && q == 0 && r == 0;
            if (self || square >= contract.r_max * contract.r_max) continue;
            graph.edge_vectors.insert(graph.edge_vectors.end(), d, d + 3);
            graph.centers.push_back(i);
            graph.neighbors.push_back(j);
          }
  return graph;
}

}    // namespace

std::string gist(const std::string &text)
{
  const auto at = text.rfind("RuntimeError: ");
  const auto start = at == std::string::npos ? 0 : at;
  return text.substr(start, text.find('\n', start) - start);
}

torch::jit::Module load_module(const std::string &bytes, const std::string &where,
                               at::Device device)
{
  try {
    std::istringstream stream(bytes);
    auto module = torch::jit::load(stream, device);
    module.eval();
    return module;
  } catch (const std::exception &error) {
    throw UserError(where + ": its network could not be loaded (" + gist(error.what()) +
                    "): copy the file again, or write it again with this version of torch");
  }
}

DefaultPrecision::DefaultPrecision(at::ScalarType type) : before_(at::get_default_dtype())
{
  at::set_default_dtype(c10::scalarTypeToTypeMeta(type));
}

DefaultPrecision::~DefaultPrecision()
{
  at::set_default_dtype(before_);
}

struct DeployedModel::Implementation {
  int threads = 1;
  std::string hash;
  at::Device device = at::kCPU;
  std::unique_ptr<Network> network;
};

DeployedModel::DeployedModel(const std::string &bytes, const std::string &where, Format format,
                             Device device, int threads) :
    implementation_(std::make_unique<Implementation>())
{
  auto &self = *implementation_;
  self.threads = threads;
  settle_vector_functions();
  const ThreadScope scope(threads);
  self.hash = sha256(bytes);
  const Archive archive(bytes, where, format);
  if (device.cuda) self.device = at::Device(at::kCUDA, static_cast<at::DeviceIndex>(device.index));
  switch (format) {
  case Format::CONTRACT:
    self.network = open_contract_file(bytes, archive, where, self.device);
    break;
  case Format::NEQUIP:
  case Format::ALLEGRO:
    self.network = open_nequip_export(bytes, archive, where, self.device, format);
    break;
  case Format::MACE:
    self.network = open_mace_export(bytes, where, self.device);
    break;
  }
}

DeployedModel::~DeployedModel() = default;

const Contract &DeployedModel::contract() const
{
  return implementation_->network->contract();
}

const std::string &DeployedModel::hash() const
{
  return implementation_->hash;
}

void DeployedModel::evaluate(const Graph &graph, const std::vector<int64_t> &types,
                             ExchangeHost *host, Evaluation &result) const
{
  auto &self = *implementation_;
  const auto n_edges = static_cast<int64_t>(graph.n_edges());
  if (graph.n_local == 0 && contract().exchange_widths.empty()) {
    // No other rank waits for this one, and not every network takes zero rows.
    result.energies.clear();
    result.edge_gradients.assign(3 * graph.n_edges(), 0.0);
    result.outputs.assign(result.want_outputs ? contract().outputs.size() : 0, {});
    return;
  }
  const ThreadScope threads(self.threads);
  const ExchangeScope scope(host);
  // The optimising executor specialises on shapes, which change at every neighbour-list build.
  const torch::jit::GraphOptimizerEnabledGuard no_respecialising(false);
  const BackwardHere backward_here;
  std::optional<PeakMemory> peak;
  if (result.want_peak) peak.emplace();
  try {
    const at::AutoGradMode with_gradients(true);
    auto vectors = to_tensor(graph.edge_vectors, {n_edges, 3}, self.device).requires_grad_(true);
    auto index = at::stack({to_tensor(graph.centers, {n_edges}, self.device),
                            to_tensor(graph.neighbors, {n_edges}, self.device)});
    auto species = to_tensor(types, {graph.n_all}, self.device);
    const auto output = self.network->forward({vectors, index, species, graph.n_centers});
    const auto energies = output.energies.narrow(0, 0, graph.n_local);
    auto gradient = torch::autograd::grad({energies.sum()}, {vectors}, {}, false, false, true)[0];
    copy_out(energies.detach(), result.energies);
    if (gradient.defined())
      copy_out(gradient, result.edge_gradients);
    else
      result.edge_gradients.assign(3 * graph.n_edges(), 0.0);
    result.outputs.clear();
    if (result.want_outputs)
      for (const auto &wanted : contract().outputs)
        result.outputs.push_back(
            per_atom(output.all.at(wanted.name).toTensor().detach(), wanted, graph));
  } catch (const std::exception &error) {
    throw std::runtime_error(gist(error.what()));
  }
  if (peak) result.peak_bytes = peak->bytes();
}

double DeployedModel::self_test() const
{
  const auto &test = contract().self_test;
  const Graph graph = self_test_graph(contract());
  std::vector<int64_t> types;
  for (const auto &element : test.species) types.push_back(contract().species_index(element));
  Evaluation got;
  evaluate(graph, types, nullptr, got);

  std::vector<double> forces(3 * graph.n_local, 0.0);
  add_forces(graph, got.edge_gradients, 1.0, [&](int64_t node) { return &forces[3 * node]; });

  double force_error = 0.0, force_scale = 1.0, energy_error = 0.0;
  for (size_t k = 0; k < forces.size(); ++k) {
    force_error = std::max(force_error, std::abs(forces[k] - test.forces.at(k)));
    force_scale = std::max(force_scale, std::abs(test.forces.at(k)));
  }
  for (int64_t i = 0; i < graph.n_local; ++i)
    energy_error = std::max(energy_error, std::abs(got.energies[i] - test.energies.at(i)));

  const double tolerance =
      (contract().dtype == "float64" ? SELF_TEST_FLOAT64 : SELF_TEST_FLOAT32) * force_scale;
  // Written so that NaN fails.
  if (!(force_error <= tolerance && energy_error <= tolerance)) {
    std::ostringstream message;
    message << "self test failed: expected the energies and forces of the exporting machine within "
            << tolerance << " eV and eV/A, got differences of " << energy_error << " eV and "
            << force_error << " eV/A: deploy the model again on this machine";
    throw UserError(message.str());
  }
  return force_error;
}

int cuda_device_count()
{
  return torch::cuda::is_available() ? static_cast<int>(torch::cuda::device_count()) : 0;
}

}    // namespace egraff
