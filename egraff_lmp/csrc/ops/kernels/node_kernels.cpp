// Linear maps and gates of atoms' features, compiled once for each instruction set.

#include "exponential.h"
#include "node_job.h"
#include "simd.h"

namespace egraff {
namespace EGRAFF_ISA {
namespace {

// Rows of a tile of the product: as many as the registers hold beside a row of W.
constexpr int ROWS = EGRAFF_VECTOR_BYTES == 64 ? 8 : 4;
// Atoms whose features stay in the second-level cache while the blocks pass.
constexpr int ATOMS = 32;

// y[r] += x[r] W for R rows, T registers of columns.
template <class S, int R, int T>
void multiply(const S *const *x, S *const *y, const S *w, int64_t K, int64_t N)
{
  constexpr int W = LANES<S>;
  Vector<S> sum[R][T];
  for (int r = 0; r < R; ++r)
    for (int t = 0; t < T; ++t) sum[r][t] = load<S>(y[r] + t * W);
  for (int64_t k = 0; k < K; ++k, w += N) {
    Vector<S> row[T];
    for (int t = 0; t < T; ++t) row[t] = load<S>(w + t * W);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const S value = x[r][k];
#pragma GCC unroll 2
      for (int t = 0; t < T; ++t) sum[r][t] += value * row[t];
    }
  }
  for (int r = 0; r < R; ++r)
    for (int t = 0; t < T; ++t) store<S>(y[r] + t * W, sum[r][t]);
}

// The columns n .. n + T registers of all rows: so much of W stays in the first-level cache.
template <class S, int T> void multiply_columns(const S *const *x, S *const *y, int n_rows,
                                                const S *w, int64_t n, int64_t K, int64_t N)
{
  S *at[ROWS];
  int row = 0;
  for (; row + ROWS <= n_rows; row += ROWS) {
    for (int r = 0; r < ROWS; ++r) at[r] = y[row + r] + n;
    multiply<S, ROWS, T>(x + row, at, w + n, K, N);
  }
  for (; row < n_rows; ++row) {
    at[0] = y[row] + n;
    multiply<S, 1, T>(x + row, at, w + n, K, N);
  }
}

template <class S>
void multiply_rows(const S *const *x, S *const *y, int n_rows, const S *w, int64_t K, int64_t N)
{
  constexpr int W = LANES<S>;
  int64_t n = 0;
  for (; n + 2 * W <= N; n += 2 * W) multiply_columns<S, 2>(x, y, n_rows, w, n, K, N);
  for (; n + W <= N; n += W) multiply_columns<S, 1>(x, y, n_rows, w, n, K, N);
  for (int r = 0; r < n_rows && n < N; ++r)
    for (int64_t k = 0; k < K; ++k)
      for (int64_t column = n; column < N; ++column) y[r][column] += x[r][k] * w[k * N + column];
}

// One block for places begin .. end - 1, which have one type.
template <class S>
void multiply_block(const LinearJob<S> &job, const LinearBlock &block, int64_t begin, int64_t end)
{
  constexpr int MOST = 16 * ROWS;
  const S *w = job.weights + job.type[begin] * job.weights_of_type + block.weight;
  const S *x[MOST];
  S *y[MOST];
  int n = 0;
  for (int64_t place = begin; place < end; ++place) {
    const S *from = job.x + job.atom[place] * job.size_in + block.in;
    S *to = job.y + job.atom[place] * job.size_out + block.out;
    for (int64_t m = 0; m < block.count; ++m) {
      x[n] = from + m * block.in_step;
      y[n++] = to + m * block.out_step;
      if (n < MOST) continue;
      multiply_rows<S>(x, y, n, w, block.K, block.N);
      n = 0;
    }
  }
  multiply_rows<S>(x, y, n, w, block.K, block.N);
}

template <class S> void linear(const LinearJob<S> &job, int64_t begin, int64_t end)
{
  while (begin < end) {
    int64_t last = begin;
    while (last < end && last < begin + ATOMS && job.type[last] == job.type[begin]) {
      const int64_t at = job.atom[last++] * job.size_out;
      const S *from = job.added ? job.added + at : job.bias;
      for (int64_t k = 0; k < job.size_out; ++k) job.y[at + k] = from ? from[k] : S(0);
    }
    for (int b = 0; b < job.n_blocks; ++b) multiply_block(job, job.blocks[b], begin, last);
    begin = last;
  }
}

// An activation's value, slope and second derivative: silu(x) = x s(x), and for x >= 0, of which the
// other half is the mirror image, tanh(x) = (1 - q) / (1 + q) with q = exp(-2 x).
template <class S> struct Activation {
  Vector<S> value, slope, second;

  [[gnu::always_inline]] Activation(const GatePart &part, Vector<S> x)
  {
    const S scale = S(part.scale);
    if (part.activation == 1) {
      const Vector<S> q = exponential<S>(x < S(0) ? S(2) * x : S(-2) * x);
      const Vector<S> size = (S(1) - q) / (S(1) + q);
      const Vector<S> h = x < S(0) ? -size : size;
      value = scale * h;
      slope = scale * (S(1) - h * h);
      second = S(-2) * (h * slope);
    } else if (part.activation == 2) {
      const Vector<S> s = logistic<S>(x);
      value = scale * s;
      slope = scale * (s * (S(1) - s));
      second = slope * (S(1) - S(2) * s);
    } else {
      const Vector<S> s = logistic<S>(x);
      value = scale * (x * s);
      slope = scale * (s * (S(1) + x * (S(1) - s)));
      second = scale * (s * (S(1) - s) * (S(2) + x * (S(1) - S(2) * s)));
    }
  }
};

template <class S> void gate(const GateJob<S> &job, int64_t begin, int64_t end)
{
  const int64_t C = job.channels;
  for (int64_t a = begin; a < end; ++a)
    for (int p = 0; p < job.n_parts; ++p) {
      const auto &part = job.parts[p];
      const S *x = job.x + (a * job.rows_in + part.first_in) * C;
      S *y = job.y + (a * job.rows_out + part.first_out) * C;
      if (part.gate < 0) {
        for (int64_t u = 0; u < part.count * C; u += LANES<S>) {
          store<S>(y + u, Activation<S>(part, load<S>(x + u)).value);
        }
        continue;
      }
      const S *g = job.x + (a * job.rows_in + part.gate) * C;
      for (int64_t u = 0; u < C; u += LANES<S>) {
        const Vector<S> value = Activation<S>(part, load<S>(g + u)).value;
        for (int64_t m = 0; m < part.count; ++m)
          store<S>(y + m * C + u, value * load<S>(x + m * C + u));
      }
    }
}

template <class S> void gate_backward(const GateJob<S> &job, int64_t begin, int64_t end)
{
  const int64_t C = job.channels;
  for (int64_t a = begin; a < end; ++a)
    for (int p = 0; p < job.n_parts; ++p) {
      const auto &part = job.parts[p];
      const int64_t in = (a * job.rows_in + part.first_in) * C;
      const S *x = job.x + in, *grad = job.grad + (a * job.rows_out + part.first_out) * C;
      S *dx = job.dx + in;
      if (part.gate < 0) {
        for (int64_t u = 0; u < part.count * C; u += LANES<S>) {
          const Activation<S> f(part, load<S>(x + u));
          store<S>(dx + u, load<S>(dx + u) + f.slope * load<S>(grad + u));
        }
        continue;
      }
      const int64_t at = (a * job.rows_in + part.gate) * C;
      for (int64_t u = 0; u < C; u += LANES<S>) {
        const Activation<S> f(part, load<S>(job.x + at + u));
        Vector<S> sum = {};
        for (int64_t m = 0; m < part.count; ++m) {
          const Vector<S> g = load<S>(grad + m * C + u);
          sum += g * load<S>(x + m * C + u);
          store<S>(dx + m * C + u, load<S>(dx + m * C + u) + f.value * g);
        }
        store<S>(job.dx + at + u, load<S>(job.dx + at + u) + f.slope * sum);
      }
    }
}

// With an activation A of the row q, and cotangents u of dx[r] = A g[r] and of dx[q] = sum over r of
// A' x[r] g[r]: the derivative by g[r] is A u[r] + A' x[r] u[q], by x[r] A' g[r] u[q], and by x[q] the
// sum over r of A' g[r] u[r] + A'' x[r] g[r] u[q]. A row that is activated itself has dx = A' g.
template <class S> void gate_second(const GateJob<S> &job, int64_t begin, int64_t end)
{
  const int64_t C = job.channels;
  for (int64_t a = begin; a < end; ++a)
    for (int p = 0; p < job.n_parts; ++p) {
      const auto &part = job.parts[p];
      const int64_t in = (a * job.rows_in + part.first_in) * C;
      const int64_t out = (a * job.rows_out + part.first_out) * C;
      const S *x = job.x + in, *along = job.along + in, *grad = job.grad + out;
      S *dx = job.dx + in, *of_grad = job.of_grad + out;
      if (part.gate < 0) {
        for (int64_t u = 0; u < part.count * C; u += LANES<S>) {
          const Activation<S> f(part, load<S>(x + u));
          const Vector<S> t = load<S>(along + u);
          store<S>(of_grad + u, f.slope * t);
          store<S>(dx + u, load<S>(dx + u) + f.second * load<S>(grad + u) * t);
        }
        continue;
      }
      const int64_t at = (a * job.rows_in + part.gate) * C;
      for (int64_t u = 0; u < C; u += LANES<S>) {
        const Activation<S> f(part, load<S>(job.x + at + u));
        const Vector<S> q = load<S>(job.along + at + u);
        Vector<S> by_along = {}, by_x = {};
        for (int64_t m = 0; m < part.count; ++m) {
          const Vector<S> g = load<S>(grad + m * C + u), t = load<S>(along + m * C + u);
          const Vector<S> own = load<S>(x + m * C + u);
          store<S>(of_grad + m * C + u, f.value * t + f.slope * own * q);
          store<S>(dx + m * C + u, load<S>(dx + m * C + u) + f.slope * g * q);
          by_along += g * t;
          by_x += g * own;
        }
        store<S>(job.dx + at + u,
                 load<S>(job.dx + at + u) + (f.slope * by_along + f.second * by_x * q));
      }
    }
}

constexpr GatePart SILU = {0, 0, 0, 1, -1, 1.0};

// Calls visit(at, load, store) for each register of a row of channels; the last one may hold fewer, of
// which the rest is zero and is not stored.
template <class S, class Visit>
[[gnu::always_inline]] inline void for_registers(int64_t channels, Visit visit)
{
  constexpr int W = LANES<S>;
  int64_t at = 0;
  for (; at + W <= channels; at += W)
    visit(
        at, [](const S *from) { return load<S>(from); },
        [](S *to, Vector<S> value) { store<S>(to, value); });
  const int rest = static_cast<int>(channels - at);
  if (rest == 0) return;
  visit(
      at,
      [rest](const S *from) {
        S held[W] = {};
        for (int k = 0; k < rest; ++k) held[k] = from[k];
        return load<S>(held);
      },
      [rest](S *to, Vector<S> value) {
        for (int k = 0; k < rest; ++k) to[k] = value[k];
      });
}

template <class S> void scaled(const ScaledJob<S> &job, int64_t begin, int64_t end)
{
  for (int64_t row = begin; row < end; ++row) {
    const S *x = job.x + row * job.channels, factor = job.factors[row];
    S *y = job.y + row * job.channels;
    for_registers<S>(job.channels, [&](int64_t at, auto read, auto write) {
      write(y + at, factor * Activation<S>(SILU, read(x + at)).value);
    });
  }
}

template <class S> void scaled_backward(const ScaledJob<S> &job, int64_t begin, int64_t end)
{
  for (int64_t row = begin; row < end; ++row) {
    const int64_t first = row * job.channels;
    const S *x = job.x + first, *grad = job.grad + first, factor = job.factors[row];
    S *dx = job.dx + first;
    Vector<S> sum = {};
    for_registers<S>(job.channels, [&](int64_t at, auto read, auto write) {
      const Activation<S> f(SILU, read(x + at));
      const Vector<S> g = read(grad + at);
      sum += f.value * g;
      write(dx + at, factor * f.slope * g);
    });
    job.df[row] = sum_of_lanes<S>(sum);
  }
}

// With cotangents u of dx = f s' g and v of df = sum of s g: the derivative by g is f s' u + v s, by x
// f s'' g u + v s' g, and by f the sum of s' g u.
template <class S> void scaled_second(const ScaledJob<S> &job, int64_t begin, int64_t end)
{
  for (int64_t row = begin; row < end; ++row) {
    const int64_t first = row * job.channels;
    const S *x = job.x + first, *grad = job.grad + first, *along = job.along_x + first;
    const S factor = job.factors[row], v = job.along_factors[row];
    S *y = job.y + first, *dx = job.dx + first;
    Vector<S> sum = {};
    for_registers<S>(job.channels, [&](int64_t at, auto read, auto write) {
      const Activation<S> f(SILU, read(x + at));
      const Vector<S> g = read(grad + at), u = read(along + at), slope = f.slope * u;
      sum += slope * g;
      write(y + at, factor * slope + v * f.value);
      write(dx + at, (factor * f.second * u + v * f.slope) * g);
    });
    job.df[row] = sum_of_lanes<S>(sum);
  }
}

}    // namespace

extern const NodeKernels<float> node_float;
extern const NodeKernels<double> node_double;
const NodeKernels<float> node_float = {LANES<float>,           linear<float>,       gate<float>,
                                       gate_backward<float>,   gate_second<float>,  scaled<float>,
                                       scaled_backward<float>, scaled_second<float>};
const NodeKernels<double> node_double = {
    LANES<double>,           linear<double>,       gate<double>,
    gate_backward<double>,   gate_second<double>,  scaled<double>,
    scaled_backward<double>, scaled_second<double>};

}    // namespace EGRAFF_ISA
}    // namespace egraff
