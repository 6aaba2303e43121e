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
    const S *factor = job.along ? knot.curvature : knot.slope;
    S sum = 0;
    for (int i = 0; i < 3; ++i) {
      S total = sum_of_lanes<S>(difference[i]);
      for (int64_t rest = k; rest < n; ++rest)
        total += grad[rest] * (from[rest + (i + 1) * n] - from[rest + i * n]);
      sum += factor[i] * total;
    }
    job.grad_x[place] = job.along ? job.along[place] * sum : sum;
  }
}

template <class S> void second(const TableJob<S> &job, int64_t begin, int64_t end)
{
  constexpr int W = LANES<S>;
  const int64_t n = job.columns;
  for (int64_t place = begin; place < end; ++place) {
    const Knot<S> knot = knot_of(job, place);
    const S *from = job.table + knot.at;
    const S v = job.along[place];
    const S s[3] = {v * knot.slope[0], v * knot.slope[1], v * knot.slope[2]};
    S *to = job.grad_grad + place * n;
    int64_t k = 0;
    for (; k + W <= n; k += W) {
      const Vector<S> c[4] = {load<S>(from + k), load<S>(from + k + n), load<S>(from + k + 2 * n),
                              load<S>(from + k + 3 * n)};
      store<S>(to + k, s[0] * (c[1] - c[0]) + s[1] * (c[2] - c[1]) + s[2] * (c[3] - c[2]));
    }
    for (; k < n; ++k) {
      to[k] = 0;
      for (int i = 0; i < 3; ++i) to[k] += s[i] * (from[k + (i + 1) * n] - from[k + i * n]);
    }
  }
}

template <class S> void weigh(const TableJob<S> &job, int64_t begin, int64_t end)
{
  for (int64_t place = begin; place < end; ++place) {
    const Knot<S> knot = knot_of(job, place);
    S *to = job.weights + 4 * place;
    job.first[place] = knot.at;
    if (job.along) {
      const S v = job.along[place];
      const S *s = knot.slope;
      to[0] = v * -s[0];
      to[1] = v * (s[0] - s[1]);
      to[2] = v * (s[1] - s[2]);
      to[3] = v * s[2];
    } else {
      for (int i = 0; i < 4; ++i) to[i] = knot.basis[i];
    }
  }
}

// The places order[begin .. end - 1] read the same four rows: their sums, by registers.
template <class S>
void add_group(const TableJob<S> &job, int64_t begin, int64_t end, int64_t column, int64_t last)
{
  constexpr int W = LANES<S>;
  const int64_t n = job.columns;
  S *rows = job.grad_table + job.first[job.order[begin]];
  int64_t k = column;
  for (; k + W <= last; k += W) {
    Vector<S> sum[4] = {};
    for (int64_t at = begin; at < end; ++at) {
      const Vector<S> g = load<S>(job.grad + job.order[at] * n + k);
      const S *b = job.weights + 4 * job.order[at];
      unroll<4>([&](auto i) { sum[i] += b[i] * g; });
    }
    unroll<4>([&](auto i) { store<S>(rows + i * n + k, load<S>(rows + i * n + k) + sum[i]); });
  }
  for (; k < last; ++k)
    for (int i = 0; i < 4; ++i) {
      S sum = 0;
      for (int64_t at = begin; at < end; ++at)
        sum += job.weights[4 * job.order[at] + i] * job.grad[job.order[at] * n + k];
      rows[i * n + k] += sum;
    }
}

template <class S> void of_table(const TableJob<S> &job, int64_t begin, int64_t end)
{
  for (int64_t at = 0, next; at < job.n; at = next) {
    const int64_t first = job.first[job.order[at]];
    for (next = at + 1; next < job.n && job.first[job.order[next]] == first;) ++next;
    add_group(job, at, next, begin, end);
  }
}

}    // namespace

extern const TableKernels<float> table_float;
extern const TableKernels<double> table_double;
const TableKernels<float> table_float = {forward<float>, backward<float>, second<float>,
                                         weigh<float>, of_table<float>};
const TableKernels<double> table_double = {forward<double>, backward<double>, second<double>,
                                           weigh<double>, of_table<double>};

}    // namespace EGRAFF_ISA
}    // namespace egraff
