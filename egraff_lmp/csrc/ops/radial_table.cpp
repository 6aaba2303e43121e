// egraff::radial_table: functions of distance, one set for each kind of pair, from tables.
//
//   values[e, k] = sum over i = 0 .. 3 of B_i(t) table[kind[e], n + i, k],
//   x[e] * intervals = n + t
//
// with uniform cubic B-splines B_i; zero where x is not in [0, 1). `table` is [kinds, intervals + 3,
// columns]; it may be trained.

#include "operator.h"

#include "kernels/table_job.h"

namespace egraff {
namespace {

using Pair = std::tuple<Tensor, Tensor>;
using Triple = std::tuple<Tensor, Tensor, Tensor>;

constexpr auto NAME = "egraff::radial_table";
constexpr int64_t GRAIN = 64;    // edges that are worth a thread

EGRAFF_KERNELS(kernels_of, TableKernels, table)

void check_grad(const Tensor &grad, const Tensor &x, const Tensor &table)
{
  TORCH_CHECK(grad.dim() == 2 && grad.size(0) == x.size(0) && grad.size(1) == table.size(2) &&
                  grad.scalar_type() == x.scalar_type(),
              NAME, ": expected a gradient [", x.size(0), ", ", table.size(2), "] of ",
              x.scalar_type(), ", got ", grad.sizes(), " of ", grad.scalar_type());
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
  job.n = x.size(0);
  job.columns = table.size(2);
  job.intervals = static_cast<int>(table.size(1) - 3);
  job.x = x.data_ptr<S>();
  job.kind = kinds.data_ptr<int64_t>();
  job.table = table.data_ptr<S>();
  return job;
}

template <class Kernel> void over_edges(int64_t n, const Kernel &kernel)
{
  at::parallel_for(0, n, GRAIN, kernel);
}

// Places in the order of the rows that they read, and as they stand where these are the same.
std::vector<int64_t> sorted(const std::vector<int64_t> &first, int64_t columns, int64_t rows)
{
  std::vector<int64_t> begins(rows + 1), order(first.size());
  for (const auto at : first) ++begins[at / columns + 1];
  for (int64_t row = 0; row < rows; ++row) begins[row + 1] += begins[row];
  for (size_t place = 0; place < first.size(); ++place)
    order[begins[first[place] / columns]++] = static_cast<int64_t>(place);
  return order;
}

// Threads have columns to themselves.
template <class S> void add_to_table(TableJob<S> job, int64_t rows)
{
  const auto &kernel = kernels_of(instructions(), S(0));
  std::vector<int64_t> first(job.n);
  std::vector<S> weights(4 * job.n);
  job.first = first.data();
  job.weights = weights.data();
  over_edges(job.n, [&](int64_t begin, int64_t end) { kernel.weigh(job, begin, end); });
  const auto order = sorted(first, job.columns, rows);
  job.order = order.data();
  const int64_t panels = (job.columns + TABLE_PANEL - 1) / TABLE_PANEL;
  at::parallel_for(0, panels, 1, [&](int64_t begin, int64_t end) {
    kernel.of_table(job, begin * TABLE_PANEL, std::min(end * TABLE_PANEL, job.columns));
  });
}

// Those of x and of the table, as far as there is memory for them.
template <class S> void gradients(const TableJob<S> &job, const Tensor &table)
{
  const auto &kernel = kernels_of(instructions(), S(0));
  if (job.grad_x)
    over_edges(job.n, [&](int64_t begin, int64_t end) { kernel.backward(job, begin, end); });
  if (job.grad_table && job.n && job.columns) add_to_table(job, table.size(0) * table.size(1));
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
    over_edges(job.n, [&](int64_t begin, int64_t end) { kernel.forward(job, begin, end); });
  });
  return values;
}

// The gradients that are wanted.
Pair table_backward_cpu(const Tensor &given_grad, const Tensor &given_x, const Tensor &given_table,
                        const Tensor &given_kinds, bool want_x, bool want_table)
{
  check(given_x, given_table, given_kinds);
  check_grad(given_grad, given_x, given_table);
  const auto x = given_x.contiguous(), table = given_table.contiguous();
  const auto kinds = given_kinds.contiguous(), grad = given_grad.contiguous();
  const auto dx = want_x ? at::empty_like(x) : Tensor();
  const auto dt = want_table ? at::zeros_like(table) : Tensor();
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), NAME, [&] {
    auto job = make_job<scalar_t>(x, table, kinds);
    job.grad = grad.data_ptr<scalar_t>();
    if (want_x) job.grad_x = dx.data_ptr<scalar_t>();
    if (want_table) job.grad_table = dt.data_ptr<scalar_t>();
    gradients(job, table);
  });
  return {dx, dt};
}

// Derivatives of the gradient of x contracted with its cotangent: by the gradient of the values and,
// if wanted, by x and by the table.
Triple table_second_cpu(const Tensor &given_along, const Tensor &given_grad, const Tensor &given_x,
                        const Tensor &given_table, const Tensor &given_kinds, bool want_x,
                        bool want_table)
{
  check(given_x, given_table, given_kinds);
  check_grad(given_grad, given_x, given_table);
  TORCH_CHECK(
      given_along.sizes() == given_x.sizes() && given_along.scalar_type() == given_x.scalar_type(),
      NAME, ": expected a cotangent like x ", given_x.sizes(), " of ", given_x.scalar_type(),
      ", got ", given_along.sizes(), " of ", given_along.scalar_type());
  const auto x = given_x.contiguous(), table = given_table.contiguous();
  const auto kinds = given_kinds.contiguous(), grad = given_grad.contiguous();
  const auto along = given_along.contiguous(), dg = at::empty_like(grad);
  const auto dx = want_x ? at::empty_like(x) : Tensor();
  const auto dt = want_table ? at::zeros_like(table) : Tensor();
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), NAME, [&] {
    auto job = make_job<scalar_t>(x, table, kinds);
    job.grad = grad.data_ptr<scalar_t>();
    job.along = along.data_ptr<scalar_t>();
    job.grad_grad = dg.data_ptr<scalar_t>();
    if (want_x) job.grad_x = dx.data_ptr<scalar_t>();
    if (want_table) job.grad_table = dt.data_ptr<scalar_t>();
    const auto &kernel = kernels_of(instructions(), scalar_t(0));
    over_edges(job.n, [&](int64_t begin, int64_t end) { kernel.second(job, begin, end); });
    gradients(job, table);
  });
  return {dg, dx, dt};
}

Pair call_backward(const Tensor &grad, const Tensor &x, const Tensor &table, const Tensor &kinds,
                   bool want_x, bool want_table)
{
  return call<decltype(table_backward_cpu)>("egraff::radial_table_backward", grad, x, table, kinds,
                                            want_x, want_table);
}

class RadialTable : public torch::autograd::Function<RadialTable> {
 public:
  static Tensor forward(AutogradContext *context, const Tensor &x, const Tensor &table,
                        const Tensor &kinds)
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({x, table, kinds});
    return call<decltype(table_cpu)>(NAME, x, table, kinds);
  }

  static variable_list backward(AutogradContext *context, variable_list gradients)
  {
    const auto saved = context->get_saved_variables();
    const auto [dx, dt] = call_backward(gradients[0], saved[0], saved[1], saved[2],
                                        context->needs_input_grad(0), context->needs_input_grad(1));
    return {dx, dt, {}};
  }
};

class RadialTableBackward : public torch::autograd::Function<RadialTableBackward> {
 public:
  static variable_list forward(AutogradContext *context, const Tensor &grad, const Tensor &x,
                               const Tensor &table, const Tensor &kinds, bool want_x,
                               bool want_table)
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->set_materialize_grads(false);
    context->save_for_backward({grad, x, table, kinds});
    const auto [dx, dt] = call_backward(grad, x, table, kinds, want_x, want_table);
    const auto none = at::empty({0}, table.options());
    return {want_x ? dx : none, want_table ? dt : none};
  }

  // The gradient of the table is linear in that of the values and does not depend on the table: its
  // own derivatives are values and gradients of the cotangent, read as a table.
  static variable_list backward(AutogradContext *context, variable_list cotangents)
  {
    refuse_third_derivative(NAME);
    const auto saved = context->get_saved_variables();
    const auto &grad = saved[0], &x = saved[1], &table = saved[2], &kinds = saved[3];
    const auto &along_x = cotangents[0], &along_table = cotangents[1];
    Tensor dg, dx, dt;
    if (along_x.defined() && along_x.sizes() == x.sizes())
      std::tie(dg, dx, dt) = call<decltype(table_second_cpu)>(
          "egraff::radial_table_second", along_x, grad, x, table, kinds,
          context->needs_input_grad(1), context->needs_input_grad(2));
    if (along_table.defined() && along_table.sizes() == table.sizes()) {
      dg = sum_of(dg, call<decltype(table_cpu)>(NAME, x, along_table, kinds));
      dx = sum_of(dx, std::get<0>(call_backward(grad, x, along_table, kinds, true, false)));
    }
    return {dg, dx, dt, {}, {}, {}};
  }
};

Tensor radial_table(const Tensor &x, const Tensor &table, const Tensor &kinds)
{
  return RadialTable::apply(x, table, kinds);
}

Pair radial_table_backward(const Tensor &grad, const Tensor &x, const Tensor &table,
                           const Tensor &kinds, bool want_x, bool want_table)
{
  const auto found = RadialTableBackward::apply(grad, x, table, kinds, want_x, want_table);
  return {want_x ? found[0] : Tensor(), want_table ? found[1] : Tensor()};
}

}    // namespace
}    // namespace egraff

TORCH_LIBRARY_FRAGMENT(egraff, library)
{
  library.def("radial_table(Tensor x, Tensor table, Tensor kinds) -> Tensor");
  library.def("radial_table_backward(Tensor grad, Tensor x, Tensor table, Tensor kinds, bool "
              "want_x, bool want_table) -> (Tensor, Tensor)");
  library.def("radial_table_second(Tensor along_x, Tensor grad, Tensor x, Tensor table, Tensor "
              "kinds, bool want_x, bool want_table) -> (Tensor, Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(egraff, CPU, library)
{
  library.impl("radial_table", &egraff::table_cpu);
  library.impl("radial_table_backward", &egraff::table_backward_cpu);
  library.impl("radial_table_second", &egraff::table_second_cpu);
}

TORCH_LIBRARY_IMPL(egraff, Autograd, library)
{
  library.impl("radial_table", &egraff::radial_table);
  library.impl("radial_table_backward", &egraff::radial_table_backward);
}
