// egraff::convolution_linear: the convolution and a linear map of its result, block by block of atoms.
//
//   out[c] = added[c] + linear(convolution(features, harmonics, weights)[c])
//
// with the convolution of convolution.cpp and the linear map of node_linear.cpp. The result of the
// convolution, the widest tensor of a network by far, is never there as a whole: a block of it stays
// in the cache, forwards until it is mapped, backwards (its gradient) until the edges of its centres
// are done. Linear map and `added` are by centres; nothing is kept for the backward pass but the
// inputs. It has no autograd of its own: that of egraff::interaction calls both directions.

#include "convolution_plan.h"
#include "linear_plan.h"

namespace egraff {
namespace {

using Pieces = std::tuple<Tensor, Tensor, Tensor>;

// Centres whose convolution lies in the cache, for each thread; where threads meet after every
// block, more of them.
constexpr int64_t CENTERS = 32, CENTERS_BETWEEN_MEETINGS = 256;

// The linear map of a block of centres.
template <class S> struct BlockMap {
  std::vector<LinearBlock> blocks;
  Tensor weights, types;
  int64_t size_in, size_out;    // numbers a centre

  void operator()(const S *x, const S *added, S *y, int64_t begin, int64_t end) const
  {
    const auto *of = types.defined() ? types.data_ptr<int64_t>() + begin : nullptr;
    const TypeOrder order(of, end - begin, weights.size(0));
    LinearJob<S> job = {};
    job.blocks = blocks.data();
    job.n_blocks = static_cast<int>(blocks.size());
    job.atom = order.atom.data();
    job.type = order.type.data();
    job.size_in = size_in;
    job.size_out = size_out;
    job.weights_of_type = weights.size(1);
    job.x = x;
    job.weights = weights.data_ptr<S>();
    job.added = added;
    job.y = y;
    node_kernels<S>().linear(job, 0, end - begin);
  }
};

// Arguments of both directions.
struct Arguments {
  const Tensor &features, &harmonics;
  const Tensor weights, radial, table;
  const Tensor &edge_index;
  int64_t n_centers;
  at::IntArrayRef paths;
  const Tensor &linear;
  const Types &types;
  at::IntArrayRef blocks;
  int64_t rows_out;

  void check() const
  {
    check_convolution(features, harmonics, weights, radial, table, edge_index, n_centers, paths);
    TORCH_CHECK(linear.dim() == 2 && linear.size(0) > 0 && (types || linear.size(0) == 1) &&
                    linear.scalar_type() == features.scalar_type() && rows_out > 0,
                "egraff::convolution_linear: expected weights [types, numbers] of the features' "
                "precision, got ",
                linear.sizes());
  }

  template <class S> BlockMap<S> map(const Tensor &matrices, int64_t rows, bool backward) const
  {
    const int64_t C = features.size(2);
    const LinearShape shape = {rows, C, rows_out, C};
    const int64_t in = rows * C, out = rows_out * C;
    return {make_blocks(blocks, shape, matrices.size(1), backward), matrices.contiguous(),
            types ? TypeOrder::checked_types(*types, n_centers, matrices.size(0)) : Tensor(),
            backward ? out : in, backward ? in : out};
  }

  int64_t rows_in() const { return features.size(1); }
};

template <class S> const S *row(const Tensor &tensor, int64_t center, int64_t size)
{
  return tensor.defined() ? tensor.data_ptr<S>() + center * size : nullptr;
}

template <class S> Tensor run_forward(const Arguments &given, const Tensor &added)
{
  const auto &kernel = convolution_kernels<S>(given.features.size(2));
  const ConvolutionInputs in(given.features, given.harmonics, given.weights, given.radial,
                             given.table, 1);
  const PathTable paths(given.paths, degree_of(given.harmonics));
  TORCH_CHECK(paths.rows_in <= given.rows_in(), "egraff::convolution_linear: expected ",
              paths.rows_in, " rows of features, got ", given.rows_in());
  const EdgeOrder order("egraff::convolution_linear", given.edge_index, given.n_centers,
                        given.features.size(0));
  const auto map = given.map<S>(given.linear, paths.rows_out, false);
  const auto job = make_job<S>(in, order, paths, paths.rows_out);
  const Tensor out =
      at::empty({given.n_centers, given.rows_out, job.channels}, given.features.options());
  const int64_t size = job.rows_out * job.channels;
  at::parallel_for(0, given.n_centers, CENTERS, [&](int64_t begin, int64_t end) {
    const Scratch scratch(kernel.scratch_bytes(job));
    const Scratch sums(CENTERS * size * static_cast<int64_t>(sizeof(S)));
    for (int64_t from = begin; from < end; from += CENTERS) {
      const int64_t to = std::min(from + CENTERS, end);
      auto block = job;
      block.first = job.first + from;
      block.out = static_cast<S *>(sums.aligned());
      kernel.forward(block, 0, to - from, scratch.aligned());
      map(block.out, row<S>(added, from, map.size_out), out.data_ptr<S>() + from * map.size_out,
          from, to);
    }
  });
  return out;
}

// Gradients of features (if wanted), harmonics, and weights or radial.
template <class S> Pieces run_backward(const Arguments &given, const Tensor &grad,
                                       const Tensor &transposed, bool want_features)
{
  const auto &kernel = convolution_kernels<S>(given.features.size(2));
  const ConvolutionInputs in(given.features, given.harmonics, given.weights, given.radial,
                             given.table, 1);
  const PathTable paths(given.paths, degree_of(given.harmonics));
  TORCH_CHECK(paths.rows_in <= given.rows_in(), "egraff::convolution_linear: expected ",
              paths.rows_in, " rows of features, got ", given.rows_in());
  TORCH_CHECK(!in.weights.defined() || in.weights.size(0) == in.harmonics.size(0),
              "egraff::convolution_linear_backward: expected weights of each edge, got ",
              in.weights.sizes());
  const EdgeOrder order("egraff::convolution_linear", given.edge_index, given.n_centers,
                        given.features.size(0));
  const auto map = given.map<S>(transposed, paths.rows_out, true);
  auto job = make_job<S>(in, order, paths, paths.rows_out);
  const auto grads = grad.contiguous();
  Tensor dx, dw, dr;
  if (want_features) {
    dx = at::zeros_like(in.features);
    job.grad_features = dx.data_ptr<S>();
  }
  const Tensor dy = at::empty_like(in.harmonics);
  job.grad_harmonics = dy.data_ptr<S>();
  if (in.weights.defined()) {
    dw = at::empty_like(in.weights);
    job.grad_weights = dw.data_ptr<S>();
  } else {
    dr = at::empty_like(in.radial);
    job.grad_radial = dr.data_ptr<S>();
  }
  const int64_t threads = at::get_num_threads(), size = job.rows_out * job.channels;
  const int64_t most = threads > 1 ? threads * CENTERS_BETWEEN_MEETINGS : CENTERS;
  const Scratch sums(std::min(most, given.n_centers) * size * static_cast<int64_t>(sizeof(S)));
  const int64_t scratch_bytes = (kernel.scratch_bytes(job) + 63) / 64 * 64;
  const Scratch scratch(threads * scratch_bytes);
  auto *block_grad = static_cast<S *>(sums.aligned());
  for (int64_t from = 0; from < given.n_centers; from += most) {
    const int64_t to = std::min(from + most, given.n_centers);
    at::parallel_for(from, to, CENTERS, [&](int64_t begin, int64_t end) {
      map(grads.data_ptr<S>() + begin * map.size_in, nullptr, block_grad + (begin - from) * size,
          begin, end);
    });
    auto block = job;
    block.first = job.first + from;
    block.grad = block_grad;
    // A thread owns a range of neighbours, so that none is written by two.
    const auto bounds = order.ranges(threads, from, to, given.features.size(0));
    at::parallel_for(
        0, static_cast<int64_t>(bounds.size()) - 1, 1, [&](int64_t first, int64_t last) {
          for (int64_t k = first; k < last; ++k)
            kernel.backward(block, to - from, bounds[k], bounds[k + 1],
                            static_cast<char *>(scratch.aligned()) + k * scratch_bytes);
        });
  }
  return {dx, dy, in.weights.defined() ? dw : dr};
}

// Whether the channels fill whole registers; others take the two operators one after the other.
bool fills_registers(const Tensor &features)
{
  int64_t lanes = 1;
  AT_DISPATCH_FLOATING_TYPES(features.scalar_type(), "egraff::convolution_linear", [&] {
    lanes = convolution_kernels<scalar_t>(features.size(2)).lanes;
  });
  return features.size(2) % lanes == 0;
}

Tensor convolved(const Arguments &given)
{
  if (given.weights.defined())
    return call<Tensor(const Tensor &, const Tensor &, const Tensor &, const Tensor &, int64_t,
                       at::IntArrayRef)>("egraff::convolution", given.features, given.harmonics,
                                         given.weights, given.edge_index, given.n_centers,
                                         given.paths);
  return call<Tensor(const Tensor &, const Tensor &, const Tensor &, const Tensor &, const Tensor &,
                     int64_t, at::IntArrayRef)>("egraff::tabulated_convolution", given.features,
                                                given.harmonics, given.radial, given.table,
                                                given.edge_index, given.n_centers, given.paths);
}

Tensor forward_cpu(const Tensor &features, const Tensor &harmonics, const Maybe &weights,
                   const Maybe &radial, const Maybe &table, const Tensor &edge_index,
                   int64_t n_centers, at::IntArrayRef paths, const Tensor &linear,
                   const Types &types, at::IntArrayRef blocks, int64_t rows_out, const Maybe &added)
{
  const Arguments given = {features,
                           harmonics,
                           value_of(weights),
                           value_of(radial),
                           value_of(table),
                           edge_index,
                           n_centers,
                           paths,
                           linear,
                           types,
                           blocks,
                           rows_out};
  given.check();
  const auto base = added ? added->contiguous() : Tensor();
  TORCH_CHECK(!added || (base.sizes() == at::IntArrayRef({n_centers, rows_out, features.size(2)}) &&
                         base.scalar_type() == features.scalar_type()),
              "egraff::convolution_linear: expected [", n_centers, ", ", rows_out, ", ",
              features.size(2), "] to add to, got ",
              base.defined() ? base.sizes() : at::IntArrayRef());
  if (!fills_registers(features)) {
    const auto mapped = call<Tensor(const Tensor &, const Tensor &, const Types &, at::IntArrayRef,
                                    int64_t, int64_t, const Maybe &, const Maybe &)>(
        "egraff::node_linear", convolved(given), linear, types, blocks, rows_out, features.size(2),
        Maybe(), Maybe());
    return added ? mapped + base : mapped;
  }
  Tensor out;
  AT_DISPATCH_FLOATING_TYPES(features.scalar_type(), "egraff::convolution_linear",
                             [&] { out = run_forward<scalar_t>(given, base); });
  return out;
}

Pieces backward_cpu(const Tensor &grad, const Tensor &features, const Tensor &harmonics,
                    const Maybe &weights, const Maybe &radial, const Maybe &table,
                    const Tensor &edge_index, at::IntArrayRef paths, const Tensor &transposed,
                    const Types &types, at::IntArrayRef blocks, bool want_features)
{
  TORCH_CHECK(grad.dim() == 3 && features.dim() == 3 && grad.size(2) == features.size(2) &&
                  grad.scalar_type() == features.scalar_type(),
              "egraff::convolution_linear_backward: expected a gradient [centres, rows, channels] "
              "like the features ",
              features.sizes(), ", got ", grad.sizes());
  const Arguments given = {features,
                           harmonics,
                           value_of(weights),
                           value_of(radial),
                           value_of(table),
                           edge_index,
                           grad.size(0),
                           paths,
                           transposed,
                           types,
                           blocks,
                           grad.size(1)};
  given.check();
  Pieces pieces;
  if (!fills_registers(features)) {
    const PathTable table_of_paths(paths, degree_of(harmonics));
    const auto linear = at::empty_like(transposed);    // read for its shape alone
    const auto by_sums = call<Tensor(const Tensor &, const Tensor &, const Types &, at::IntArrayRef,
                                     int64_t, int64_t, const Maybe &)>(
        "egraff::node_linear_backward", grad, linear, types, blocks, table_of_paths.rows_out,
        features.size(2), Maybe(transposed));
    if (given.weights.defined())
      return call<Pieces(const Tensor &, const Tensor &, const Tensor &, const Tensor &,
                         const Tensor &, at::IntArrayRef, bool)>(
          "egraff::convolution_backward", by_sums, features, harmonics, given.weights, edge_index,
          paths, want_features);
    return call<Pieces(const Tensor &, const Tensor &, const Tensor &, const Tensor &,
                       const Tensor &, const Tensor &, at::IntArrayRef, bool)>(
        "egraff::tabulated_convolution_backward", by_sums, features, harmonics, given.radial,
        given.table, edge_index, paths, want_features);
  }
  AT_DISPATCH_FLOATING_TYPES(features.scalar_type(), "egraff::convolution_linear_backward", [&] {
    pieces = run_backward<scalar_t>(given, grad, transposed, want_features);
  });
  return pieces;
}

}    // namespace
}    // namespace egraff

TORCH_LIBRARY_FRAGMENT(egraff, library)
{
  library.def(
      "convolution_linear(Tensor features, Tensor harmonics, Tensor? weights, Tensor? "
      "radial, Tensor? table, Tensor edge_index, int n_centers, int[] paths, Tensor linear, "
      "Tensor? types, int[] blocks, int rows_out, Tensor? added=None) -> Tensor");
  library.def("convolution_linear_backward(Tensor grad, Tensor features, Tensor harmonics, Tensor? "
              "weights, Tensor? radial, Tensor? table, Tensor edge_index, int[] paths, Tensor "
              "transposed, Tensor? types, int[] blocks, bool want_features) -> (Tensor, Tensor, "
              "Tensor)");
}

TORCH_LIBRARY_IMPL(egraff, CPU, library)
{
  library.impl("convolution_linear", &egraff::forward_cpu);
  library.impl("convolution_linear_backward", &egraff::backward_cpu);
}
