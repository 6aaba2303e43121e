// Second derivatives of the convolution, for the operators that contain one. See convolution.cpp.

#pragma once

#include "operator.h"

#include <tuple>

namespace egraff {

inline Tensor convolve(const Tensor &features, const Tensor &harmonics, const Tensor &weights,
                       const Tensor &edge_index, int64_t n_centers,
                       const std::vector<int64_t> &paths)
{
  return call<Tensor(const Tensor &, const Tensor &, const Tensor &, const Tensor &, int64_t,
                     at::IntArrayRef)>("egraff::convolution", features, harmonics, weights,
                                       edge_index, n_centers, paths);
}

inline std::tuple<Tensor, Tensor, Tensor>
convolve_backward(const Tensor &grad, const Tensor &features, const Tensor &harmonics,
                  const Tensor &weights, const Tensor &edge_index,
                  const std::vector<int64_t> &paths, bool want_features)
{
  return call<std::tuple<Tensor, Tensor, Tensor>(
      const Tensor &, const Tensor &, const Tensor &, const Tensor &, const Tensor &,
      at::IntArrayRef, bool)>("egraff::convolution_backward", grad, features, harmonics, weights,
                              edge_index, paths, want_features);
}

// The product is linear in each of features x, harmonics y and weights w, and each gradient in the
// gradient g of the result. With cotangents a, b and c of the gradients of x, y and w, that of g is
//
//   out(a, y, w) + out(x, b, w) + out(x, y, c),
//
// and those of x, y and w are what the backward passes of these three products give for them.
struct ConvolutionSecond {
  Tensor g, x, y, w, edge_index;
  std::vector<int64_t> paths;

  struct Derivatives {
    Tensor grad, features, harmonics, weights;
  };

  // Those that are wanted; some cotangents may not be there. One operator gives them together where
  // that by the harmonics is not wanted, as in training.
  Derivatives derivatives(const variable_list &cotangents, bool want_g, bool want_x, bool want_y,
                          bool want_w) const
  {
    const auto part = [](const Tensor &cotangent, const Tensor &of) {
      return cotangent.defined() && cotangent.sizes() == of.sizes() ? cotangent : Tensor();
    };
    const auto a = part(cotangents[0], x), b = part(cotangents[1], y), c = part(cotangents[2], w);
    Derivatives found;
    if (!want_y && !at::GradMode::is_enabled()) {
      const auto whole = [](const Tensor &cotangent, const Tensor &of) {
        return cotangent.defined() ? cotangent : at::zeros_like(of);
      };
      std::tie(found.grad, found.features, found.weights) = call<std::tuple<Tensor, Tensor, Tensor>(
          const Tensor &, const Tensor &, const Tensor &, const Tensor &, const Tensor &,
          const Tensor &, const Tensor &, const Tensor &, at::IntArrayRef, bool)>(
          "egraff::convolution_second", g, x, y, w, whole(a, x), whole(b, y), whole(c, w),
          edge_index, paths, want_x);
      if (!want_w) found.weights = Tensor();
      return found;
    }
    const auto add = [&](const Tensor &features, const Tensor &harmonics, const Tensor &weights,
                         bool in_x, bool in_y, bool in_w) {
      if (want_g)
        found.grad = sum_of(found.grad,
                            convolve(features, harmonics, weights, edge_index, g.size(0), paths));
      in_x &= want_x;
      in_y &= want_y;
      in_w &= want_w;
      if (!in_x && !in_y && !in_w) return;
      const auto pieces =
          convolve_backward(g, features, harmonics, weights, edge_index, paths, in_x);
      if (in_x) found.features = sum_of(found.features, std::get<0>(pieces));
      if (in_y) found.harmonics = sum_of(found.harmonics, std::get<1>(pieces));
      if (in_w) found.weights = sum_of(found.weights, std::get<2>(pieces));
    };
    if (a.defined()) add(a, y, w, false, true, true);
    if (b.defined()) add(x, b, w, true, false, true);
    if (c.defined()) add(x, y, c, true, true, false);
    return found;
  }
};

}    // namespace egraff
