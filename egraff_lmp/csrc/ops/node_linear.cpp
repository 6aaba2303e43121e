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

#include "operator.h"

#include "kernels/node_job.h"

#include <numeric>
#include <vector>

namespace egraff {
namespace {

using Types = std::optional<Tensor>;

constexpr int INTEGERS_A_BLOCK = 6;

const NodeKernels<float> &kernels_of(float)
{
  return EGRAFF_CHOOSE(node_float, instructions());
}

const NodeKernels<double> &kernels_of(double)
{
  return EGRAFF_CHOOSE(node_double, instructions());
}

struct Shape {
  int64_t rows_in, channels_in, rows_out, channels_out;
};

// The blocks for x [atoms, rows_in, channels_in], or for its gradient with transposed weights.
std::vector<LinearBlock> make_blocks(at::IntArrayRef numbers, const Shape &shape, int64_t n_weights,
                                     bool backward)
{
  TORCH_CHECK(numbers.size() % INTEGERS_A_BLOCK == 0,
              "egraff::node_linear: expected six integers a block, got ", numbers.size());
  std::vector<LinearBlock> blocks;
  for (size_t k = 0; k < numbers.size(); k += INTEGERS_A_BLOCK) {
    const int64_t in = numbers[k], joined_in = numbers[k + 1], count = numbers[k + 2];
    const int64_t out = numbers[k + 3], joined_out = numbers[k + 4], weight = numbers[k + 5];
    const int64_t K = joined_in * shape.channels_in, N = joined_out * shape.channels_out;
    TORCH_CHECK(in >= 0 && joined_in > 0 && count > 0 && out >= 0 && joined_out > 0 &&
                    weight >= 0 && in + joined_in * count <= shape.rows_in &&
                    out + joined_out * count <= shape.rows_out && weight + K * N <= n_weights,
                "egraff::node_linear: expected a block inside ", shape.rows_in, " rows, ",
                shape.rows_out, " rows of the result and ", n_weights, " weights, got ",
                numbers.slice(k, INTEGERS_A_BLOCK));
    const int64_t from = in * shape.channels_in, to = out * shape.channels_out;
    if (backward)
      blocks.push_back({to, N, from, K, count, N, K, weight});
    else
      blocks.push_back({from, K, to, N, count, K, N, weight});
  }
  return blocks;
}

// Atoms in the order of their types.
struct TypeOrder {
  std::vector<int> atom, type;

  TypeOrder(const Types &types, int64_t n_atoms, int64_t n_types) : atom(n_atoms), type(n_atoms, 0)
  {
    std::iota(atom.begin(), atom.end(), 0);
    if (!types) return;
    TORCH_CHECK(types->dim() == 1 && types->size(0) == n_atoms && types->scalar_type() == at::kLong,
                "egraff::node_linear: expected types [", n_atoms, "] of int64, got ",
                types->sizes(), " of ", types->scalar_type());
    const auto contiguous = types->contiguous();
    const auto *of = contiguous.data_ptr<int64_t>();
    std::vector<int> next(n_types + 1, 0);
    for (int64_t a = 0; a < n_atoms; ++a) {
      TORCH_CHECK(of[a] >= 0 && of[a] < n_types, "egraff::node_linear: expected types below ",
                  n_types, ", got ", of[a]);
      ++next[of[a] + 1];
    }
    std::partial_sum(next.begin(), next.end(), next.begin());
    for (int64_t a = 0; a < n_atoms; ++a) {
      const int place = next[of[a]]++;
      atom[place] = static_cast<int>(a);
      type[place] = static_cast<int>(of[a]);
    }
  }
};

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
    const auto &kernels = kernels_of(scalar_t(0));
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
  const Shape shape = {features.size(1), features.size(2), rows_out, channels_out};
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
  const Shape shape = {rows_in, channels_in, grad.size(1), grad.size(2)};
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
