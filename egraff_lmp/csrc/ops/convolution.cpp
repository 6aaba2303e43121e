// egraff::convolution and egraff::tabulated_convolution: gather, tensor product, scatter.
//
// Features are [atoms, rows, channels]; an irrep of degree l takes 2 l + 1 rows. A path is seven
// integers l1, l2, l3, row_in, step_in, row_out, step_out:
//
//   out[c, row_out + m3 step_out, u] += sum over the edges e of centre c, m1 and m2 of
//       K[m1, m2, m3] harmonics[e, l2^2 + m2] features[neighbour(e), row_in + m1 step_in, u]
//       w[e, path, u]
//
// K is e3nn's real Wigner 3j symbol times sqrt(2 l3 + 1); l <= 3. The weights w are given, or read
// from a table: coefficients [intervals + 3, paths, channels] of uniform cubic B-splines over
// `radial` in [0, 1), beyond which the weights are zero.
//
// Nothing is kept for the backward pass but the inputs. A thread owns the centres (forward) or the
// neighbours (backward) that it writes, and adds edges in the order of their centres: the result
// does not depend on the number of threads.

#include "edge_order.h"
#include "operator.h"

#include "kernels/convolution_job.h"
#include "kernels/coupling.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace egraff {
namespace {

using Pieces = std::tuple<Tensor, Tensor, Tensor>;

constexpr auto NAME = "egraff::convolution";
constexpr int INTEGERS_A_PATH = 7;

const ConvolutionKernels<float> &kernels_of(Instructions set, float)
{
  return EGRAFF_CHOOSE(convolution_float, set);
}

const ConvolutionKernels<double> &kernels_of(Instructions set, double)
{
  return EGRAFF_CHOOSE(convolution_double, set);
}

// Few channels would leave registers of AVX-512 empty.
template <class S> const ConvolutionKernels<S> &kernels(int64_t channels)
{
  const auto set = instructions();
  const auto &widest = kernels_of(set, S(0));
  if (set != Instructions::AVX512 || channels % widest.lanes == 0) return widest;
  return kernels_of(Instructions::AVX2, S(0));
}

// Paths in the order of their degrees, so that those that share a coupling matrix and code follow
// each other.
struct PathTable {
  std::vector<ConvolutionPath> paths;
  int n_pairs = 0;
  int64_t rows_in = 0, rows_out = 0;

  PathTable(at::IntArrayRef numbers, int l_max)
  {
    TORCH_CHECK(numbers.size() % INTEGERS_A_PATH == 0,
                "egraff::convolution: expected seven integers a path, got ", numbers.size());
    for (size_t k = 0; k < numbers.size(); k += INTEGERS_A_PATH) add(&numbers[k], l_max);
    const auto degrees = [](const ConvolutionPath &p) {
      return std::tuple(p.l1, p.l2, p.l3);
    };
    std::stable_sort(paths.begin(), paths.end(),
                     [&](const auto &a, const auto &b) { return degrees(a) < degrees(b); });
    int offset = 0;
    for (size_t p = 0; p < paths.size(); ++p) {
      auto &path = paths[p];
      path.builds_matrix = p == 0 || degrees(path) != degrees(paths[p - 1]);
      if (path.builds_matrix) {
        offset = n_pairs;
        n_pairs += coupling::n_pairs(path.l1, path.l2, path.l3);
      }
      path.pair_offset = offset;
    }
  }

 private:
  void add(const int64_t *n, int l_max)
  {
    const bool degrees = std::min({n[0], n[1], n[2]}) >= 0 &&
                         std::max({n[0], n[1], n[2]}) <= coupling::L_MAX && n[1] <= l_max &&
                         coupling::n_pairs(n[0], n[1], n[2]) > 0;
    const bool rows = std::min(n[3], n[5]) >= 0 && std::min(n[4], n[6]) >= 1 &&
                      std::max({n[3], n[4], n[5], n[6]}) <= std::numeric_limits<int>::max();
    TORCH_CHECK(degrees && rows, "egraff::convolution: expected a path of degrees up to ",
                coupling::L_MAX, " that multiply, and rows from 0 on, got ",
                at::IntArrayRef(n, INTEGERS_A_PATH));
    paths.push_back({static_cast<int>(n[0]), static_cast<int>(n[1]), static_cast<int>(n[2]),
                     static_cast<int>(paths.size()), n[3], n[4], n[5], n[6], 0, false});
    rows_in = std::max(rows_in, n[3] + 2 * n[0] * n[4] + 1);
    rows_out = std::max(rows_out, n[5] + 2 * n[2] * n[6] + 1);
  }
};

// What the kernels read: contiguous, with the channels filled up to whole registers.
struct Inputs {
  Tensor features, harmonics, weights, radial, table;

  Inputs(const Tensor &x, const Tensor &y, const Tensor &w, const Tensor &r, const Tensor &t,
         int64_t lanes)
  {
    const int64_t extra = (lanes - x.size(2) % lanes) % lanes;
    const auto fill = [extra](const Tensor &a) {
      return a.defined() && extra ? at::constant_pad_nd(a, {0, extra}) : a;
    };
    features = fill(x).contiguous();
    harmonics = y.contiguous();
    if (w.defined()) weights = fill(w).contiguous();
    if (r.defined()) radial = r.contiguous();
    if (t.defined()) table = fill(t).contiguous();
  }
};

int degree_of(const Tensor &harmonics)
{
  int l_max = 0;
  while ((l_max + 1) * (l_max + 1) < harmonics.size(1)) ++l_max;
  return l_max;
}

void check(const Tensor &features, const Tensor &harmonics, const Tensor &weights,
           const Tensor &radial, const Tensor &table, const Tensor &edge_index, int64_t n_centers,
           at::IntArrayRef paths)
{
  check_edge_index(NAME, edge_index);
  TORCH_CHECK(features.dim() == 3 && n_centers >= 0,
              "egraff::convolution: expected features [atoms, rows, channels], got ",
              features.sizes());
  const int64_t n_edges = edge_index.size(1), C = features.size(2);
  const auto n_paths = static_cast<int64_t>(paths.size() / INTEGERS_A_PATH);
  const int64_t degree = harmonics.dim() == 2 ? degree_of(harmonics) + 1 : 0;
  TORCH_CHECK(harmonics.dim() == 2 && harmonics.size(0) == n_edges &&
                  harmonics.size(1) == degree * degree && degree <= coupling::L_MAX + 1,
              "egraff::convolution: expected harmonics [", n_edges, ", (l_max + 1)^2], got ",
              harmonics.sizes());
  if (weights.defined()) {
    TORCH_CHECK(weights.sizes() == at::IntArrayRef({n_edges, n_paths, C}),
                "egraff::convolution: expected weights [", n_edges, ", ", n_paths, ", ", C,
                "], got ", weights.sizes());
  } else {
    TORCH_CHECK(radial.dim() == 1 && radial.size(0) == n_edges && table.dim() == 3 &&
                    table.size(1) == n_paths && table.size(0) > 3 && table.size(2) == C,
                "egraff::tabulated_convolution: expected radial [", n_edges,
                "] and a table [intervals + 3, ", n_paths, ", ", C, "], got ", radial.sizes(),
                " and ", table.sizes());
  }
  for (const auto &other : {harmonics, weights, radial, table})
    TORCH_CHECK(!other.defined() || other.scalar_type() == features.scalar_type(),
                "egraff::convolution: expected one precision, got ", features.scalar_type(),
                " and ", other.defined() ? other.scalar_type() : at::kFloat);
}

template <class S> const S *pointer(const Tensor &tensor)
{
  return tensor.defined() ? tensor.data_ptr<S>() : nullptr;
}

template <class S> ConvolutionJob<S> make_job(const Inputs &in, const EdgeOrder &order,
                                              const PathTable &table, int64_t rows_out)
{
  ConvolutionJob<S> job = {};
  job.first = order.first.data();
  job.edge = order.edge.data();
  job.neighbor = order.neighbor.data();
  job.paths = table.paths.data();
  job.n_paths = static_cast<int>(table.paths.size());
  job.n_pairs = table.n_pairs;
  job.l_max = degree_of(in.harmonics);
  job.channels = in.features.size(2);
  job.rows_in = in.features.size(1);
  job.rows_out = rows_out;
  job.features = pointer<S>(in.features);
  job.harmonics = pointer<S>(in.harmonics);
  job.weights = pointer<S>(in.weights);
  job.radial = pointer<S>(in.radial);
  job.table = pointer<S>(in.table);
  job.intervals = in.table.defined() ? static_cast<int>(in.table.size(0) - 3) : 0;
  return job;
}

template <class S> Tensor run_forward(const Tensor &features, const Tensor &harmonics,
                                      const Tensor &weights, const Tensor &radial,
                                      const Tensor &table, const Tensor &edge_index,
                                      int64_t n_centers, at::IntArrayRef path_numbers)
{
  const auto &kernel = kernels<S>(features.size(2));
  const Inputs in(features, harmonics, weights, radial, table, kernel.lanes);
  const PathTable paths(path_numbers, degree_of(harmonics));
  TORCH_CHECK(paths.rows_in <= features.size(1), "egraff::convolution: expected ", paths.rows_in,
              " rows of features, got ", features.size(1));
  const EdgeOrder order(NAME, edge_index, n_centers, features.size(0));
  auto job = make_job<S>(in, order, paths, paths.rows_out);
  const Tensor out = at::empty({n_centers, paths.rows_out, job.channels}, features.options());
  job.out = out.data_ptr<S>();
  at::parallel_for(0, n_centers, 1, [&](int64_t begin, int64_t end) {
    const Scratch scratch(kernel.scratch_bytes(job));
    kernel.forward(job, begin, end, scratch.aligned());
  });
  return job.channels == features.size(2) ? out : out.narrow(2, 0, features.size(2)).contiguous();
}

// Gradients of features (if wanted), harmonics, and weights or radial.
template <class S>
Pieces run_backward(const Tensor &grad_out, const Tensor &features, const Tensor &harmonics,
                    const Tensor &weights, const Tensor &radial, const Tensor &table,
                    const Tensor &edge_index, at::IntArrayRef path_numbers, bool want_features)
{
  const auto &kernel = kernels<S>(features.size(2));
  const Inputs in(features, harmonics, weights, radial, table, kernel.lanes);
  const PathTable paths(path_numbers, degree_of(harmonics));
  TORCH_CHECK(paths.rows_in <= features.size(1) && paths.rows_out <= grad_out.size(1),
              "egraff::convolution: expected ", paths.rows_in, " rows of features and ",
              paths.rows_out, " of the gradient, got ", features.size(1), " and ",
              grad_out.size(1));
  const int64_t n_all = features.size(0), n_centers = grad_out.size(0), C = features.size(2);
  const EdgeOrder order(NAME, edge_index, n_centers, n_all);
  auto job = make_job<S>(in, order, paths, grad_out.size(1));
  const Tensor grad =
      (job.channels == C ? grad_out : at::constant_pad_nd(grad_out, {0, job.channels - C}))
          .contiguous();
  job.grad = grad.data_ptr<S>();
  Tensor dx, dw, dr;
  if (want_features) {
    dx = at::zeros_like(in.features);
    job.grad_features = dx.data_ptr<S>();
  }
  const Tensor dy = at::empty_like(in.harmonics);
  job.grad_harmonics = dy.data_ptr<S>();
  if (weights.defined()) {
    dw = at::empty_like(in.weights);
    job.grad_weights = dw.data_ptr<S>();
  } else {
    dr = at::empty_like(in.radial);
    job.grad_radial = dr.data_ptr<S>();
  }
  const auto bounds = order.ranges(at::get_num_threads(), n_all);
  at::parallel_for(0, static_cast<int64_t>(bounds.size()) - 1, 1, [&](int64_t from, int64_t to) {
    const Scratch scratch(kernel.scratch_bytes(job));
    kernel.backward(job, n_centers, bounds[from], bounds[to], scratch.aligned());
  });
  const auto cut = [&](const Tensor &a) {
    return a.defined() && a.size(2) != C ? a.narrow(2, 0, C).contiguous() : a;
  };
  return {cut(dx), dy, weights.defined() ? cut(dw) : dr};
}

Tensor forward_cpu(const Tensor &features, const Tensor &harmonics, const Tensor &weights,
                   const Tensor &radial, const Tensor &table, const Tensor &edge_index,
                   int64_t n_centers, at::IntArrayRef paths)
{
  check(features, harmonics, weights, radial, table, edge_index, n_centers, paths);
  Tensor out;
  AT_DISPATCH_FLOATING_TYPES(features.scalar_type(), "egraff::convolution", [&] {
    out = run_forward<scalar_t>(features, harmonics, weights, radial, table, edge_index, n_centers,
                                paths);
  });
  return out;
}

Pieces backward_cpu(const Tensor &grad, const Tensor &features, const Tensor &harmonics,
                    const Tensor &weights, const Tensor &radial, const Tensor &table,
                    const Tensor &edge_index, at::IntArrayRef paths, bool want_features)
{
  TORCH_CHECK(
      grad.dim() == 3 && features.dim() == 3 && grad.size(2) == features.size(2) &&
          grad.scalar_type() == features.scalar_type(),
      "egraff::convolution_backward: expected a gradient [centres, rows, channels] like the "
      "features ",
      features.sizes(), ", got ", grad.sizes());
  check(features, harmonics, weights, radial, table, edge_index, grad.size(0), paths);
  Pieces pieces;
  AT_DISPATCH_FLOATING_TYPES(features.scalar_type(), "egraff::convolution_backward", [&] {
    pieces = run_backward<scalar_t>(grad, features, harmonics, weights, radial, table, edge_index,
                                    paths, want_features);
  });
  return pieces;
}

Tensor convolution_cpu(const Tensor &features, const Tensor &harmonics, const Tensor &weights,
                       const Tensor &edge_index, int64_t n_centers, at::IntArrayRef paths)
{
  return forward_cpu(features, harmonics, weights, {}, {}, edge_index, n_centers, paths);
}

Tensor tabulated_cpu(const Tensor &features, const Tensor &harmonics, const Tensor &radial,
                     const Tensor &table, const Tensor &edge_index, int64_t n_centers,
                     at::IntArrayRef paths)
{
  return forward_cpu(features, harmonics, {}, radial, table, edge_index, n_centers, paths);
}

Pieces convolution_backward_cpu(const Tensor &grad, const Tensor &features, const Tensor &harmonics,
                                const Tensor &weights, const Tensor &edge_index,
                                at::IntArrayRef paths, bool want_features)
{
  return backward_cpu(grad, features, harmonics, weights, {}, {}, edge_index, paths, want_features);
}

Pieces tabulated_backward_cpu(const Tensor &grad, const Tensor &features, const Tensor &harmonics,
                              const Tensor &radial, const Tensor &table, const Tensor &edge_index,
                              at::IntArrayRef paths, bool want_features)
{
  return backward_cpu(grad, features, harmonics, {}, radial, table, edge_index, paths,
                      want_features);
}

// The product is linear in each of features, harmonics and weights: with cotangents (a, b, c) of the
// three gradients, a second derivative can be made of this operator and its backward with a, b or c
// in the place of one factor. It is not built yet.
class Convolution : public torch::autograd::Function<Convolution> {
 public:
  static Tensor forward(AutogradContext *context, const Tensor &features, const Tensor &harmonics,
                        const Tensor &weights, const Tensor &edge_index, int64_t n_centers,
                        std::vector<int64_t> paths)
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({features, harmonics, weights, edge_index});
    context->saved_data["paths"] = paths;
    return call<decltype(convolution_cpu)>("egraff::convolution", features, harmonics, weights,
                                           edge_index, n_centers, paths);
  }

  static variable_list backward(AutogradContext *context, variable_list gradients)
  {
    refuse_second_derivative("egraff::convolution");
    const auto saved = context->get_saved_variables();
    const auto paths = context->saved_data["paths"].toIntVector();
    const auto [dx, dy, dw] = call<decltype(convolution_backward_cpu)>(
        "egraff::convolution_backward", gradients[0], saved[0], saved[1], saved[2], saved[3], paths,
        context->needs_input_grad(0));
    return {dx, dy, dw, {}, {}, {}};
  }
};

class TabulatedConvolution : public torch::autograd::Function<TabulatedConvolution> {
 public:
  static Tensor forward(AutogradContext *context, const Tensor &features, const Tensor &harmonics,
                        const Tensor &radial, const Tensor &table, const Tensor &edge_index,
                        int64_t n_centers, std::vector<int64_t> paths)
  {
    TORCH_CHECK(!table.requires_grad(),
                "egraff::tabulated_convolution: the table is a constant: train with the reference "
                "network, which has no kernels");
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({features, harmonics, radial, table, edge_index});
    context->saved_data["paths"] = paths;
    return call<decltype(tabulated_cpu)>("egraff::tabulated_convolution", features, harmonics,
                                         radial, table, edge_index, n_centers, paths);
  }

  static variable_list backward(AutogradContext *context, variable_list gradients)
  {
    refuse_second_derivative("egraff::convolution");
    const auto saved = context->get_saved_variables();
    const auto paths = context->saved_data["paths"].toIntVector();
    const auto [dx, dy, dr] = call<decltype(tabulated_backward_cpu)>(
        "egraff::tabulated_convolution_backward", gradients[0], saved[0], saved[1], saved[2],
        saved[3], saved[4], paths, context->needs_input_grad(0));
    return {dx, dy, dr, {}, {}, {}, {}};
  }
};

Tensor convolution(const Tensor &features, const Tensor &harmonics, const Tensor &weights,
                   const Tensor &edge_index, int64_t n_centers, at::IntArrayRef paths)
{
  return Convolution::apply(features, harmonics, weights, edge_index, n_centers, paths.vec());
}

Tensor tabulated(const Tensor &features, const Tensor &harmonics, const Tensor &radial,
                 const Tensor &table, const Tensor &edge_index, int64_t n_centers,
                 at::IntArrayRef paths)
{
  return TabulatedConvolution::apply(features, harmonics, radial, table, edge_index, n_centers,
                                     paths.vec());
}

}    // namespace
}    // namespace egraff

TORCH_LIBRARY_FRAGMENT(egraff, library)
{
  library.def("convolution(Tensor features, Tensor harmonics, Tensor weights, Tensor edge_index, "
              "int n_centers, int[] paths) -> Tensor");
  library.def("convolution_backward(Tensor grad, Tensor features, Tensor harmonics, Tensor "
              "weights, Tensor edge_index, int[] paths, bool want_features) -> (Tensor, Tensor, "
              "Tensor)");
  library.def("tabulated_convolution(Tensor features, Tensor harmonics, Tensor radial, Tensor "
              "table, Tensor edge_index, int n_centers, int[] paths) -> Tensor");
  library.def("tabulated_convolution_backward(Tensor grad, Tensor features, Tensor harmonics, "
              "Tensor radial, Tensor table, Tensor edge_index, int[] paths, bool want_features) -> "
              "(Tensor, Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(egraff, CPU, library)
{
  library.impl("convolution", &egraff::convolution_cpu);
  library.impl("convolution_backward", &egraff::convolution_backward_cpu);
  library.impl("tabulated_convolution", &egraff::tabulated_cpu);
  library.impl("tabulated_convolution_backward", &egraff::tabulated_backward_cpu);
}

TORCH_LIBRARY_IMPL(egraff, Autograd, library)
{
  library.impl("convolution", &egraff::convolution);
  library.impl("tabulated_convolution", &egraff::tabulated);
}
