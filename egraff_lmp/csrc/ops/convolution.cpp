// egraff::convolution and egraff::tabulated_convolution: gather, tensor product, scatter.
//
// Features are [atoms, rows, channels]; an irrep of degree l takes 2 l + 1 rows. A path is seven
// integers l1, l2, l3, row_in, step_in, row_out, step_out:
//
//   out[c, row_out + m3 step_out, u] += sum over the edges e of centre c, m1 and m2 of
//       K[m1, m2, m3] harmonics[e, l2^2 + m2] features[neighbour(e), row_in + m1 step_in, u]
//       w[e, path, u]
//
// K is e3nn's real Wigner 3j symbol times sqrt(2 l3 + 1); l <= 3. The weights w are given, those of
// each edge or, as a constant [1, paths, channels], those of all of them, or read from a table:
// coefficients [intervals + 3, paths, channels] of uniform cubic B-splines over `radial` in [0, 1),
// beyond which the weights are zero.
//
// Nothing is kept for the backward pass but the inputs. A thread owns the centres (forward) or the
// neighbours (backward) that it writes, and adds edges in the order of their centres: the result
// does not depend on the number of threads.

#include "convolution_plan.h"
#include "convolution_second.h"
#include "spline_weights.h"

namespace egraff {
namespace {

using Pieces = std::tuple<Tensor, Tensor, Tensor>;

constexpr auto NAME = "egraff::convolution";

// Where the kernels write the gradient of the weights: nothing where all edges have the same, which
// are constants.
template <class S> Tensor weights_gradient(const ConvolutionInputs &in, ConvolutionJob<S> &job)
{
  if (in.weights.size(0) != in.harmonics.size(0))
    return at::empty({0, 0, in.weights.size(2)}, in.weights.options());
  const auto dw = at::empty_like(in.weights);
  job.grad_weights = dw.data_ptr<S>();
  return dw;
}

template <class S> Tensor run_forward(const Tensor &features, const Tensor &harmonics,
                                      const Tensor &weights, const Tensor &radial,
                                      const Tensor &table, const Tensor &edge_index,
                                      int64_t n_centers, at::IntArrayRef path_numbers)
{
  const auto &kernel = convolution_kernels<S>(features.size(2));
  const ConvolutionInputs in(features, harmonics, weights, radial, table, kernel.lanes);
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
  return cut(out, features.size(2));
}

// Gradients of features (if wanted), harmonics, and weights or radial.
template <class S>
Pieces run_backward(const Tensor &grad_out, const Tensor &features, const Tensor &harmonics,
                    const Tensor &weights, const Tensor &radial, const Tensor &table,
                    const Tensor &edge_index, at::IntArrayRef path_numbers, bool want_features)
{
  const auto &kernel = convolution_kernels<S>(features.size(2));
  const ConvolutionInputs in(features, harmonics, weights, radial, table, kernel.lanes);
  const PathTable paths(path_numbers, degree_of(harmonics));
  TORCH_CHECK(paths.rows_in <= features.size(1) && paths.rows_out <= grad_out.size(1),
              "egraff::convolution: expected ", paths.rows_in, " rows of features and ",
              paths.rows_out, " of the gradient, got ", features.size(1), " and ",
              grad_out.size(1));
  const int64_t n_all = features.size(0), n_centers = grad_out.size(0), C = features.size(2);
  const EdgeOrder order(NAME, edge_index, n_centers, n_all);
  auto job = make_job<S>(in, order, paths, grad_out.size(1));
  const Tensor grad = filled(grad_out, kernel.lanes);
  job.grad = grad.data_ptr<S>();
  Tensor dx, dw, dr;
  if (want_features) {
    dx = at::zeros_like(in.features);
    job.grad_features = dx.data_ptr<S>();
  }
  const Tensor dy = at::empty_like(in.harmonics);
  job.grad_harmonics = dy.data_ptr<S>();
  if (weights.defined()) {
    dw = weights_gradient<S>(in, job);
  } else {
    dr = at::empty_like(in.radial);
    job.grad_radial = dr.data_ptr<S>();
  }
  const auto bounds = order.ranges(at::get_num_threads(), 0, order.n_centers(), n_all);
  at::parallel_for(0, static_cast<int64_t>(bounds.size()) - 1, 1, [&](int64_t from, int64_t to) {
    const Scratch scratch(kernel.scratch_bytes(job));
    kernel.backward(job, n_centers, bounds[from], bounds[to], scratch.aligned());
  });
  return {cut(dx, C), dy, weights.defined() ? cut(dw, C) : dr};
}

// Derivatives of the gradients of features x, harmonics y and weights w, contracted with cotangents
// a, b and c of them: by the gradient of the result, by x (if wanted) and by w.
template <class S>
Pieces run_second(const Tensor &grad_out, const Tensor &features, const Tensor &harmonics,
                  const Tensor &weights, const Tensor &a, const Tensor &b, const Tensor &c,
                  const Tensor &edge_index, at::IntArrayRef path_numbers, bool want_features)
{
  const auto &kernel = convolution_kernels<S>(features.size(2));
  const ConvolutionInputs in(features, harmonics, weights, {}, {}, kernel.lanes);
  const ConvolutionInputs along(a, b, c, {}, {}, kernel.lanes);
  const PathTable paths(path_numbers, degree_of(harmonics));
  const int64_t n_all = features.size(0), n_centers = grad_out.size(0), C = features.size(2);
  TORCH_CHECK(paths.rows_in <= features.size(1) && paths.rows_out <= grad_out.size(1), NAME,
              ": expected ", paths.rows_in, " rows of features and ", paths.rows_out,
              " of the gradient, got ", features.size(1), " and ", grad_out.size(1));
  const EdgeOrder order(NAME, edge_index, n_centers, n_all);
  auto job = make_job<S>(in, order, paths, grad_out.size(1));
  const Tensor grad = filled(grad_out, kernel.lanes), out = at::empty_like(grad);
  const Tensor dw = weights_gradient<S>(in, job);
  Tensor dx;
  job.grad = grad.data_ptr<S>();
  job.out = out.data_ptr<S>();
  job.along_features = along.features.data_ptr<S>();
  job.along_harmonics = along.harmonics.data_ptr<S>();
  job.along_weights = along.weights.data_ptr<S>();
  if (want_features) {
    dx = at::zeros_like(in.features);
    job.grad_features = dx.data_ptr<S>();
  }
  at::parallel_for(0, n_centers, 1, [&](int64_t begin, int64_t end) {
    const Scratch scratch(kernel.scratch_bytes(job));
    kernel.second_forward(job, begin, end, scratch.aligned());
  });
  const auto bounds = order.ranges(at::get_num_threads(), 0, order.n_centers(), n_all);
  at::parallel_for(0, static_cast<int64_t>(bounds.size()) - 1, 1, [&](int64_t from, int64_t to) {
    const Scratch scratch(kernel.scratch_bytes(job));
    kernel.second_backward(job, n_centers, bounds[from], bounds[to], scratch.aligned());
  });
  return {cut(out, C), cut(dx, C), cut(dw, C)};
}

Tensor forward_cpu(const Tensor &features, const Tensor &harmonics, const Tensor &weights,
                   const Tensor &radial, const Tensor &table, const Tensor &edge_index,
                   int64_t n_centers, at::IntArrayRef paths)
{
  check_convolution(features, harmonics, weights, radial, table, edge_index, n_centers, paths);
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
  check_convolution(features, harmonics, weights, radial, table, edge_index, grad.size(0), paths);
  Pieces pieces;
  AT_DISPATCH_FLOATING_TYPES(features.scalar_type(), "egraff::convolution_backward", [&] {
    pieces = run_backward<scalar_t>(grad, features, harmonics, weights, radial, table, edge_index,
                                    paths, want_features);
  });
  return pieces;
}

Pieces second_cpu(const Tensor &grad, const Tensor &features, const Tensor &harmonics,
                  const Tensor &weights, const Tensor &a, const Tensor &b, const Tensor &c,
                  const Tensor &edge_index, at::IntArrayRef paths, bool want_features)
{
  for (const auto &[given, of] :
       {std::tie(a, features), std::tie(b, harmonics), std::tie(c, weights)})
    TORCH_CHECK(given.sizes() == of.sizes() && given.scalar_type() == of.scalar_type(),
                "egraff::convolution_second: expected cotangents like what they belong to, got ",
                given.sizes(), " for ", of.sizes());
  TORCH_CHECK(grad.dim() == 3 && features.dim() == 3 && grad.size(2) == features.size(2) &&
                  grad.scalar_type() == features.scalar_type(),
              "egraff::convolution_second: expected a gradient [centres, rows, channels] like the "
              "features ",
              features.sizes(), ", got ", grad.sizes());
  check_convolution(features, harmonics, weights, {}, {}, edge_index, grad.size(0), paths);
  Pieces pieces;
  AT_DISPATCH_FLOATING_TYPES(features.scalar_type(), "egraff::convolution_second", [&] {
    pieces = run_second<scalar_t>(grad, features, harmonics, weights, a, b, c, edge_index, paths,
                                  want_features);
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

class Convolution : public torch::autograd::Function<Convolution> {
 public:
  static Tensor forward(AutogradContext *context, const Tensor &features, const Tensor &harmonics,
                        const Tensor &weights, const Tensor &edge_index, int64_t n_centers,
                        std::vector<int64_t> paths)
  {
    TORCH_CHECK(!weights.requires_grad() || weights.size(0) == harmonics.size(0), NAME,
                ": expected weights of each edge where they are trained, got ", weights.sizes());
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({features, harmonics, weights, edge_index});
    context->saved_data["paths"] = paths;
    return convolve(features, harmonics, weights, edge_index, n_centers, paths);
  }

  static variable_list backward(AutogradContext *context, variable_list gradients)
  {
    const auto saved = context->get_saved_variables();
    const auto [dx, dy, dw] =
        convolve_backward(gradients[0], saved[0], saved[1], saved[2], saved[3],
                          context->saved_data["paths"].toIntVector(), context->needs_input_grad(0));
    return {dx, dy, context->needs_input_grad(2) ? dw : Tensor(), {}, {}, {}};
  }
};

// See convolution_second.h.
class ConvolutionBackward : public torch::autograd::Function<ConvolutionBackward> {
 public:
  static variable_list forward(AutogradContext *context, const Tensor &grad, const Tensor &features,
                               const Tensor &harmonics, const Tensor &weights,
                               const Tensor &edge_index, std::vector<int64_t> paths,
                               bool want_features)
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->set_materialize_grads(false);
    context->save_for_backward({grad, features, harmonics, weights, edge_index});
    context->saved_data["paths"] = paths;
    auto [dx, dy, dw] =
        convolve_backward(grad, features, harmonics, weights, edge_index, paths, want_features);
    if (!dx.defined()) dx = at::empty({0}, features.options());
    return {dx, dy, dw};
  }

  static variable_list backward(AutogradContext *context, variable_list cotangents)
  {
    const auto saved = context->get_saved_variables();
    const ConvolutionSecond given = {saved[0], saved[1],
                                     saved[2], saved[3],
                                     saved[4], context->saved_data["paths"].toIntVector()};
    const auto found =
        given.derivatives(cotangents, context->needs_input_grad(0), context->needs_input_grad(1),
                          context->needs_input_grad(2), context->needs_input_grad(3));
    return {found.grad, found.features, found.harmonics, found.weights, {}, {}, {}};
  }
};

class TabulatedConvolution : public torch::autograd::Function<TabulatedConvolution> {
 public:
  static Tensor forward(AutogradContext *context, const Tensor &features, const Tensor &harmonics,
                        const Tensor &radial, const Tensor &table, const Tensor &edge_index,
                        int64_t n_centers, std::vector<int64_t> paths)
  {
    require_constant("egraff::tabulated_convolution", table);
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({features, harmonics, radial, table, edge_index});
    context->saved_data["paths"] = paths;
    return call<decltype(tabulated_cpu)>("egraff::tabulated_convolution", features, harmonics,
                                         radial, table, edge_index, n_centers, paths);
  }

  static variable_list backward(AutogradContext *context, variable_list gradients)
  {
    const auto saved = context->get_saved_variables();
    const auto &features = saved[0], &harmonics = saved[1], &radial = saved[2], &table = saved[3];
    const auto paths = context->saved_data["paths"].toIntVector();
    if (at::GradMode::is_enabled()) {
      const auto inputs = aliases({features, harmonics, radial});
      const auto again = convolve(inputs[0], inputs[1], read_spline(inputs[2], table), saved[4],
                                  gradients[0].size(0), paths);
      const auto found = gradients_of({again}, gradients, inputs);
      return {found[0], found[1], found[2], {}, {}, {}, {}};
    }
    const auto [dx, dy, dr] = call<decltype(tabulated_backward_cpu)>(
        "egraff::tabulated_convolution_backward", gradients[0], features, harmonics, radial, table,
        saved[4], paths, context->needs_input_grad(0));
    return {dx, dy, dr, {}, {}, {}, {}};
  }
};

Tensor convolution(const Tensor &features, const Tensor &harmonics, const Tensor &weights,
                   const Tensor &edge_index, int64_t n_centers, at::IntArrayRef paths)
{
  return Convolution::apply(features, harmonics, weights, edge_index, n_centers, paths.vec());
}

Pieces convolution_backward(const Tensor &grad, const Tensor &features, const Tensor &harmonics,
                            const Tensor &weights, const Tensor &edge_index, at::IntArrayRef paths,
                            bool want_features)
{
  const auto found = ConvolutionBackward::apply(grad, features, harmonics, weights, edge_index,
                                                paths.vec(), want_features);
  return {want_features ? found[0] : Tensor(), found[1], found[2]};
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
  library.def("convolution_second(Tensor grad, Tensor features, Tensor harmonics, Tensor weights, "
              "Tensor along_features, Tensor along_harmonics, Tensor along_weights, Tensor "
              "edge_index, int[] paths, bool want_features) -> (Tensor, Tensor, Tensor)");
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
  library.impl("convolution_second", &egraff::second_cpu);
  library.impl("tabulated_convolution", &egraff::tabulated_cpu);
  library.impl("tabulated_convolution_backward", &egraff::tabulated_backward_cpu);
}

TORCH_LIBRARY_IMPL(egraff, Autograd, library)
{
  library.impl("convolution", &egraff::convolution);
  library.impl("convolution_backward", &egraff::convolution_backward);
  library.impl("tabulated_convolution", &egraff::tabulated);
}
