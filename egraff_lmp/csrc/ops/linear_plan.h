// What the operators with linear maps of atoms' features share: blocks, and atoms by type. See
// node_linear.cpp for the definition.

#pragma once

#include "node_kernels.h"

#include <numeric>
#include <vector>

namespace egraff {

using Types = std::optional<Tensor>;

constexpr int INTEGERS_A_BLOCK = 6;

struct LinearShape {
  int64_t rows_in, channels_in, rows_out, channels_out;
};

// The blocks for x [atoms, rows_in, channels_in], or for its gradient with transposed weights.
inline std::vector<LinearBlock> make_blocks(at::IntArrayRef numbers, const LinearShape &shape,
                                            int64_t n_weights, bool backward)
{
  TORCH_CHECK(numbers.size() % INTEGERS_A_BLOCK == 0,
              "egraff::node_linear: expected six integers a block, got ", numbers.size());
  std::vector<LinearBlock> blocks;
  for (size_t k = 0; k < numbers.size(); k += INTEGERS_A_BLOCK) {
    const int64_t in = numbers[k], joined_in = numbers[k + 1], count = numbers[k + 2];
    const int64_t out = numbers[k + 3], joined_out = numbers[k + 4], weight = numbers[k + 5];
    const int64_t K = joined_in * shape.channels_in, N = joined_out * shape.channels_out;
    TORCH_CHECK(in >= 0 && joined_in > 0 && count > 0 && out >= 0 && joined_out > 0 &&
                    weight >= 0 && in + joined_in * count <= shape.rows_in &&
                    out + joined_out * count <= shape.rows_out && weight + K * N <= n_weights,
                "egraff::node_linear: expected a block inside ", shape.rows_in, " rows, ",
                shape.rows_out, " rows of the result and ", n_weights, " weights, got ",
                numbers.slice(k, INTEGERS_A_BLOCK));
    const int64_t from = in * shape.channels_in, to = out * shape.channels_out;
    if (backward)
      blocks.push_back({to, N, from, K, count, N, K, weight});
    else
      blocks.push_back({from, K, to, N, count, K, N, weight});
  }
  return blocks;
}

// Atoms in the order of their types.
class TypeOrder {
 public:
  std::vector<int> atom, type;

  // Every atom of one type where there are no types; throws unless they are below n_types.
  TypeOrder(const Types &types, int64_t n_atoms, int64_t n_types) : atom(n_atoms), type(n_atoms, 0)
  {
    std::iota(atom.begin(), atom.end(), 0);
    if (!types) return;
    const auto contiguous = checked_types(*types, n_atoms, n_types);
    sort(contiguous.data_ptr<int64_t>(), n_types);
  }

  // Atoms 0 .. n_atoms - 1 with these types, which have been checked; null where there are none.
  TypeOrder(const int64_t *types, int64_t n_atoms, int64_t n_types) :
      atom(n_atoms), type(n_atoms, 0)
  {
    std::iota(atom.begin(), atom.end(), 0);
    if (types) sort(types, n_types);
  }

  static Tensor checked_types(const Tensor &types, int64_t n_atoms, int64_t n_types)
  {
    TORCH_CHECK(types.dim() == 1 && types.size(0) == n_atoms && types.scalar_type() == at::kLong,
                "egraff::node_linear: expected types [", n_atoms, "] of int64, got ", types.sizes(),
                " of ", types.scalar_type());
    auto contiguous = types.contiguous();
    const auto *of = contiguous.data_ptr<int64_t>();
    for (int64_t a = 0; a < n_atoms; ++a)
      TORCH_CHECK(of[a] >= 0 && of[a] < n_types, "egraff::node_linear: expected types below ",
                  n_types, ", got ", of[a]);
    return contiguous;
  }

 private:
  void sort(const int64_t *of, int64_t n_types)
  {
    const auto n_atoms = static_cast<int64_t>(atom.size());
    std::vector<int> next(n_types + 1, 0);
    for (int64_t a = 0; a < n_atoms; ++a) ++next[of[a] + 1];
    std::partial_sum(next.begin(), next.end(), next.begin());
    for (int64_t a = 0; a < n_atoms; ++a) {
      const int place = next[of[a]]++;
      atom[place] = static_cast<int>(a);
      type[place] = static_cast<int>(of[a]);
    }
  }
};

}    // namespace egraff
