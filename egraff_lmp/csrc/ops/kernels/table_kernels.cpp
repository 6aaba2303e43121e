// Functions of distance read from tables, compiled once for each instruction set.

#include "simd.h"
#include "spline.h"
#include "table_job.h"

namespace egraff {
namespace EGRAFF_ISA {
namespace {

template <class S> Knot<S> knot_of(const TableJob<S> &job, int64_t place)
{
  Knot<S> knot;
  knot.find(job.x[place], job.intervals, job.columns);
  knot.at += job.kind[place] * (job.intervals + 3) * job.columns;
  return knot;
}

template <class S> void forward(const TableJob<S> &job, int64_t begin, int64_t end)
{
  constexpr int W = LANES<S>;
  const int64_t n = job.columns;
  for (int64_t place = begin; place < end; ++place) {
    const Knot<S> knot = knot_of(job, place);
    const S *from = job.table + knot.at, *b = knot.basis;
    S *to = job.values + place * n;
    int64_t k = 0;
    for (; k + W <= n; k += W)
      store<S>(to + k, (b[0] * load<S>(from + k) + b[1] * load<S>(from + k + n)) +
                           (b[2] * load<S>(from + k + 2 * n) + b[3] * load<S>(from + k + 3 * n)));
    for (; k < n; ++k)
      to[k] =
          (b[0] * from[k] + b[1] * from[k + n]) + (b[2] * from[k + 2 * n] + b[3] * from[k + 3 * n]);
  }
}

template <class S> void backward(const TableJob<S> &job, int64_t begin, int64_t end)
{
  constexpr int W = LANES<S>;
  const int64_t n = job.columns;
  for (int64_t place = begin; place < end; ++place) {
    const Knot<S> knot = knot_of(job, place);
    const S *from = job.table + knot.at, *grad = job.grad + place * n;
    // The gradient times the differences of the four rows, each of which has one factor.
    Vector<S> difference[3] = {};
    int64_t k = 0;
    for (; k + W <= n; k += W) {
      const Vector<S> g = load<S>(grad + k);
      unroll<3>([&](auto i) {
        difference[i] += g * (load<S>(from + k + (i + 1) * n) - load<S>(from + k + i * n));
      });
    }
    S sum = 0;
    for (int i = 0; i < 3; ++i) {
      S total = sum_of_lanes<S>(difference[i]);
      for (int64_t rest = k; rest < n; ++rest)
        total += grad[rest] * (from[rest + (i + 1) * n] - from[rest + i * n]);
      sum += knot.slope[i] * total;
    }
    job.grad_x[place] = sum;
  }
}

}    // namespace

extern const TableKernels<float> table_float;
extern const TableKernels<double> table_double;
const TableKernels<float> table_float = {forward<float>, backward<float>};
const TableKernels<double> table_double = {forward<double>, backward<double>};

}    // namespace EGRAFF_ISA
}    // namespace egraff
