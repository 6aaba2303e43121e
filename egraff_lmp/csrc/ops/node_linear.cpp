// egraff::node_linear: linear maps between irreps of atoms' features, by type where there are types.
//
// Features are [atoms, rows, channels]. A block is six integers row_in, joined_in, count,
// row_out, joined_out, offset. Row m = 0 .. count - 1 of it is `joined_in` rows of x from row_in +
// m joined_in on, read as one, times a matrix, added to `joined_out` rows of the result from row_out
// + m joined_out on. The matrix [joined_in channels, joined_out channels_out] begins at `offset` in
// the weights of the atom's type. With rows grouped as [2 l + 1, joined] that is a linear map
// between `joined` irreps of degree l. `bias` [rows_out, channels_out] is added to every atom.
// `transposed` may hold the weights with each matrix transposed, which spares the backward pass from
// doing it: a copy, whose own gradient is not taken.
//
// The map is linear in features and weights, and so are its gradients, which are two more operators:
// node_linear_backward for the features, node_linear_weights for the weights. The derivatives of each
// of the three are the other two.

#include "linear_plan.h"

namespace egraff {
namespace {

Tensor multiply(const Tensor &x, const Tensor &weights, const Types &types,
                const std::optional<Tensor> &bias, const std::vector<LinearBlock> &blocks,
                int64_t rows_out, int64_t channels_out)
{
  TORCH_CHECK(!bias || (bias->sizes() == at::IntArrayRef({rows_out, channels_out}) &&
                        bias->scalar_type() == x.scalar_type()),
              "egraff::node_linear: expected a bias [", rows_out, ", ", channels_out,
              "] of the features' precision, got ", bias ? bias->sizes() : at::IntArrayRef());
  const auto constant = bias ? bias->contiguous() : Tensor();
  const auto from = x.contiguous(), w = weights.contiguous();
  const auto y = at::empty({x.size(0), rows_out, channels_out}, x.options());
  const TypeOrder order(types, x.size(0), weights.size(0));
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "egraff::node_linear", [&] {
    LinearJob<scalar_t> job = {};
    job.blocks = blocks.data();
    job.n_blocks = static_cast<int>(blocks.size());
    job.atom = order.atom.data();
    job.type = order.type.data();
    job.size_in = x.size(1) * x.size(2);
    job.size_out = rows_out * channels_out;
    job.weights_of_type = w.size(1);
    job.x = from.data_ptr<scalar_t>();
    job.weights = w.data_ptr<scalar_t>();
    job.bias = bias ? constant.data_ptr<scalar_t>() : nullptr;
    job.y = y.data_ptr<scalar_t>();
    const auto &kernels = node_kernels<scalar_t>();
    at::parallel_for(0, x.size(0), 16,
                     [&](int64_t begin, int64_t end) { kernels.linear(job, begin, end); });
  });
  return y;
}

void check(const Tensor &features, const Tensor &weights, const Types &types)
{
  TORCH_CHECK(features.dim() == 3 && weights.dim() == 2 && weights.size(0) > 0 &&
                  (types || weights.size(0) == 1) &&
                  features.scalar_type() == weights.scalar_type(),
              "egraff::node_linear: expected features [atoms, rows, channels] and weights [types, "
              "numbers] of one precision, got ",
              features.sizes(), " and ", weights.sizes());
}

Tensor node_linear_cpu(const Tensor &features, const Tensor &weights, const Types &types,
                       at::IntArrayRef blocks, int64_t rows_out, int64_t channels_out,
                       const std::optional<Tensor> &, const std::optional<Tensor> &bias)
{
  check(features, weights, types);
  const LinearShape shape = {features.size(1), features.size(2), rows_out, channels_out};
  return multiply(features, weights, types, bias,
                  make_blocks(blocks, shape, weights.size(1), false), rows_out, channels_out);
}

Tensor transposed(const Tensor &weights, at::IntArrayRef blocks, int64_t channels_in,
                  int64_t channels_out)
{
  const auto result = at::empty_like(weights);
  for (size_t k = 0; k < blocks.size(); k += INTEGERS_A_BLOCK) {
    const int64_t K = blocks[k + 1] * channels_in, N = blocks[k + 4] * channels_out;
    const auto part = weights.narrow(1, blocks[k + 5], K * N);
    result.narrow(1, blocks[k + 5], K * N)
        .view({-1, N, K})
        .copy_(part.view({-1, K, N}).transpose(1, 2));
  }
  return result;
}

Tensor node_linear_backward_cpu(const Tensor &grad, const Tensor &weights, const Types &types,
                                at::IntArrayRef blocks, int64_t rows_in, int64_t channels_in,
                                const std::optional<Tensor> &turned_weights)
{
  check(grad, weights, types);
  const LinearShape shape = {rows_in, channels_in, grad.size(1), grad.size(2)};
  const auto turned = make_blocks(blocks, shape, weights.size(1), true);
  const auto w =
      turned_weights ? *turned_weights : transposed(weights, blocks, channels_in, grad.size(2));
  TORCH_CHECK(w.sizes() == weights.sizes() && w.scalar_type() == weights.scalar_type(),
              "egraff::node_linear: expected transposed weights ", weights.sizes(), ", got ",
              w.sizes());
  return multiply(grad, w, types, {}, turned, rows_in, channels_in);
}

// What the weights' gradient is: for each block and type, the sum over its atoms and rows of the
// outer product of features and gradient; zero for weights that are in no block.
Tensor node_linear_weights_cpu(const Tensor &grad, const Tensor &features, const Types &types,
                               at::IntArrayRef blocks, int64_t n_types, int64_t n_weights)
{
  TORCH_CHECK(
      grad.dim() == 3 && features.dim() == 3 && grad.size(0) == features.size(0) &&
          grad.scalar_type() == features.scalar_type() && n_types > 0 && (types || n_types == 1),
      "egraff::node_linear_weights: expected a gradient and features of the same atoms, got ",
      grad.sizes(), " and ", features.sizes());
  const LinearShape shape = {features.size(1), features.size(2), grad.size(1), grad.size(2)};
  make_blocks(blocks, shape, n_weights, false);    // throws unless they are inside
  const auto result = at::zeros({n_types, n_weights}, features.options());
  const auto add = [&](int64_t type, const Tensor &x, const Tensor &g) {
    for (size_t k = 0; k < blocks.size(); k += INTEGERS_A_BLOCK) {
      const int64_t K = blocks[k + 1] * shape.channels_in, N = blocks[k + 4] * shape.channels_out;
      const auto part = [&](const Tensor &rows, int64_t first, int64_t joined, int64_t width) {
        return rows.narrow(1, first, joined * blocks[k + 2]).reshape({-1, width});
      };
      auto into = result.select(0, type).narrow(0, blocks[k + 5], K * N).view({K, N});
      into.addmm_(part(x, blocks[k], blocks[k + 1], K).t(),
                  part(g, blocks[k + 3], blocks[k + 4], N));
    }
  };
  if (!types || n_types == 1) {
    add(0, features, grad);
    return result;
  }
  const auto of = TypeOrder::checked_types(*types, features.size(0), n_types);
  for (int64_t type = 0; type < n_types; ++type) {
    const auto atoms = (of == type).nonzero().view(-1);
    if (atoms.size(0)) add(type, features.index_select(0, atoms), grad.index_select(0, atoms));
  }
  return result;
}

Tensor of_features(const Tensor &grad, const Tensor &weights, const Types &types,
                   const std::vector<int64_t> &blocks, int64_t rows_in, int64_t channels_in,
                   const Maybe &turned = {})
{
  return call<decltype(node_linear_backward_cpu)>("egraff::node_linear_backward", grad, weights,
                                                  types, blocks, rows_in, channels_in, turned);
}

Tensor of_weights(const Tensor &grad, const Tensor &features, const Types &types,
                  const std::vector<int64_t> &blocks, const Tensor &weights)
{
  return call<decltype(node_linear_weights_cpu)>("egraff::node_linear_weights", grad, features,
                                                 types, blocks, weights.size(0), weights.size(1));
}

Tensor result_of(const Tensor &features, const Tensor &weights, const Types &types,
                 const std::vector<int64_t> &blocks, int64_t rows_out, int64_t channels_out)
{
  return call<decltype(node_linear_cpu)>("egraff::node_linear", features, weights, types, blocks,
                                         rows_out, channels_out, Maybe(), Maybe());
}

class NodeLinear : public torch::autograd::Function<NodeLinear> {
 public:
  static Tensor forward(AutogradContext *context, const Tensor &features, const Tensor &weights,
                        const Types &types, std::vector<int64_t> blocks, int64_t rows_out,
                        int64_t channels_out, const Maybe &turned, const Maybe &bias)
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward(
        {features, weights, types.value_or(Tensor()), turned.value_or(Tensor())});
    context->saved_data["blocks"] = blocks;
    // Autograd counts the tensors that are there.
    context->saved_data["bias"] =
        bias ? 2 + int64_t(types.has_value()) + int64_t(turned.has_value()) : int64_t(-1);
    return call<decltype(node_linear_cpu)>("egraff::node_linear", features, weights, types, blocks,
                                           rows_out, channels_out, turned, bias);
  }

  static variable_list backward(AutogradContext *context, variable_list gradients)
  {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &w = saved[1], &grad = gradients[0];
    const auto types = given(saved[2]);
    const auto blocks = context->saved_data["blocks"].toIntVector();
    Tensor dx, dw, db;
    if (context->needs_input_grad(0))
      dx = of_features(grad, w, types, blocks, x.size(1), x.size(2), given(saved[3]));
    if (context->needs_input_grad(1)) dw = of_weights(grad, x, types, blocks, w);
    const int64_t bias = context->saved_data["bias"].toInt();
    if (bias >= 0 && context->needs_input_grad(bias)) db = grad.sum(0);
    return {dx, dw, {}, {}, {}, {}, {}, db};
  }
};

class NodeLinearBackward : public torch::autograd::Function<NodeLinearBackward> {
 public:
  static Tensor forward(AutogradContext *context, const Tensor &grad, const Tensor &weights,
                        const Types &types, std::vector<int64_t> blocks, int64_t rows_in,
                        int64_t channels_in, const Maybe &turned)
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({grad, weights, types.value_or(Tensor())});
    context->saved_data["blocks"] = blocks;
    return of_features(grad, weights, types, blocks, rows_in, channels_in, turned);
  }

  static variable_list backward(AutogradContext *context, variable_list cotangents)
  {
    const auto saved = context->get_saved_variables();
    const auto &grad = saved[0], &w = saved[1], &x = cotangents[0];
    const auto types = given(saved[2]);
    const auto blocks = context->saved_data["blocks"].toIntVector();
    Tensor dg, dw;
    if (context->needs_input_grad(0))
      dg = result_of(x, w, types, blocks, grad.size(1), grad.size(2));
    if (context->needs_input_grad(1)) dw = of_weights(grad, x, types, blocks, w);
    return {dg, dw, {}, {}, {}, {}, {}};
  }
};

class NodeLinearWeights : public torch::autograd::Function<NodeLinearWeights> {
 public:
  static Tensor forward(AutogradContext *context, const Tensor &grad, const Tensor &features,
                        const Types &types, std::vector<int64_t> blocks, int64_t n_types,
                        int64_t n_weights)
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({grad, features, types.value_or(Tensor())});
    context->saved_data["blocks"] = blocks;
    return call<decltype(node_linear_weights_cpu)>("egraff::node_linear_weights", grad, features,
                                                   types, blocks, n_types, n_weights);
  }

  static variable_list backward(AutogradContext *context, variable_list cotangents)
  {
    const auto saved = context->get_saved_variables();
    const auto &grad = saved[0], &x = saved[1], &w = cotangents[0];
    const auto types = given(saved[2]);
    const auto blocks = context->saved_data["blocks"].toIntVector();
    Tensor dg, dx;
    if (context->needs_input_grad(0))
      dg = result_of(x, w, types, blocks, grad.size(1), grad.size(2));
    if (context->needs_input_grad(1))
      dx = of_features(grad, w, types, blocks, x.size(1), x.size(2));
    return {dg, dx, {}, {}, {}, {}};
  }
};

Tensor node_linear(const Tensor &features, const Tensor &weights, const Types &types,
                   at::IntArrayRef blocks, int64_t rows_out, int64_t channels_out,
                   const Maybe &transposed, const Maybe &bias)
{
  return NodeLinear::apply(features, weights, types, blocks.vec(), rows_out, channels_out,
                           transposed, bias);
}

Tensor node_linear_backward(const Tensor &grad, const Tensor &weights, const Types &types,
                            at::IntArrayRef blocks, int64_t rows_in, int64_t channels_in,
                            const Maybe &transposed)
{
  return NodeLinearBackward::apply(grad, weights, types, blocks.vec(), rows_in, channels_in,
                                   transposed);
}

Tensor node_linear_weights(const Tensor &grad, const Tensor &features, const Types &types,
                           at::IntArrayRef blocks, int64_t n_types, int64_t n_weights)
{
  return NodeLinearWeights::apply(grad, features, types, blocks.vec(), n_types, n_weights);
}

}    // namespace
}    // namespace egraff

TORCH_LIBRARY_FRAGMENT(egraff, library)
{
  library.def("node_linear(Tensor features, Tensor weights, Tensor? types, int[] blocks, int "
              "rows_out, int channels_out, Tensor? transposed=None, Tensor? bias=None) -> Tensor");
  library.def("node_linear_backward(Tensor grad, Tensor weights, Tensor? types, int[] blocks, int "
              "rows_in, int channels_in, Tensor? transposed=None) -> Tensor");
  library.def("node_linear_weights(Tensor grad, Tensor features, Tensor? types, int[] blocks, int "
              "n_types, int n_weights) -> Tensor");
}

TORCH_LIBRARY_IMPL(egraff, CPU, library)
{
  library.impl("node_linear", &egraff::node_linear_cpu);
  library.impl("node_linear_backward", &egraff::node_linear_backward_cpu);
  library.impl("node_linear_weights", &egraff::node_linear_weights_cpu);
}

TORCH_LIBRARY_IMPL(egraff, Autograd, library)
{
  library.impl("node_linear", &egraff::node_linear);
  library.impl("node_linear_backward", &egraff::node_linear_backward);
  library.impl("node_linear_weights", &egraff::node_linear_weights);
}
