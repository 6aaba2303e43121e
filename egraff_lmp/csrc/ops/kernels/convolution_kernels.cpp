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

#include "products.h"
#if EGRAFF_UNROLL
#include "products_unrolled.h"
#else
#include "products_generic.h"
#endif

namespace egraff {
namespace EGRAFF_ISA {
namespace {

constexpr int MAX_HARMONICS = (coupling::L_MAX + 1) * (coupling::L_MAX + 1);
// Edges between which the backward pass changes paths: their rows stay in the first-level cache.
constexpr int BACKWARD_EDGES = 2;

template <class S> struct Functions {
  void (*build)(const S *y, S *matrix, int n_edges) = nullptr;
  void (*forward)(const ForwardPath<S> &, int) = nullptr;
  void (*backward)(const BackwardPath<S> &, int) = nullptr;
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
                       backward_path<S, L1, L2, L3>};
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
  const S *x[B];
  S *dx[B];
  const S *x_at[B];    // x and dx at a path's first row and channel
  S *dx_at[B];
  int64_t knot[B];                     // in the table of a path
  S basis[B][4], basis_slope[B][4];    // of the cubic B-spline and its derivative
  S *matrix;                           // [pairs][B]
  S *w, *w_slope, *dw;                 // [B][TILE * W]
  S *dy, *dr;                          // [B][harmonics][W], [B][W]
  S y[MAX_HARMONICS][B];

  static int64_t bytes(const ConvolutionJob<S> &job)
  {
    const int64_t harmonics = (job.l_max + 1) * (job.l_max + 1);
    return int64_t(sizeof(S)) *
           (int64_t(job.n_pairs) * B + 3 * B * TILE * W + B * (harmonics + 1) * W);
  }

  Block(const ConvolutionJob<S> &job, void *scratch)
  {
    const int64_t harmonics = (job.l_max + 1) * (job.l_max + 1);
    matrix = static_cast<S *>(scratch);
    w = matrix + int64_t(job.n_pairs) * B;
    w_slope = w + B * TILE * W;
    dw = w_slope + B * TILE * W;
    dy = dw + B * TILE * W;
    dr = dy + B * harmonics * W;
  }

  void add(const ConvolutionJob<S> &job, int sorted)
  {
    const int64_t neighbor = job.neighbor[sorted], size = job.rows_in * job.channels;
    edge[n] = job.edge[sorted];
    x[n] = job.features + neighbor * size;
    dx[n] = job.grad_features ? job.grad_features + neighbor * size : nullptr;
    ++n;
  }

  // Harmonics, coupling matrices, and where the radial table is to be read.
  void prepare(const ConvolutionJob<S> &job)
  {
    const int harmonics = (job.l_max + 1) * (job.l_max + 1);
    for (int e = 0; e < n; ++e) {
      const S *from = job.harmonics + int64_t(edge[e]) * harmonics;
      for (int k = 0; k < harmonics; ++k) y[k][e] = from[k];
    }
    for (int e = n; e < B; ++e)
      for (int k = 0; k < harmonics; ++k) y[k][e] = 0;
    for (int p = 0; p < job.n_paths; ++p) {
      const auto &path = job.paths[p];
      if (path.builds_matrix)
        functions_of<S>(path).build(y[path.l2 * path.l2], matrix + path.pair_offset * B, n);
    }
    if (job.table)
      for (int e = 0; e < n; ++e) find_knot(job, e);
  }

  void find_knot(const ConvolutionJob<S> &job, int e)
  {
    const S place = job.radial[edge[e]] * S(job.intervals);
    // Beyond the table, and for what is no number, the weights are zero.
    const bool inside = place >= 0 && place < S(job.intervals);
    const int k = inside ? int(place) : 0;
    const S t = inside ? place - S(k) : 0, one = inside ? 1 : 0, sixth = one / 6;
    const S slope = one * S(job.intervals), u = 1 - t;
    knot[e] = int64_t(k) * job.channels;
    basis[e][0] = sixth * u * u * u;
    basis[e][1] = sixth * (3 * t * t * (t - 2) + 4);
    basis[e][2] = sixth * (3 * t * (1 + t * u) + 1);
    basis[e][3] = sixth * t * t * t;
    basis_slope[e][0] = -slope / 2 * u * u;
    basis_slope[e][1] = slope / 2 * t * (3 * t - 4);
    basis_slope[e][2] = slope / 2 * (1 + 2 * t - 3 * t * t);
    basis_slope[e][3] = slope / 2 * t * t;
  }

  // Weights of edges begin .. end - 1 for one path and tile.
  template <bool SLOPE> void find_weights(const ConvolutionJob<S> &job, const ConvolutionPath &path,
                                          int64_t channel, int begin, int end)
  {
    const int64_t C = job.channels;
    if (!job.table) {
      for (int e = begin; e < end; ++e) {
        const S *from = job.weights + (int64_t(edge[e]) * job.n_paths + path.column) * C + channel;
        for (int t = 0; t < TILE; ++t) store<S>(w + (e * TILE + t) * W, load<S>(from + t * W));
      }
      return;
    }
    const S *table = job.table + path.column * (job.intervals + 3) * C + channel;
    for (int e = begin; e < end; ++e) {
      const S *b = basis[e], *d = basis_slope[e];
      for (int t = 0; t < TILE; ++t) {
        const S *from = table + knot[e] + t * W;
        const Vector<S> c0 = load<S>(from), c1 = load<S>(from + C);
        const Vector<S> c2 = load<S>(from + 2 * C), c3 = load<S>(from + 3 * C);
        store<S>(w + (e * TILE + t) * W, b[0] * c0 + b[1] * c1 + b[2] * c2 + b[3] * c3);
        if (SLOPE)
          store<S>(w_slope + (e * TILE + t) * W, d[0] * c0 + d[1] * c1 + d[2] * c2 + d[3] * c3);
      }
    }
  }

  void point(const ConvolutionPath &path, int64_t channel, int64_t C, int begin, int end)
  {
    const int64_t offset = path.row_in * C + channel;
    for (int e = begin; e < end; ++e) x_at[e] = x[e] + offset;
    if (dx[begin])
      for (int e = begin; e < end; ++e) dx_at[e] = dx[e] + offset;
  }
};

template <class S>
void forward(const ConvolutionJob<S> &job, int64_t begin, int64_t end, void *scratch)
{
  Block<S> block(job, scratch);
  const int64_t C = job.channels, size = job.rows_out * C;
  for (int64_t center = begin; center < end; ++center) {
    S *out = job.out + center * size;
    for (int64_t k = 0; k < size; ++k) out[k] = 0;
    for (int first = job.first[center]; first < job.first[center + 1]; first += B) {
      block.n = 0;
      for (int e = first; e < job.first[center + 1] && block.n < B; ++e) block.add(job, e);
      block.prepare(job);
      for (int p = 0; p < job.n_paths; ++p) {
        const auto &path = job.paths[p];
        const auto &kernels = functions_of<S>(path);
        for (int64_t channel = 0; channel < C; channel += TILE * LANES<S>) {
          block.template find_weights<false>(job, path, channel, 0, block.n);
          block.point(path, channel, C, 0, block.n);
          kernels.forward({block.matrix + path.pair_offset * B, block.x_at, block.w,
                           out + path.row_out * C + channel, C, path.row_step * C},
                          block.n);
        }
      }
    }
  }
}

template <class S> void backward_path_of_block(const ConvolutionJob<S> &job,
                                               const ConvolutionPath &path, Block<S> &block,
                                               const S *grad, int begin, int end)
{
  constexpr int W = LANES<S>;
  const int64_t C = job.channels;
  const int64_t dy_step = (job.l_max + 1) * (job.l_max + 1) * W;
  for (int64_t channel = 0; channel < C; channel += TILE * W) {
    block.template find_weights<true>(job, path, channel, begin, end);
    block.point(path, channel, C, begin, end);
    const BackwardPath<S> arguments = {block.matrix + path.pair_offset * B + begin,
                                       block.x_at + begin,
                                       block.w + begin * TILE * W,
                                       grad + path.row_out * C + channel,
                                       C,
                                       path.row_step * C,
                                       job.grad_features ? block.dx_at + begin : nullptr,
                                       block.dw + begin * TILE * W,
                                       block.dy + begin * dy_step + path.l2 * path.l2 * W,
                                       dy_step};
    functions_of<S>(path).backward(arguments, end - begin);
    for (int e = begin; e < end; ++e)
      for (int t = 0; t < TILE; ++t) {
        const Vector<S> dw = load<S>(block.dw + (e * TILE + t) * W);
        if (job.table)
          store<S>(block.dr + e * W,
                   load<S>(block.dr + e * W) + dw * load<S>(block.w_slope + (e * TILE + t) * W));
        else if (job.grad_weights)
          store<S>(job.grad_weights + (int64_t(block.edge[e]) * job.n_paths + path.column) * C +
                       channel + t * W,
                   dw);
      }
  }
}

template <class S> void backward_block(const ConvolutionJob<S> &job, Block<S> &block, const S *grad)
{
  constexpr int W = LANES<S>;
  const int harmonics = (job.l_max + 1) * (job.l_max + 1);
  block.prepare(job);
  for (int k = 0; k < block.n * harmonics * W; ++k) block.dy[k] = 0;
  for (int k = 0; k < block.n * W; ++k) block.dr[k] = 0;
  for (int begin = 0; begin < block.n; begin += BACKWARD_EDGES) {
    const int end = begin + BACKWARD_EDGES < block.n ? begin + BACKWARD_EDGES : block.n;
    for (int p = 0; p < job.n_paths; ++p)
      backward_path_of_block(job, job.paths[p], block, grad, begin, end);
  }
  for (int e = 0; e < block.n; ++e) {
    S *to = job.grad_harmonics + int64_t(block.edge[e]) * harmonics;
    for (int k = 0; k < harmonics; ++k)
      to[k] = sum_of_lanes<S>(load<S>(block.dy + (e * harmonics + k) * W));
    if (job.grad_radial)
      job.grad_radial[block.edge[e]] = sum_of_lanes<S>(load<S>(block.dr + e * W));
  }
}

template <class S> void backward(const ConvolutionJob<S> &job, int64_t n_centers, int64_t begin,
                                 int64_t end, void *scratch)
{
  Block<S> block(job, scratch);
  for (int64_t center = 0; center < n_centers; ++center) {
    const S *grad = job.grad + center * job.rows_out * job.channels;
    const int last = job.first[center + 1];
    for (int e = job.first[center]; e < last;) {
      block.n = 0;
      for (; e < last && block.n < B; ++e)
        if (job.neighbor[e] >= begin && job.neighbor[e] < end) block.add(job, e);
      if (block.n) backward_block(job, block, grad);
    }
  }
}

}    // namespace

extern const ConvolutionKernels<float> convolution_float;
extern const ConvolutionKernels<double> convolution_double;
const ConvolutionKernels<float> convolution_float = {TILE * LANES<float>, Block<float>::bytes,
                                                     forward<float>, backward<float>};
const ConvolutionKernels<double> convolution_double = {TILE * LANES<double>, Block<double>::bytes,
                                                       forward<double>, backward<double>};

}    // namespace EGRAFF_ISA
}    // namespace egraff
