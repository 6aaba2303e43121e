// Weights read from tables by operators that have derivatives of every order: for second derivatives
// of the operators that read tables themselves.

#pragma once

#include "operator.h"

namespace egraff {

inline void require_constant(const char *name, const Tensor &tensor)
{
  TORCH_CHECK(
      !tensor.requires_grad(), name,
      ": expected a constant table: it is made of a network's weights when that is deployed, "
      "and what is trained reads its weights with egraff::radial_table");
}

// Uniform cubic B-splines at x [n] over [0, 1), zero elsewhere: [n, ...] from rows [intervals + 3,
// ...].
inline Tensor read_spline(const Tensor &x, const Tensor &rows)
{
  const auto intervals = static_cast<double>(rows.size(0) - 3);
  const auto place = x * intervals;
  const auto inside = ((x >= 0) & (x < 1)).detach();
  const auto floor = place.detach().floor().clamp(0, intervals - 1);
  const auto t = at::where(inside, place - floor, at::zeros_like(x)), u = 1 - t;
  const auto k = floor.to(at::kLong);
  const std::vector<Tensor> basis = {u * u * u / 6, (3 * t * t * (t - 2) + 4) / 6,
                                     (3 * t * (1 + t * u) + 1) / 6, t * t * t / 6};
  std::vector<int64_t> column(rows.dim(), 1);
  column[0] = x.size(0);
  Tensor sum;
  for (int64_t i = 0; i < 4; ++i)
    sum = sum_of(sum, (basis[i] * inside).view(column) * rows.index_select(0, k + i));
  return sum;
}

}    // namespace egraff
