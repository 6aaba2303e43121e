// egraff::radial_table: functions of distance, one set for each kind of pair, from tables.
//
//   values[e, k] = sum over i = 0 .. 3 of B_i(t) table[kind[e], n + i, k],
//   x[e] * intervals = n + t
//
// with uniform cubic B-splines B_i; zero where x is not in [0, 1). `table` is [kinds, intervals + 3,
// columns], a constant.

#include "operator.h"
#include "spline_weights.h"

#include "kernels/table_job.h"

namespace egraff {
namespace {

constexpr auto NAME = "egraff::radial_table";
constexpr int64_t GRAIN = 64;    // edges that are worth a thread

const TableKernels<float> &kernels_of(Instructions set, float)
{
  return EGRAFF_CHOOSE(table_float, set);
}

const TableKernels<double> &kernels_of(Instructions set, double)
{
  return EGRAFF_CHOOSE(table_double, set);
}

void check(const Tensor &x, const Tensor &table, const Tensor &kinds)
{
  TORCH_CHECK(x.dim() == 1 && table.dim() == 3 && table.size(1) > 3 && kinds.dim() == 1 &&
                  kinds.size(0) == x.size(0) && kinds.scalar_type() == at::kLong,
              NAME, ": expected x [n], a table [kinds, intervals + 3, columns] and kinds [n] of ",
              "int64, got ", x.sizes(), ", ", table.sizes(), " and ", kinds.sizes(), " of ",
              kinds.scalar_type());
  TORCH_CHECK(x.scalar_type() == table.scalar_type(), NAME, ": expected one precision, got ",
              x.scalar_type(), " and ", table.scalar_type());
  const auto all = kinds.contiguous();
  const auto *kind = all.data_ptr<int64_t>();
  for (int64_t e = 0; e < all.size(0); ++e)
    TORCH_CHECK(kind[e] >= 0 && kind[e] < table.size(0), NAME, ": expected kinds below ",
                table.size(0), ", got ", kind[e]);
}

template <class S> TableJob<S> make_job(const Tensor &x, const Tensor &table, const Tensor &kinds)
{
  TableJob<S> job = {};
  job.columns = table.size(2);
  job.intervals = static_cast<int>(table.size(1) - 3);
  job.x = x.data_ptr<S>();
  job.kind = kinds.data_ptr<int64_t>();
  job.table = table.data_ptr<S>();
  return job;
}

Tensor table_cpu(const Tensor &given_x, const Tensor &given_table, const Tensor &given_kinds)
{
  check(given_x, given_table, given_kinds);
  const auto x = given_x.contiguous(), table = given_table.contiguous();
  const auto kinds = given_kinds.contiguous();
  const auto values = at::empty({x.size(0), table.size(2)}, x.options());
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), NAME, [&] {
    auto job = make_job<scalar_t>(x, table, kinds);
    job.values = values.data_ptr<scalar_t>();
    const auto &kernel = kernels_of(instructions(), scalar_t(0));
    at::parallel_for(0, x.size(0), GRAIN,
                     [&](int64_t begin, int64_t end) { kernel.forward(job, begin, end); });
  });
  return values;
}

Tensor table_backward_cpu(const Tensor &given_grad, const Tensor &given_x,
                          const Tensor &given_table, const Tensor &given_kinds)
{
  check(given_x, given_table, given_kinds);
  TORCH_CHECK(given_grad.sizes() == at::IntArrayRef({given_x.size(0), given_table.size(2)}) &&
                  given_grad.scalar_type() == given_x.scalar_type(),
              NAME, ": expected a gradient [", given_x.size(0), ", ", given_table.size(2), "] of ",
              given_x.scalar_type(), ", got ", given_grad.sizes(), " of ",
              given_grad.scalar_type());
  const auto x = given_x.contiguous(), table = given_table.contiguous();
  const auto kinds = given_kinds.contiguous(), grad = given_grad.contiguous();
  const auto dx = at::empty_like(x);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), NAME, [&] {
    auto job = make_job<scalar_t>(x, table, kinds);
    job.grad = grad.data_ptr<scalar_t>();
    job.grad_x = dx.data_ptr<scalar_t>();
    const auto &kernel = kernels_of(instructions(), scalar_t(0));
    at::parallel_for(0, x.size(0), GRAIN,
                     [&](int64_t begin, int64_t end) { kernel.backward(job, begin, end); });
  });
  return dx;
}

class RadialTable : public torch::autograd::Function<RadialTable> {
 public:
  static Tensor forward(AutogradContext *context, const Tensor &x, const Tensor &table,
                        const Tensor &kinds)
  {
    require_constant(NAME, table);
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({x, table, kinds});
    return call<decltype(table_cpu)>(NAME, x, table, kinds);
  }

  static variable_list backward(AutogradContext *context, variable_list gradients)
  {
    const auto saved = context->get_saved_variables();
    if (at::GradMode::is_enabled()) {
      const auto &x = saved[0], &table = saved[1];
      const int64_t rows = table.size(1);
      const auto again = read_spline(x, table.flatten(0, 1), saved[2] * rows, rows - 3);
      return {gradients_of({again}, gradients, {x})[0], {}, {}};
    }
    return {call<decltype(table_backward_cpu)>("egraff::radial_table_backward", gradients[0],
                                               saved[0], saved[1], saved[2]),
            {},
            {}};
  }
};

Tensor radial_table(const Tensor &x, const Tensor &table, const Tensor &kinds)
{
  return RadialTable::apply(x, table, kinds);
}

}    // namespace
}    // namespace egraff

TORCH_LIBRARY_FRAGMENT(egraff, library)
{
  library.def("radial_table(Tensor x, Tensor table, Tensor kinds) -> Tensor");
  library.def("radial_table_backward(Tensor grad, Tensor x, Tensor table, Tensor kinds) -> Tensor");
}

TORCH_LIBRARY_IMPL(egraff, CPU, library)
{
  library.impl("radial_table", &egraff::table_cpu);
  library.impl("radial_table_backward", &egraff::table_backward_cpu);
}

TORCH_LIBRARY_IMPL(egraff, Autograd, library)
{
  library.impl("radial_table", &egraff::radial_table);
}
