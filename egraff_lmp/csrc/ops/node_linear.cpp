// egraff::node_linear: linear maps between irreps of atoms' features, by type where there are types.
//
// Features are [atoms, rows, channels]. A block is six integers row_in, joined_in, count,
// row_out, joined_out, offset. Row m = 0 .. count - 1 of it is `joined_in` rows of x from row_in +
// m joined_in on, read as one, times a matrix, added to `joined_out` rows of the result from row_out
// + m joined_out on. The matrix [joined_in channels, joined_out channels_out] begins at `offset` in
// the weights of the atom's type. With rows grouped as [2 l + 1, joined] that is a linear map
// between `joined` irreps of degree l. `bias` [rows_out, channels_out] is added to every atom. All of
// these are constants; `transposed` may hold them with each
// matrix transposed, which spares the backward pass from doing it.

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
    const auto &kernels = node_kernels(scalar_t(0));
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

class NodeLinear : public torch::autograd::Function<NodeLinear> {
 public:
  static Tensor forward(AutogradContext *context, const Tensor &features, const Tensor &weights,
                        const Types &types, std::vector<int64_t> blocks, int64_t rows_out,
                        int64_t channels_out, const std::optional<Tensor> &turned,
                        const std::optional<Tensor> &bias)
  {
    TORCH_CHECK(!weights.requires_grad() && !(bias && bias->requires_grad()),
                "egraff::node_linear: expected constant weights: train with the reference network");
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({weights, types.value_or(Tensor()), turned.value_or(Tensor())});
    context->saved_data["blocks"] = blocks;
    context->saved_data["rows_in"] = features.size(1);
    context->saved_data["channels_in"] = features.size(2);
    return call<decltype(node_linear_cpu)>("egraff::node_linear", features, weights, types, blocks,
                                           rows_out, channels_out, turned, bias);
  }

  static variable_list backward(AutogradContext *context, variable_list gradients)
  {
    refuse_second_derivative("egraff::node_linear");
    const auto saved = context->get_saved_variables();
    const auto given = [](const Tensor &a) {
      return a.defined() ? std::optional<Tensor>(a) : std::nullopt;
    };
    const auto dx = call<decltype(node_linear_backward_cpu)>(
        "egraff::node_linear_backward", gradients[0], saved[0], given(saved[1]),
        context->saved_data["blocks"].toIntVector(), context->saved_data["rows_in"].toInt(),
        context->saved_data["channels_in"].toInt(), given(saved[2]));
    return {dx, {}, {}, {}, {}, {}, {}, {}};
  }
};

Tensor node_linear(const Tensor &features, const Tensor &weights, const Types &types,
                   at::IntArrayRef blocks, int64_t rows_out, int64_t channels_out,
                   const std::optional<Tensor> &transposed, const std::optional<Tensor> &bias)
{
  return NodeLinear::apply(features, weights, types, blocks.vec(), rows_out, channels_out,
                           transposed, bias);
}

}    // namespace
}    // namespace egraff

TORCH_LIBRARY_FRAGMENT(egraff, library)
{
  library.def("node_linear(Tensor features, Tensor weights, Tensor? types, int[] blocks, int "
              "rows_out, int channels_out, Tensor? transposed=None, Tensor? bias=None) -> Tensor");
  library.def("node_linear_backward(Tensor grad, Tensor weights, Tensor? types, int[] blocks, int "
              "rows_in, int channels_in, Tensor? transposed=None) -> Tensor");
}

TORCH_LIBRARY_IMPL(egraff, CPU, library)
{
  library.impl("node_linear", &egraff::node_linear_cpu);
  library.impl("node_linear_backward", &egraff::node_linear_backward_cpu);
}

TORCH_LIBRARY_IMPL(egraff, Autograd, library)
{
  library.impl("node_linear", &egraff::node_linear);
}
