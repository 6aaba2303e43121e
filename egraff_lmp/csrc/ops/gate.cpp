// egraff::gate: activations of scalars, and irreps multiplied by activated scalars.
//
// Features are [atoms, rows, channels]. A part is four integers activation (0 silu, 1 tanh, 2 logistic), row,
// count, gate. Its `count` rows from `row` on are activated themselves where gate is -1, else
// multiplied by the activated row `gate`; activations are multiplied by the part's scale. The
// result has the rows of all parts in their order.

#include "operator.h"

#include "kernels/node_job.h"

#include <vector>

namespace egraff {
namespace {

constexpr int INTEGERS_A_PART = 4;

const NodeKernels<float> &kernels_of(float)
{
  return EGRAFF_CHOOSE(node_float, instructions());
}

const NodeKernels<double> &kernels_of(double)
{
  return EGRAFF_CHOOSE(node_double, instructions());
}

std::vector<GatePart> make_parts(at::IntArrayRef numbers, at::ArrayRef<double> scales, int64_t rows)
{
  TORCH_CHECK(numbers.size() == INTEGERS_A_PART * scales.size(),
              "egraff::gate: expected four integers and a scale a part, got ", numbers.size(),
              " and ", scales.size());
  std::vector<GatePart> parts;
  int64_t out = 0;
  for (size_t p = 0; p < scales.size(); ++p) {
    const auto n = numbers.slice(INTEGERS_A_PART * p, INTEGERS_A_PART);
    TORCH_CHECK(n[0] >= 0 && n[0] <= 2 && n[1] >= 0 && n[2] > 0 && n[1] + n[2] <= rows &&
                    n[3] >= -1 && n[3] < rows,
                "egraff::gate: expected a part inside ", rows, " rows, got ", n);
    parts.push_back({static_cast<int>(n[0]), n[1], out, n[2], n[3], scales[p]});
    out += n[2];
  }
  return parts;
}

int64_t rows_of(const std::vector<GatePart> &parts)
{
  return parts.empty() ? 0 : parts.back().first_out + parts.back().count;
}

Tensor filled(const Tensor &x, int64_t lanes)
{
  const int64_t extra = (lanes - x.size(2) % lanes) % lanes;
  return (extra ? at::constant_pad_nd(x, {0, extra}) : x).contiguous();
}

Tensor cut(const Tensor &x, int64_t channels)
{
  return x.size(2) == channels ? x : x.narrow(2, 0, channels).contiguous();
}

template <class S> GateJob<S> make_job(const Tensor &x, const std::vector<GatePart> &parts)
{
  GateJob<S> job = {};
  job.parts = parts.data();
  job.n_parts = static_cast<int>(parts.size());
  job.channels = x.size(2);
  job.rows_in = x.size(1);
  job.rows_out = rows_of(parts);
  job.x = x.data_ptr<S>();
  return job;
}

Tensor gate_cpu(const Tensor &features, at::IntArrayRef numbers, at::ArrayRef<double> scales)
{
  TORCH_CHECK(features.dim() == 3, "egraff::gate: expected features [atoms, rows, channels], got ",
              features.sizes());
  const auto parts = make_parts(numbers, scales, features.size(1));
  Tensor y;
  AT_DISPATCH_FLOATING_TYPES(features.scalar_type(), "egraff::gate", [&] {
    const auto &kernels = kernels_of(scalar_t(0));
    const auto x = filled(features, kernels.lanes);
    auto job = make_job<scalar_t>(x, parts);
    y = at::empty({x.size(0), job.rows_out, x.size(2)}, x.options());
    job.y = y.data_ptr<scalar_t>();
    at::parallel_for(0, x.size(0), 16,
                     [&](int64_t begin, int64_t end) { kernels.gate(job, begin, end); });
  });
  return cut(y, features.size(2));
}

Tensor gate_backward_cpu(const Tensor &grad, const Tensor &features, at::IntArrayRef numbers,
                         at::ArrayRef<double> scales)
{
  TORCH_CHECK(features.dim() == 3, "egraff::gate: expected features [atoms, rows, channels], got ",
              features.sizes());
  const auto parts = make_parts(numbers, scales, features.size(1));
  TORCH_CHECK(grad.sizes() ==
                      at::IntArrayRef({features.size(0), rows_of(parts), features.size(2)}) &&
                  grad.scalar_type() == features.scalar_type(),
              "egraff::gate_backward: expected a gradient [", features.size(0), ", ",
              rows_of(parts), ", ", features.size(2), "] of ", features.scalar_type(), ", got ",
              grad.sizes(), " of ", grad.scalar_type());
  Tensor dx;
  AT_DISPATCH_FLOATING_TYPES(features.scalar_type(), "egraff::gate_backward", [&] {
    const auto &kernels = kernels_of(scalar_t(0));
    const auto x = filled(features, kernels.lanes), g = filled(grad, kernels.lanes);
    auto job = make_job<scalar_t>(x, parts);
    dx = at::zeros_like(x);
    job.grad = g.data_ptr<scalar_t>();
    job.dx = dx.data_ptr<scalar_t>();
    at::parallel_for(0, x.size(0), 16,
                     [&](int64_t begin, int64_t end) { kernels.gate_backward(job, begin, end); });
  });
  return cut(dx, features.size(2));
}

class Gate : public torch::autograd::Function<Gate> {
 public:
  static Tensor forward(AutogradContext *context, const Tensor &features,
                        std::vector<int64_t> parts, std::vector<double> scales)
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({features});
    context->saved_data["parts"] = parts;
    context->saved_data["scales"] = scales;
    return call<decltype(gate_cpu)>("egraff::gate", features, parts, scales);
  }

  static variable_list backward(AutogradContext *context, variable_list gradients)
  {
    const auto saved = context->get_saved_variables();
    const auto dx = call<decltype(gate_backward_cpu)>(
        "egraff::gate_backward", gradients[0], saved[0], context->saved_data["parts"].toIntVector(),
        context->saved_data["scales"].toDoubleVector());
    return {dx, {}, {}};
  }
};

// An activation times its scale, and its first and second derivative.
struct Activated {
  Tensor value, first, second;
};

Activated activated(int64_t activation, const Tensor &x, double scale)
{
  if (activation == 1) {
    const auto t = at::tanh(x), slope = 1 - t * t;
    return {scale * t, scale * slope, -2 * scale * t * slope};
  }
  const auto p = at::sigmoid(x), slope = p * (1 - p), second = slope * (1 - 2 * p);
  if (activation == 2) return {scale * p, scale * slope, scale * second};
  return {scale * x * p, scale * (p + x * slope), scale * (2 * slope + x * second)};
}

// With an activation A of the row q, its derivatives A' and A'', and cotangents u of
// dx[r] = A g[r] and dx[q] = sum over r of A' x[r] g[r]: the derivative by g[r] is A u[r] +
// A' x[r] u[q], by x[r] A' g[r] u[q], and by x[q] the sum over r of A' g[r] u[r] + A'' x[r] g[r] u[q].
// A row that is activated itself has dx = A' g.
class GateBackward : public torch::autograd::Function<GateBackward> {
 public:
  static Tensor forward(AutogradContext *context, const Tensor &grad, const Tensor &features,
                        std::vector<int64_t> parts, std::vector<double> scales)
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({grad, features});
    context->saved_data["parts"] = parts;
    context->saved_data["scales"] = scales;
    return call<decltype(gate_backward_cpu)>("egraff::gate_backward", grad, features, parts,
                                             scales);
  }

  static variable_list backward(AutogradContext *context, variable_list cotangents)
  {
    const auto saved = context->get_saved_variables();
    const auto &grad = saved[0], &x = saved[1], &u = cotangents[0];
    const auto numbers = context->saved_data["parts"].toIntVector();
    const auto scales = context->saved_data["scales"].toDoubleVector();
    std::vector<Tensor> of_grad, of_rows(x.size(1));
    const auto add = [&](int64_t row, const Tensor &value) {
      of_rows[row] = sum_of(of_rows[row], value);
    };
    for (const auto &part : make_parts(numbers, scales, x.size(1))) {
      const auto g = grad.narrow(1, part.first_out, part.count);
      const auto xs = x.narrow(1, part.first_in, part.count),
                 us = u.narrow(1, part.first_in, part.count);
      const bool itself = part.gate < 0;
      const auto q = itself ? xs : x.narrow(1, part.gate, 1);
      const auto a = activated(part.activation, q, part.scale);
      Tensor of_x;
      if (itself) {
        of_grad.push_back(a.first * us);
        of_x = a.second * g * us;
      } else {
        const auto uq = u.narrow(1, part.gate, 1);
        of_grad.push_back(a.value * us + a.first * xs * uq);
        of_x = a.first * g * uq;
        add(part.gate, (a.first * g * us + a.second * xs * g * uq).sum(1, true));
      }
      for (int64_t r = 0; r < part.count; ++r) add(part.first_in + r, of_x.narrow(1, r, 1));
    }
    for (auto &row : of_rows)
      if (!row.defined()) row = at::zeros({x.size(0), 1, x.size(2)}, x.options());
    if (of_grad.empty()) return {at::zeros_like(grad), at::zeros_like(x), {}, {}};
    return {at::cat(of_grad, 1), at::cat(of_rows, 1), {}, {}};
  }
};

Tensor gate_backward(const Tensor &grad, const Tensor &features, at::IntArrayRef parts,
                     at::ArrayRef<double> scales)
{
  return GateBackward::apply(grad, features, parts.vec(), scales.vec());
}

Tensor gate(const Tensor &features, at::IntArrayRef parts, at::ArrayRef<double> scales)
{
  return Gate::apply(features, parts.vec(), scales.vec());
}

}    // namespace
}    // namespace egraff

TORCH_LIBRARY_FRAGMENT(egraff, library)
{
  library.def("gate(Tensor features, int[] parts, float[] scales) -> Tensor");
  library.def("gate_backward(Tensor grad, Tensor features, int[] parts, float[] scales) -> Tensor");
}

TORCH_LIBRARY_IMPL(egraff, CPU, library)
{
  library.impl("gate", &egraff::gate_cpu);
  library.impl("gate_backward", &egraff::gate_backward_cpu);
}

TORCH_LIBRARY_IMPL(egraff, Autograd, library)
{
  library.impl("gate", &egraff::gate);
  library.impl("gate_backward", &egraff::gate_backward);
}
