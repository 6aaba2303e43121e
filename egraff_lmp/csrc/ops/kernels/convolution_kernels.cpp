// The convolution's inner loops, compiled once for each instruction set.
//
// The coupling matrix M[m1, m3] = sum over m2 of C[m1, m2, m3] Y[m2] is built for a block of edges
// at once, one edge a lane, and shared by all channels and all paths of the same degrees. Then, with
// channels in the lanes,
//
//   out[m3] += sum over edges and m1 of M[m1, m3] w x[m1].
//
// Backward everything is recomputed, and with t[m1] = sum over m3 of M[m1, m3] g[m3]:
// dx[m1] = w t[m1], dw = sum over m1 of x[m1] t[m1], dM[m1, m3] = w x[m1] g[m3].
//
// Second derivatives, with cotangents a of dx, b of dY, from which N[m1, m3] is built as M is from Y,
// and c of dw, and with q[m1] = sum over m3 of N[m1, m3] g[m3]: that by g[m3] is the sum over m1 of
// M[m1, m3] (w a[m1] + c x[m1]) + N[m1, m3] w x[m1], that by x[m1] is c t[m1] + w q[m1], and that by w
// the sum over m1 of a[m1] t[m1] + x[m1] q[m1].

#include "products.h"
#include "spline.h"
#if EGRAFF_UNROLL
#include "products_unrolled.h"
#else
#include "products_generic.h"
#endif

namespace egraff {
namespace EGRAFF_ISA {
namespace {

constexpr int MAX_HARMONICS = (coupling::L_MAX + 1) * (coupling::L_MAX + 1);
// Edges between which the paths change: what belongs to them stays in the first-level cache.
constexpr int FORWARD_EDGES = 4, BACKWARD_EDGES = 2;

template <class S> struct Functions {
  void (*build)(const S *y, S *matrix, int n_edges) = nullptr;
  void (*forward)(const ForwardPath<S> &, int) = nullptr;
  void (*backward)(const BackwardPath<S> &, int) = nullptr;
  void (*second_forward)(const SecondPath<S> &, int) = nullptr;
  void (*second_backward)(const SecondPath<S> &, int) = nullptr;
};

template <class S> struct FunctionTable {
  static constexpr int N = coupling::L_MAX + 1;
  Functions<S> of[N * N * N];

  constexpr FunctionTable()
  {
    unroll<N * N * N>([this](auto k) {
      constexpr int L1 = k.value / (N * N), L2 = k.value / N % N, L3 = k.value % N;
      if constexpr (coupling::Terms<L1, L2, L3>::size > 0)
        of[k.value] = {build_matrix<S, L1, L2, L3>, forward_path<S, L1, L2, L3>,
                       backward_path<S, L1, L2, L3>, second_forward_path<S, L1, L2, L3>,
                       second_backward_path<S, L1, L2, L3>};
    });
  }
};

template <class S> constexpr FunctionTable<S> functions;

template <class S> const Functions<S> &functions_of(const ConvolutionPath &path)
{
  constexpr int N = coupling::L_MAX + 1;
  return functions<S>.of[(path.l1 * N + path.l2) * N + path.l3];
}

// The edges of a block, and memory for what is computed of them.
template <class S> struct Block {
  static constexpr int W = LANES<S>;

  int n = 0;
  int edge[B];
  const S *x[B], *w[B];
  const S *a[B], *c[B];    // cotangents, of second derivatives
  S *dx[B], *dw[B];
  Knot<S> knot[B];                // where the table is read
  S *matrix, *along;              // [pairs][B]
  S *weights, *slopes, *grads;    // [FORWARD_EDGES][paths][channels], of a table
  S *dy, *dr;                     // [B][harmonics][W], [B]
  S y[MAX_HARMONICS][B];

  static int64_t n_harmonics(const ConvolutionJob<S> &job)
  {
    return (job.l_max + 1) * (job.l_max + 1);
  }

  static int64_t n_weights(const ConvolutionJob<S> &job) { return job.n_paths * job.channels; }

  static int64_t bytes(const ConvolutionJob<S> &job)
  {
    return int64_t(sizeof(S)) * (2 * int64_t(job.n_pairs) * B + 3 * FORWARD_EDGES * n_weights(job) +
                                 B * n_harmonics(job) * W + B);
  }

  Block(const ConvolutionJob<S> &job, void *scratch)
  {
    matrix = static_cast<S *>(scratch);
    along = matrix + int64_t(job.n_pairs) * B;
    weights = along + int64_t(job.n_pairs) * B;
    slopes = weights + FORWARD_EDGES * n_weights(job);
    grads = slopes + FORWARD_EDGES * n_weights(job);
    dy = grads + FORWARD_EDGES * n_weights(job);
    dr = dy + B * n_harmonics(job) * W;
  }

  void add(const ConvolutionJob<S> &job, int sorted)
  {
    const int64_t neighbor = job.neighbor[sorted], size = job.rows_in * job.channels;
    const int64_t row = int64_t(job.edge[sorted]) * n_weights(job);
    edge[n] = job.edge[sorted];
    x[n] = job.features + neighbor * size;
    dx[n] = job.grad_features ? job.grad_features + neighbor * size : nullptr;
    if (job.weights) w[n] = job.weights + int64_t(job.edge[sorted]) * job.weights_step;
    if (job.grad_weights) dw[n] = job.grad_weights + row;
    if (job.along_features) a[n] = job.along_features + neighbor * size;
    if (job.along_weights) c[n] = job.along_weights + int64_t(job.edge[sorted]) * job.weights_step;
    ++n;
  }

  // Coupling matrices of numbers in the place of harmonics.
  void build(const ConvolutionJob<S> &job, const S *given, S *into)
  {
    const int64_t harmonics = n_harmonics(job);
    for (int e = 0; e < n; ++e) {
      const S *from = given + edge[e] * harmonics;
      for (int64_t k = 0; k < harmonics; ++k) y[k][e] = from[k];
    }
    for (int e = n; e < B; ++e)
      for (int64_t k = 0; k < harmonics; ++k) y[k][e] = 0;
    for (int p = 0; p < job.n_paths; ++p) {
      const auto &path = job.paths[p];
      if (path.builds_matrix)
        functions_of<S>(path).build(y[path.l2 * path.l2], into + path.pair_offset * B, n);
    }
  }

  // Coupling matrices, and where the radial table is to be read.
  void prepare(const ConvolutionJob<S> &job)
  {
    build(job, job.harmonics, matrix);
    if (job.along_harmonics) build(job, job.along_harmonics, along);
    if (job.table)
      for (int e = 0; e < n; ++e) knot[e].find(job.radial[edge[e]], job.intervals, n_weights(job));
  }

  // Reads the weights of edges begin .. end - 1, all paths and channels, and their slopes.
  template <bool SLOPE> void read_table(const ConvolutionJob<S> &job, int begin, int end)
  {
    const int64_t size = n_weights(job);
    for (int e = begin; e < end; ++e) {
      const S *c = job.table + knot[e].at, *b = knot[e].basis, *d = knot[e].slope;
      S *value = weights + (e - begin) * size, *slope = slopes + (e - begin) * size;
      w[e] = value;
      dw[e] = grads + (e - begin) * size;
      for (int64_t k = 0; k < size; k += W) {
        const Vector<S> c0 = load<S>(c + k), c1 = load<S>(c + k + size);
        const Vector<S> c2 = load<S>(c + k + 2 * size), c3 = load<S>(c + k + 3 * size);
        store<S>(value + k, (b[0] * c0 + b[1] * c1) + (b[2] * c2 + b[3] * c3));
        if (SLOPE) store<S>(slope + k, d[0] * (c1 - c0) + d[1] * (c2 - c1) + d[2] * (c3 - c2));
      }
    }
  }

  // Where nobody wants the gradients of weights: memory that they may be written to.
  void discard_weights(const ConvolutionJob<S> &job, int begin, int end)
  {
    if (job.grad_weights || job.table) return;
    for (int e = begin; e < end; ++e) dw[e] = grads + (e - begin) * n_weights(job);
  }

  // dr = sum over paths and channels of dw times the slope, for edges begin .. end - 1.
  void sum_slopes(const ConvolutionJob<S> &job, int begin, int end)
  {
    const int64_t size = n_weights(job);
    for (int e = begin; e < end; ++e) {
      const S *grad = grads + (e - begin) * size, *slope = slopes + (e - begin) * size;
      Vector<S> even = {}, odd = {};    // the size is a multiple of two registers
      for (int64_t k = 0; k < size; k += 2 * W) {
        even += load<S>(grad + k) * load<S>(slope + k);
        odd += load<S>(grad + k + W) * load<S>(slope + k + W);
      }
      dr[e] = sum_of_lanes<S>(even + odd);
    }
  }
};

inline int smaller(int a, int b)
{
  return a < b ? a : b;
}

// Calls visit(path, channel, from, to) for edges from .. to - 1 of the block and each tile of channels.
template <class S, class Visit> [[gnu::always_inline]] inline void
for_tiles(const ConvolutionJob<S> &job, int from, int to, Visit visit)
{
  for (int p = 0; p < job.n_paths; ++p)
    for (int64_t channel = 0; channel < job.channels; channel += TILE * LANES<S>)
      visit(job.paths[p], channel, from, to);
}

template <class S> SecondPath<S> second_path(const ConvolutionJob<S> &job, const Block<S> &block,
                                             const ConvolutionPath &path, int64_t channel, int from,
                                             S *out, const S *grad)
{
  const int64_t C = job.channels, at = path.row_out * C + channel;
  return {block.matrix + path.pair_offset * B + from,
          block.along + path.pair_offset * B + from,
          block.x + from,
          block.a + from,
          block.w + from,
          block.c + from,
          path.row_in * C + channel,
          path.column * C + channel,
          out ? out + at : nullptr,
          grad ? grad + at : nullptr,
          path.step_in * C,
          path.step_out * C,
          job.grad_features ? block.dx + from : nullptr,
          block.dw + from};
}

template <class S, bool SECOND>
void forward(const ConvolutionJob<S> &job, int64_t begin, int64_t end, void *scratch)
{
  Block<S> block(job, scratch);
  const int64_t C = job.channels, size = job.rows_out * C;
  for (int64_t center = begin; center < end; ++center) {
    S *out = job.out + center * size;
    for (int64_t k = 0; k < size; ++k) out[k] = 0;
    const int last = job.first[center + 1];
    for (int first = job.first[center]; first < last; first += B) {
      block.n = 0;
      for (int e = first; e < last && block.n < B; ++e) block.add(job, e);
      block.prepare(job);
      for (int from = 0; from < block.n; from += FORWARD_EDGES) {
        const int to = smaller(from + FORWARD_EDGES, block.n);
        if (!SECOND && job.table) block.template read_table<false>(job, from, to);
        for_tiles(job, from, to, [&](const auto &path, int64_t channel, int from, int to) {
          const auto &functions = functions_of<S>(path);
          if constexpr (SECOND)
            functions.second_forward(second_path<S>(job, block, path, channel, from, out, nullptr),
                                     to - from);
          else
            functions.forward({block.matrix + path.pair_offset * B + from, block.x + from,
                               block.w + from, path.row_in * C + channel, path.column * C + channel,
                               out + path.row_out * C + channel, path.step_in * C,
                               path.step_out * C},
                              to - from);
        });
      }
    }
  }
}

template <class S> void second_block(const ConvolutionJob<S> &job, Block<S> &block, const S *grad)
{
  block.prepare(job);
  for (int from = 0, to = 0; from < block.n; from = to) {
    to = smaller(from + BACKWARD_EDGES, block.n);
    if (to - from == 2 && block.x[from] == block.x[from + 1]) --to;    // see backward_block
    block.discard_weights(job, from, to);
    for_tiles(job, from, to, [&](const auto &path, int64_t channel, int from, int to) {
      functions_of<S>(path).second_backward(
          second_path<S>(job, block, path, channel, from, nullptr, grad), to - from);
    });
  }
}

template <class S> void backward_block(const ConvolutionJob<S> &job, Block<S> &block, const S *grad)
{
  constexpr int W = LANES<S>;
  const int64_t C = job.channels, harmonics = Block<S>::n_harmonics(job), dy_step = harmonics * W;
  block.prepare(job);
  for (int64_t k = 0; k < block.n * dy_step; k += W) store<S>(block.dy + k, Vector<S>{});
  for (int from = 0, to = 0; from < block.n; from = to) {
    to = smaller(from + BACKWARD_EDGES, block.n);
    // Two images of one neighbour do not go together: which edges do depends on the threads, and the
    // order of what is added to the neighbour must not.
    if (to - from == 2 && block.x[from] == block.x[from + 1]) --to;
    if (job.table) block.template read_table<true>(job, from, to);
    block.discard_weights(job, from, to);
    for (int p = 0; p < job.n_paths; ++p) {
      const auto &path = job.paths[p];
      const auto multiply = functions_of<S>(path).backward;
      for (int64_t channel = 0; channel < C; channel += TILE * W)
        multiply({block.matrix + path.pair_offset * B + from, block.x + from, block.w + from,
                  path.row_in * C + channel, path.column * C + channel,
                  grad + path.row_out * C + channel, path.step_in * C, path.step_out * C,
                  job.grad_features ? block.dx + from : nullptr, block.dw + from,
                  block.dy + from * dy_step + path.l2 * path.l2 * W, dy_step},
                 to - from);
    }
    if (job.table) block.sum_slopes(job, from, to);
  }
  for (int e = 0; e < block.n; ++e) {
    S *to = job.grad_harmonics + block.edge[e] * harmonics;
    for (int64_t k = 0; k < harmonics; ++k)
      to[k] = sum_of_lanes<S>(load<S>(block.dy + e * dy_step + k * W));
    if (job.grad_radial) job.grad_radial[block.edge[e]] = block.dr[e];
  }
}

template <class S, bool SECOND> void backward(const ConvolutionJob<S> &job, int64_t n_centers,
                                              int64_t begin, int64_t end, void *scratch)
{
  Block<S> block(job, scratch);
  for (int64_t center = 0; center < n_centers; ++center) {
    const S *grad = job.grad + center * job.rows_out * job.channels;
    const int last = job.first[center + 1];
    for (int e = job.first[center]; e < last;) {
      block.n = 0;
      for (; e < last && block.n < B; ++e)
        if (job.neighbor[e] >= begin && job.neighbor[e] < end) block.add(job, e);
      if (block.n && SECOND) second_block(job, block, grad);
      if (block.n && !SECOND) backward_block(job, block, grad);
    }
  }
}

}    // namespace

extern const ConvolutionKernels<float> convolution_float;
extern const ConvolutionKernels<double> convolution_double;
const ConvolutionKernels<float> convolution_float = {TILE * LANES<float>,   Block<float>::bytes,
                                                     forward<float, false>, backward<float, false>,
                                                     forward<float, true>,  backward<float, true>};
const ConvolutionKernels<double> convolution_double = {
    TILE * LANES<double>,    Block<double>::bytes,  forward<double, false>,
    backward<double, false>, forward<double, true>, backward<double, true>};

}    // namespace EGRAFF_ISA
}    // namespace egraff
