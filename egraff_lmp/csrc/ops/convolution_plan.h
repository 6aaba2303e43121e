// What the operators that convolve share: paths, checked inputs, and what the kernels are given. See
// convolution.cpp for the definition.

#pragma once

#include "edge_order.h"
#include "operator.h"

#include "kernels/convolution_job.h"
#include "kernels/coupling.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace egraff {

constexpr int INTEGERS_A_PATH = 7;

EGRAFF_KERNELS(convolution_kernels_of, ConvolutionKernels, convolution)

template <class S> const ConvolutionKernels<S> &convolution_kernels(int64_t channels)
{
  return for_channels(channels, [](auto set) -> const ConvolutionKernels<S> & {
    return convolution_kernels_of(set, S(0));
  });
}

// Paths in the order of their degrees, so that those that share a coupling matrix and code follow
// each other.
struct PathTable {
  std::vector<ConvolutionPath> paths;
  int n_pairs = 0;
  int64_t rows_in = 0, rows_out = 0;

  PathTable(at::IntArrayRef numbers, int l_max)
  {
    TORCH_CHECK(numbers.size() % INTEGERS_A_PATH == 0,
                "egraff::convolution: expected seven integers a path, got ", numbers.size());
    for (size_t k = 0; k < numbers.size(); k += INTEGERS_A_PATH) add(&numbers[k], l_max);
    const auto degrees = [](const ConvolutionPath &p) {
      return std::tuple(p.l1, p.l2, p.l3);
    };
    std::stable_sort(paths.begin(), paths.end(),
                     [&](const auto &a, const auto &b) { return degrees(a) < degrees(b); });
    int offset = 0;
    for (size_t p = 0; p < paths.size(); ++p) {
      auto &path = paths[p];
      path.builds_matrix = p == 0 || degrees(path) != degrees(paths[p - 1]);
      if (path.builds_matrix) {
        offset = n_pairs;
        n_pairs += coupling::n_pairs(path.l1, path.l2, path.l3);
      }
      path.pair_offset = offset;
    }
  }

 private:
  void add(const int64_t *n, int l_max)
  {
    const bool degrees = std::min({n[0], n[1], n[2]}) >= 0 &&
                         std::max({n[0], n[1], n[2]}) <= coupling::L_MAX && n[1] <= l_max &&
                         coupling::n_pairs(n[0], n[1], n[2]) > 0;
    const bool rows = std::min(n[3], n[5]) >= 0 && std::min(n[4], n[6]) >= 1 &&
                      std::max({n[3], n[4], n[5], n[6]}) <= std::numeric_limits<int>::max();
    TORCH_CHECK(degrees && rows, "egraff::convolution: expected a path of degrees up to ",
                coupling::L_MAX, " that multiply, and rows from 0 on, got ",
                at::IntArrayRef(n, INTEGERS_A_PATH));
    paths.push_back({static_cast<int>(n[0]), static_cast<int>(n[1]), static_cast<int>(n[2]),
                     static_cast<int>(paths.size()), n[3], n[4], n[5], n[6], 0, false});
    rows_in = std::max(rows_in, n[3] + 2 * n[0] * n[4] + 1);
    rows_out = std::max(rows_out, n[5] + 2 * n[2] * n[6] + 1);
  }
};

// What the kernels read: contiguous, with the channels filled up to whole registers.
struct ConvolutionInputs {
  Tensor features, harmonics, weights, radial, table;

  ConvolutionInputs(const Tensor &x, const Tensor &y, const Tensor &w, const Tensor &r,
                    const Tensor &t, int64_t lanes) :
      features(filled(x, lanes)), harmonics(y.contiguous()), weights(filled(w, lanes)),
      table(filled(t, lanes))
  {
    if (r.defined()) radial = r.contiguous();
  }
};

inline int degree_of(const Tensor &harmonics)
{
  int l_max = 0;
  while ((l_max + 1) * (l_max + 1) < harmonics.size(1)) ++l_max;
  return l_max;
}

inline void check_convolution(const Tensor &features, const Tensor &harmonics,
                              const Tensor &weights, const Tensor &radial, const Tensor &table,
                              const Tensor &edge_index, int64_t n_centers, at::IntArrayRef paths)
{
  check_edge_index("egraff::convolution", edge_index);
  TORCH_CHECK(features.dim() == 3 && n_centers >= 0,
              "egraff::convolution: expected features [atoms, rows, channels], got ",
              features.sizes());
  const int64_t n_edges = edge_index.size(1), C = features.size(2);
  const auto n_paths = static_cast<int64_t>(paths.size() / INTEGERS_A_PATH);
  const int64_t degree = harmonics.dim() == 2 ? degree_of(harmonics) + 1 : 0;
  TORCH_CHECK(harmonics.dim() == 2 && harmonics.size(0) == n_edges &&
                  harmonics.size(1) == degree * degree && degree <= coupling::L_MAX + 1,
              "egraff::convolution: expected harmonics [", n_edges, ", (l_max + 1)^2], got ",
              harmonics.sizes());
  if (weights.defined()) {
    TORCH_CHECK(weights.sizes() == at::IntArrayRef({n_edges, n_paths, C}) ||
                    weights.sizes() == at::IntArrayRef({1, n_paths, C}),
                "egraff::convolution: expected weights [", n_edges, ", ", n_paths, ", ", C,
                "], got ", weights.sizes());
  } else {
    TORCH_CHECK(radial.dim() == 1 && radial.size(0) == n_edges && table.dim() == 3 &&
                    table.size(1) == n_paths && table.size(0) > 3 && table.size(2) == C,
                "egraff::tabulated_convolution: expected radial [", n_edges,
                "] and a table [intervals + 3, ", n_paths, ", ", C, "], got ", radial.sizes(),
                " and ", table.sizes());
  }
  for (const auto &other : {harmonics, weights, radial, table})
    TORCH_CHECK(!other.defined() || other.scalar_type() == features.scalar_type(),
                "egraff::convolution: expected one precision, got ", features.scalar_type(),
                " and ", other.defined() ? other.scalar_type() : at::kFloat);
}

template <class S> const S *pointer(const Tensor &tensor)
{
  return tensor.defined() ? tensor.data_ptr<S>() : nullptr;
}

template <class S> ConvolutionJob<S> make_job(const ConvolutionInputs &in, const EdgeOrder &order,
                                              const PathTable &table, int64_t rows_out)
{
  ConvolutionJob<S> job = {};
  job.first = order.first.data();
  job.edge = order.edge.data();
  job.neighbor = order.neighbor.data();
  job.paths = table.paths.data();
  job.n_paths = static_cast<int>(table.paths.size());
  job.n_pairs = table.n_pairs;
  job.l_max = degree_of(in.harmonics);
  job.channels = in.features.size(2);
  job.rows_in = in.features.size(1);
  job.rows_out = rows_out;
  job.features = pointer<S>(in.features);
  job.harmonics = pointer<S>(in.harmonics);
  job.weights = pointer<S>(in.weights);
  const int64_t n_edges = in.harmonics.size(0);
  if (in.weights.defined() && in.weights.size(0) == n_edges)
    job.weights_step = in.weights.size(1) * in.weights.size(2);
  job.radial = pointer<S>(in.radial);
  job.table = pointer<S>(in.table);
  job.intervals = in.table.defined() ? static_cast<int>(in.table.size(0) - 3) : 0;
  return job;
}

}    // namespace egraff
