// egraff::scaled_silu: SiLU of rows of channels, times a number for each row.
//
//   y[n, row, u] = factors[n, row] silu(x[n, row, u])
//
// Each of its two derivatives is one operator, which passes over the memory once.

#include "node_kernels.h"

namespace egraff {
namespace {

using Pair = std::tuple<Tensor, Tensor>;
using Triple = std::tuple<Tensor, Tensor, Tensor>;

constexpr auto NAME = "egraff::scaled_silu";
constexpr int64_t GRAIN = 64;    // rows that are worth a thread

void check(const Tensor &x, const Tensor &factors)
{
  TORCH_CHECK(x.dim() == 3 && factors.sizes() == x.sizes().slice(0, 2) &&
                  factors.scalar_type() == x.scalar_type(),
              NAME, ": expected x [n, rows, channels] and factors [n, rows] of its precision, got ",
              x.sizes(), " of ", x.scalar_type(), " and ", factors.sizes(), " of ",
              factors.scalar_type());
}

void check_like(const Tensor &tensor, const Tensor &x)
{
  TORCH_CHECK(tensor.sizes() == x.sizes() && tensor.scalar_type() == x.scalar_type(), NAME,
              ": expected a gradient like x ", x.sizes(), " of ", x.scalar_type(), ", got ",
              tensor.sizes(), " of ", tensor.scalar_type());
}

template <class S, class Kernel>
void run(ScaledJob<S> job, const Tensor &x, const Tensor &factors, Kernel kernel)
{
  job.channels = x.size(2);
  job.x = x.data_ptr<S>();
  job.factors = factors.data_ptr<S>();
  at::parallel_for(0, x.size(0) * x.size(1), GRAIN,
                   [&](int64_t begin, int64_t end) { kernel(job, begin, end); });
}

Tensor scaled_cpu(const Tensor &given_x, const Tensor &given_factors)
{
  check(given_x, given_factors);
  const auto x = given_x.contiguous(), factors = given_factors.contiguous();
  const auto y = at::empty_like(x);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), NAME, [&] {
    ScaledJob<scalar_t> job = {};
    job.y = y.data_ptr<scalar_t>();
    run(job, x, factors, node_kernels<scalar_t>().scaled);
  });
  return y;
}

// Gradients of x and of the factors.
Pair scaled_backward_cpu(const Tensor &given_grad, const Tensor &given_x,
                         const Tensor &given_factors)
{
  check(given_x, given_factors);
  check_like(given_grad, given_x);
  const auto x = given_x.contiguous(), factors = given_factors.contiguous();
  const auto grad = given_grad.contiguous();
  const auto dx = at::empty_like(x), df = at::empty_like(factors);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), NAME, [&] {
    ScaledJob<scalar_t> job = {};
    job.grad = grad.data_ptr<scalar_t>();
    job.dx = dx.data_ptr<scalar_t>();
    job.df = df.data_ptr<scalar_t>();
    run(job, x, factors, node_kernels<scalar_t>().scaled_backward);
  });
  return {dx, df};
}

// Derivatives of the gradients contracted with cotangents of both: by the gradient of the result, by x
// and by the factors.
Triple scaled_second_cpu(const Tensor &along_x, const Tensor &along_factors,
                         const Tensor &given_grad, const Tensor &given_x,
                         const Tensor &given_factors)
{
  check(given_x, given_factors);
  check(along_x, along_factors);
  check_like(along_x, given_x);
  check_like(given_grad, given_x);
  const auto x = given_x.contiguous(), factors = given_factors.contiguous();
  const auto grad = given_grad.contiguous(), u = along_x.contiguous(),
             v = along_factors.contiguous();
  const auto y = at::empty_like(x), dx = at::empty_like(x), df = at::empty_like(factors);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), NAME, [&] {
    ScaledJob<scalar_t> job = {};
    job.grad = grad.data_ptr<scalar_t>();
    job.along_x = u.data_ptr<scalar_t>();
    job.along_factors = v.data_ptr<scalar_t>();
    job.y = y.data_ptr<scalar_t>();
    job.dx = dx.data_ptr<scalar_t>();
    job.df = df.data_ptr<scalar_t>();
    run(job, x, factors, node_kernels<scalar_t>().scaled_second);
  });
  return {y, dx, df};
}

class Scaled : public torch::autograd::Function<Scaled> {
 public:
  static Tensor forward(AutogradContext *context, const Tensor &x, const Tensor &factors)
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({x, factors});
    return call<decltype(scaled_cpu)>(NAME, x, factors);
  }

  static variable_list backward(AutogradContext *context, variable_list gradients)
  {
    const auto saved = context->get_saved_variables();
    const auto [dx, df] = call<decltype(scaled_backward_cpu)>("egraff::scaled_silu_backward",
                                                              gradients[0], saved[0], saved[1]);
    return {dx, df};
  }
};

class ScaledBackward : public torch::autograd::Function<ScaledBackward> {
 public:
  static variable_list forward(AutogradContext *context, const Tensor &grad, const Tensor &x,
                               const Tensor &factors)
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({grad, x, factors});
    const auto [dx, df] =
        call<decltype(scaled_backward_cpu)>("egraff::scaled_silu_backward", grad, x, factors);
    return {dx, df};
  }

  static variable_list backward(AutogradContext *context, variable_list cotangents)
  {
    refuse_third_derivative(NAME);
    const auto saved = context->get_saved_variables();
    const auto [dg, dx, df] = call<decltype(scaled_second_cpu)>(
        "egraff::scaled_silu_second", cotangents[0], cotangents[1], saved[0], saved[1], saved[2]);
    return {dg, dx, df};
  }
};

Tensor scaled(const Tensor &x, const Tensor &factors)
{
  return Scaled::apply(x, factors);
}

Pair scaled_backward(const Tensor &grad, const Tensor &x, const Tensor &factors)
{
  const auto found = ScaledBackward::apply(grad, x, factors);
  return {found[0], found[1]};
}

}    // namespace
}    // namespace egraff

TORCH_LIBRARY_FRAGMENT(egraff, library)
{
  library.def("scaled_silu(Tensor x, Tensor factors) -> Tensor");
  library.def("scaled_silu_backward(Tensor grad, Tensor x, Tensor factors) -> (Tensor, Tensor)");
  library.def("scaled_silu_second(Tensor along_x, Tensor along_factors, Tensor grad, Tensor x, "
              "Tensor factors) -> (Tensor, Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(egraff, CPU, library)
{
  library.impl("scaled_silu", &egraff::scaled_cpu);
  library.impl("scaled_silu_backward", &egraff::scaled_backward_cpu);
  library.impl("scaled_silu_second", &egraff::scaled_second_cpu);
}

TORCH_LIBRARY_IMPL(egraff, Autograd, library)
{
  library.impl("scaled_silu", &egraff::scaled);
  library.impl("scaled_silu_backward", &egraff::scaled_backward);
}
