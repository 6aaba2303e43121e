// egraff::gate: activations of scalars, and irreps multiplied by activated scalars.
//
// Features are [atoms, rows, channels]. A part is four integers activation (0 silu, 1 tanh, 2 logistic), row,
// count, gate. Its `count` rows from `row` on are activated themselves where gate is -1, else
// multiplied by the activated row `gate`; activations are multiplied by the part's scale. The
// result has the rows of all parts in their order.

#include "node_kernels.h"

#include <vector>

namespace egraff {
namespace {

constexpr int INTEGERS_A_PART = 4;

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
    const auto &kernels = node_kernels<scalar_t>();
    const auto x = filled(features, kernels.lanes);
    auto job = make_job<scalar_t>(x, parts);
    y = at::empty({x.size(0), job.rows_out, x.size(2)}, x.options());
    job.y = y.data_ptr<scalar_t>();
    at::parallel_for(0, x.size(0), 16,
                     [&](int64_t begin, int64_t end) { kernels.gate(job, begin, end); });
  });
  return cut(y, features.size(2));
}

void check_gradient(const Tensor &grad, const Tensor &features, const std::vector<GatePart> &parts)
{
  const int64_t rows = rows_of(parts);
  TORCH_CHECK(grad.sizes() == at::IntArrayRef({features.size(0), rows, features.size(2)}) &&
                  grad.scalar_type() == features.scalar_type(),
              "egraff::gate_backward: expected a gradient [", features.size(0), ", ", rows, ", ",
              features.size(2), "] of ", features.scalar_type(), ", got ", grad.sizes(), " of ",
              grad.scalar_type());
}

Tensor gate_backward_cpu(const Tensor &grad, const Tensor &features, at::IntArrayRef numbers,
                         at::ArrayRef<double> scales)
{
  TORCH_CHECK(features.dim() == 3, "egraff::gate: expected features [atoms, rows, channels], got ",
              features.sizes());
  const auto parts = make_parts(numbers, scales, features.size(1));
  check_gradient(grad, features, parts);
  Tensor dx;
  AT_DISPATCH_FLOATING_TYPES(features.scalar_type(), "egraff::gate_backward", [&] {
    const auto &kernels = node_kernels<scalar_t>();
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

std::tuple<Tensor, Tensor> gate_second_cpu(const Tensor &along, const Tensor &grad,
                                           const Tensor &features, at::IntArrayRef numbers,
                                           at::ArrayRef<double> scales)
{
  TORCH_CHECK(features.dim() == 3 && along.sizes() == features.sizes() &&
                  along.scalar_type() == features.scalar_type(),
              "egraff::gate_second: expected a cotangent like the features ", features.sizes(),
              ", got ", along.sizes());
  const auto parts = make_parts(numbers, scales, features.size(1));
  check_gradient(grad, features, parts);
  Tensor dx, of_grad;
  AT_DISPATCH_FLOATING_TYPES(features.scalar_type(), "egraff::gate_second", [&] {
    const auto &kernels = node_kernels<scalar_t>();
    const auto x = filled(features, kernels.lanes), g = filled(grad, kernels.lanes);
    const auto u = filled(along, kernels.lanes);
    auto job = make_job<scalar_t>(x, parts);
    dx = at::zeros_like(x);
    of_grad = at::empty_like(g);
    job.grad = g.data_ptr<scalar_t>();
    job.along = u.data_ptr<scalar_t>();
    job.dx = dx.data_ptr<scalar_t>();
    job.of_grad = of_grad.data_ptr<scalar_t>();
    at::parallel_for(0, x.size(0), 16,
                     [&](int64_t begin, int64_t end) { kernels.gate_second(job, begin, end); });
  });
  return {cut(of_grad, grad.size(2)), cut(dx, features.size(2))};
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
    refuse_third_derivative("egraff::gate");
    const auto saved = context->get_saved_variables();
    const auto [dg, dx] = call<decltype(gate_second_cpu)>(
        "egraff::gate_second", cotangents[0], saved[0], saved[1],
        context->saved_data["parts"].toIntVector(), context->saved_data["scales"].toDoubleVector());
    return {dg, dx, {}, {}};
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
  library.def(
      "gate_second(Tensor along, Tensor grad, Tensor features, int[] parts, float[] scales) "
      "-> (Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(egraff, CPU, library)
{
  library.impl("gate", &egraff::gate_cpu);
  library.impl("gate_backward", &egraff::gate_backward_cpu);
  library.impl("gate_second", &egraff::gate_second_cpu);
}

TORCH_LIBRARY_IMPL(egraff, Autograd, library)
{
  library.impl("gate", &egraff::gate);
  library.impl("gate_backward", &egraff::gate_backward);
}
