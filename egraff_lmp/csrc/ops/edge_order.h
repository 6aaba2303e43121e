// What operators over edges share: the edges sorted by centre, and memory of a thread.

#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

namespace egraff {

// `name` is the operator that complains.
inline void check_edge_index(const char *name, const at::Tensor &edge_index)
{
  TORCH_CHECK(edge_index.dim() == 2 && edge_index.size(0) == 2 &&
                  edge_index.scalar_type() == at::kLong,
              name, ": expected an edge index [2, edges] of int64, got ", edge_index.sizes(),
              " of ", edge_index.scalar_type());
}

// Edges by centre: the order they come in where that is sorted, as LAMMPS' neighbour list is.
struct EdgeOrder {
  std::vector<int> first, edge, neighbor;

  EdgeOrder(const char *name, const at::Tensor &edge_index, int64_t n_centers, int64_t n_all)
  {
    const auto index = edge_index.contiguous();
    const int64_t n_edges = index.size(1);
    TORCH_CHECK(n_edges < std::numeric_limits<int>::max(), name,
                ": expected fewer than 2^31 edges, got ", n_edges);
    const auto *centers = index.data_ptr<int64_t>(), *neighbors = centers + n_edges;
    first.assign(n_centers + 1, 0);
    for (int64_t e = 0; e < n_edges; ++e) {
      TORCH_CHECK(centers[e] >= 0 && centers[e] < n_centers && neighbors[e] >= 0 &&
                      neighbors[e] < n_all,
                  name, ": expected a centre below ", n_centers, " and a neighbour below ", n_all,
                  ", got edge ", centers[e], " - ", neighbors[e]);
      ++first[centers[e] + 1];
    }
    std::partial_sum(first.begin(), first.end(), first.begin());
    std::vector<int> next(first.begin(), first.end() - 1);
    edge.resize(n_edges);
    neighbor.resize(n_edges);
    for (int64_t e = 0; e < n_edges; ++e) {
      const int place = next[centers[e]]++;
      edge[place] = static_cast<int>(e);
      neighbor[place] = static_cast<int>(neighbors[e]);
    }
  }

  // Bounds of at most n ranges of the neighbours 0 .. n_all - 1, with about as many edges of the
  // centres begin .. end - 1 each.
  std::vector<int64_t> ranges(int64_t n, int64_t begin, int64_t end, int64_t n_all) const
  {
    std::vector<int64_t> bounds = {0};
    if (n > 1) {
      std::vector<int> of_edges(neighbor.begin() + first[begin], neighbor.begin() + first[end]);
      const auto total = static_cast<int64_t>(of_edges.size());
      for (int64_t k = 1; k < n && total > 0; ++k) {
        const auto place = of_edges.begin() + k * total / n;
        std::nth_element(of_edges.begin(), place, of_edges.end());
        if (*place > bounds.back()) bounds.push_back(*place);
      }
    }
    bounds.push_back(n_all);
    return bounds;
  }

  int64_t n_centers() const { return static_cast<int64_t>(first.size()) - 1; }
};

// Memory of a thread, aligned to 64 bytes.
struct Scratch {
  explicit Scratch(int64_t bytes) : memory(new char[bytes + 64]) {}
  void *aligned() const
  {
    const auto address = reinterpret_cast<uintptr_t>(memory.get());
    return reinterpret_cast<void *>((address + 63) / 64 * 64);
  }
  std::unique_ptr<char[]> memory;
};

}    // namespace egraff
