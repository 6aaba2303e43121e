// egraff::convolution_map: a convolution and the linear map of its result, for training, keeping the
// inputs and nothing else.
//
//   out = map(convolution(features, harmonics, weights)) + bias    (convolution.cpp, node_linear.cpp)
//
// Where each edge is a centre of its own, the convolution's result is by far the largest tensor of a
// layer: it is computed anew in each backward pass, the second among them. The map has one set of
// weights.
//
// It is made of the other operators through the dispatcher: another device that has those has this one.

#include "convolution_second.h"

namespace egraff {
namespace {

using Integers = at::IntArrayRef;
using Pieces = std::tuple<Tensor, Tensor, Tensor>;

constexpr auto NAME = "egraff::convolution_map";

// The linear map, which the operators of node_linear.cpp differentiate.
struct Map {
  std::vector<int64_t> blocks;
  int64_t rows_in, channels;    // of the convolution's result

  Tensor operator()(const Tensor &x, const Tensor &w, const Maybe &bias, int64_t rows_out) const
  {
    return call<Tensor(const Tensor &, const Tensor &, const Maybe &, Integers, int64_t, int64_t,
                       const Maybe &, const Maybe &)>("egraff::node_linear", x, w, Maybe(), blocks,
                                                      rows_out, channels, Maybe(), bias);
  }

  Tensor of_features(const Tensor &grad, const Tensor &w) const
  {
    return call<Tensor(const Tensor &, const Tensor &, const Maybe &, Integers, int64_t, int64_t,
                       const Maybe &)>("egraff::node_linear_backward", grad, w, Maybe(), blocks,
                                       rows_in, channels, Maybe());
  }

  Tensor of_weights(const Tensor &grad, const Tensor &x, const Tensor &w) const
  {
    return call<Tensor(const Tensor &, const Tensor &, const Maybe &, Integers, int64_t, int64_t)>(
        "egraff::node_linear_weights", grad, x, Maybe(), blocks, w.size(0), w.size(1));
  }
};

Tensor map_cpu(const Tensor &features, const Tensor &harmonics, const Tensor &weights,
               const Tensor &edge_index, int64_t n_centers, Integers paths, const Tensor &linear,
               Integers blocks, int64_t rows_out, const Maybe &bias)
{
  const auto sums = convolve(features, harmonics, weights, edge_index, n_centers, paths.vec());
  return Map{blocks.vec(), sums.size(1), sums.size(2)}(sums, linear, bias, rows_out);
}

// Gradients of features (where they are wanted), harmonics and weights.
Pieces map_backward_cpu(const Tensor &grad, const Tensor &features, const Tensor &harmonics,
                        const Tensor &weights, const Tensor &edge_index, Integers paths,
                        const Tensor &linear, Integers blocks, int64_t rows, bool want_features)
{
  const Map map = {blocks.vec(), rows, features.dim() == 3 ? features.size(2) : 0};
  return convolve_backward(map.of_features(grad, linear), features, harmonics, weights, edge_index,
                           paths.vec(), want_features);
}

class ConvolutionMap : public torch::autograd::Function<ConvolutionMap> {
 public:
  static Tensor forward(AutogradContext *context, const Tensor &features, const Tensor &harmonics,
                        const Tensor &weights, const Tensor &linear, const Maybe &bias,
                        const Tensor &edge_index, int64_t n_centers, std::vector<int64_t> paths,
                        std::vector<int64_t> blocks, int64_t rows_out)
  {
    TORCH_CHECK(!weights.requires_grad() || weights.size(0) == harmonics.size(0), NAME,
                ": expected weights of each edge where they are trained, got ", weights.sizes());
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({features, harmonics, weights, linear, edge_index});
    context->saved_data["paths"] = paths;
    context->saved_data["blocks"] = blocks;
    context->saved_data["bias"] = bias.has_value();
    const auto sums = convolve(features, harmonics, weights, edge_index, n_centers, paths);
    context->saved_data["rows"] = sums.size(1);
    return Map{blocks, sums.size(1), sums.size(2)}(sums, linear, bias, rows_out);
  }

  static variable_list backward(AutogradContext *context, variable_list gradients)
  {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &y = saved[1], &w = saved[2], &linear = saved[3], &edges = saved[4];
    const auto &grad = gradients[0];
    const auto paths = context->saved_data["paths"].toIntVector();
    const Map map = {context->saved_data["blocks"].toIntVector(),
                     context->saved_data["rows"].toInt(), x.size(2)};
    Tensor dx, dy, dw, of_linear, of_bias;
    const bool want_x = context->needs_input_grad(0);
    if (want_x || context->needs_input_grad(1) || context->needs_input_grad(2))
      std::tie(dx, dy, dw) =
          call<decltype(map_backward_cpu)>("egraff::convolution_map_backward", grad, x, y, w, edges,
                                           paths, linear, map.blocks, map.rows_in, want_x);
    if (context->needs_input_grad(3))
      of_linear = map.of_weights(grad, convolve(x, y, w, edges, grad.size(0), paths), linear);
    // Autograd counts the tensors that are there.
    if (context->saved_data["bias"].toBool() && context->needs_input_grad(4)) of_bias = grad.sum(0);
    if (!context->needs_input_grad(2)) dw = Tensor();
    return {dx, dy, dw, of_linear, of_bias, {}, {}, {}, {}, {}};
  }
};

class ConvolutionMapBackward : public torch::autograd::Function<ConvolutionMapBackward> {
 public:
  static variable_list forward(AutogradContext *context, const Tensor &grad, const Tensor &features,
                               const Tensor &harmonics, const Tensor &weights, const Tensor &linear,
                               const Tensor &edge_index, std::vector<int64_t> paths,
                               std::vector<int64_t> blocks, int64_t rows, bool want_features)
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->set_materialize_grads(false);
    context->save_for_backward({grad, features, harmonics, weights, linear, edge_index});
    context->saved_data["paths"] = paths;
    context->saved_data["blocks"] = blocks;
    context->saved_data["rows"] = rows;
    auto [dx, dy, dw] = call<decltype(map_backward_cpu)>(
        "egraff::convolution_map_backward", grad, features, harmonics, weights, edge_index, paths,
        linear, blocks, rows, want_features);
    if (!dx.defined()) dx = at::empty({0}, features.options());
    return {dx, dy, dw};
  }

  static variable_list backward(AutogradContext *context, variable_list cotangents)
  {
    refuse_third_derivative(NAME);
    const auto saved = context->get_saved_variables();
    const auto &grad = saved[0], &linear = saved[4];
    const Map map = {context->saved_data["blocks"].toIntVector(),
                     context->saved_data["rows"].toInt(), saved[1].size(2)};
    const ConvolutionSecond given = {map.of_features(grad, linear),
                                     saved[1],
                                     saved[2],
                                     saved[3],
                                     saved[5],
                                     context->saved_data["paths"].toIntVector()};
    const bool want_grad = context->needs_input_grad(0), want_linear = context->needs_input_grad(4);
    const auto found =
        given.derivatives(cotangents, want_grad || want_linear, context->needs_input_grad(1),
                          context->needs_input_grad(2), context->needs_input_grad(3));
    Tensor of_grad, of_linear;
    if (found.grad.defined()) {
      if (want_grad) of_grad = map(found.grad, linear, {}, grad.size(1));
      if (want_linear) of_linear = map.of_weights(grad, found.grad, linear);
    }
    return {of_grad, found.features, found.harmonics, found.weights, of_linear, {}, {}, {}, {}, {}};
  }
};

Tensor convolution_map(const Tensor &features, const Tensor &harmonics, const Tensor &weights,
                       const Tensor &edge_index, int64_t n_centers, Integers paths,
                       const Tensor &linear, Integers blocks, int64_t rows_out, const Maybe &bias)
{
  return ConvolutionMap::apply(features, harmonics, weights, linear, bias, edge_index, n_centers,
                               paths.vec(), blocks.vec(), rows_out);
}

Pieces convolution_map_backward(const Tensor &grad, const Tensor &features, const Tensor &harmonics,
                                const Tensor &weights, const Tensor &edge_index, Integers paths,
                                const Tensor &linear, Integers blocks, int64_t rows,
                                bool want_features)
{
  const auto found =
      ConvolutionMapBackward::apply(grad, features, harmonics, weights, linear, edge_index,
                                    paths.vec(), blocks.vec(), rows, want_features);
  return {want_features ? found[0] : Tensor(), found[1], found[2]};
}

}    // namespace
}    // namespace egraff

TORCH_LIBRARY_FRAGMENT(egraff, library)
{
  library.def(
      "convolution_map(Tensor features, Tensor harmonics, Tensor weights, Tensor edge_index, "
      "int n_centers, int[] paths, Tensor linear, int[] blocks, int rows_out, Tensor? "
      "bias=None) -> Tensor");
  library.def(
      "convolution_map_backward(Tensor grad, Tensor features, Tensor harmonics, Tensor "
      "weights, Tensor edge_index, int[] paths, Tensor linear, int[] blocks, int rows, bool "
      "want_features) -> (Tensor, Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(egraff, CPU, library)
{
  library.impl("convolution_map", &egraff::map_cpu);
  library.impl("convolution_map_backward", &egraff::map_backward_cpu);
}

TORCH_LIBRARY_IMPL(egraff, Autograd, library)
{
  library.impl("convolution_map", &egraff::convolution_map);
  library.impl("convolution_map_backward", &egraff::convolution_map_backward);
}
