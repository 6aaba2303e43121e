// The products of one path as straight-line code, for compilers' registers to be used well: every
// index of a coupling coefficient is known when this is compiled.

#pragma once

#include "products.h"

namespace egraff {
namespace EGRAFF_ISA {
namespace {

template <class S, int L1, int L2, int L3> void build_matrix(const S *y, S *matrix, int n_edges)
{
  using Product = coupling::Pairs<L1, L2, L3>;
  using V = Vector<S>;
  for (int e = 0; e < n_edges; e += LANES<S>)
    unroll<Product::table.count>([&](auto pair) __attribute__((always_inline)) {
      constexpr int first = Product::table.first_term[pair.value];
      constexpr int count = Product::table.first_term[pair.value + 1] - first;
      V sum = {};
      unroll<count>([&](auto k) __attribute__((always_inline)) {
        constexpr auto term = coupling::Terms<L1, L2, L3>::terms[first + k.value];
        sum += S(term.value) * load<S>(y + term.m2 * B + e);
      });
      store<S>(matrix + pair.value * B + e, sum);
    });
}

template <class S, int L1, int L2, int L3> void forward_path(const ForwardPath<S> &p, int n_edges)
{
  using Product = coupling::Pairs<L1, L2, L3>;
  using V = Vector<S>;
  constexpr int W = LANES<S>;
  V sum[2 * L3 + 1][TILE];
  unroll<2 * L3 + 1>([&](auto m) __attribute__((always_inline)) {
    for (int t = 0; t < TILE; ++t) sum[m.value][t] = load<S>(p.out + m.value * p.out_step + t * W);
  });
  for (int e = 0; e < n_edges; ++e) {
    const S *x = p.x[e] + p.x_at, *matrix = p.matrix + e;
    V w[TILE];
    for (int t = 0; t < TILE; ++t) w[t] = load<S>(p.w[e] + p.w_at + t * W);
    unroll<2 * L1 + 1>([&](auto m1) __attribute__((always_inline)) {
      constexpr int first = Product::table.first_pair[m1.value];
      constexpr int count = Product::table.first_pair[m1.value + 1] - first;
      V y[TILE];
      for (int t = 0; t < TILE; ++t) y[t] = w[t] * load<S>(x + m1.value * p.x_step + t * W);
      unroll<count>([&](auto k) __attribute__((always_inline)) {
        constexpr int pair = first + k.value, m3 = Product::table.m3[pair];
        const S c = matrix[pair * B];
        for (int t = 0; t < TILE; ++t) sum[m3][t] += c * y[t];
      });
    });
  }
  unroll<2 * L3 + 1>([&](auto m) __attribute__((always_inline)) {
    for (int t = 0; t < TILE; ++t) store<S>(p.out + m.value * p.out_step + t * W, sum[m.value][t]);
  });
}

template <class S, int L1, int L2, int L3> void backward_path(const BackwardPath<S> &p, int n_edges)
{
  using Product = coupling::Pairs<L1, L2, L3>;
  using V = Vector<S>;
  constexpr int W = LANES<S>;
  V g[2 * L3 + 1][TILE];
  unroll<2 * L3 + 1>([&](auto m) __attribute__((always_inline)) {
    for (int t = 0; t < TILE; ++t) g[m.value][t] = load<S>(p.grad + m.value * p.out_step + t * W);
  });
  for (int e = 0; e < n_edges; ++e) {
    const S *x = p.x[e] + p.x_at, *matrix = p.matrix + e;
    V w[TILE], dw[TILE] = {}, dy[2 * L2 + 1];
    for (int t = 0; t < TILE; ++t) w[t] = load<S>(p.w[e] + p.w_at + t * W);
    unroll<2 * L2 + 1>([&](auto m) __attribute__((always_inline)) {
      dy[m.value] = load<S>(p.dy + e * p.dy_step + m.value * W);
    });
    unroll<2 * L1 + 1>([&](auto m1) __attribute__((always_inline)) {
      constexpr int first = Product::table.first_pair[m1.value];
      constexpr int count = Product::table.first_pair[m1.value + 1] - first;
      V xs[TILE], z[TILE], s[TILE] = {};
      for (int t = 0; t < TILE; ++t) {
        xs[t] = load<S>(x + m1.value * p.x_step + t * W);
        z[t] = w[t] * xs[t];
      }
      unroll<count>([&](auto k) __attribute__((always_inline)) {
        constexpr int pair = first + k.value, m3 = Product::table.m3[pair];
        const S c = matrix[pair * B];
        V d = z[0] * g[m3][0];
        for (int t = 1; t < TILE; ++t) d += z[t] * g[m3][t];
        for (int t = 0; t < TILE; ++t) s[t] += c * g[m3][t];
        constexpr int term = Product::table.first_term[pair];
        unroll<Product::table.first_term[pair + 1] - term>(
            [&](auto q) __attribute__((always_inline)) {
              constexpr auto entry = coupling::Terms<L1, L2, L3>::terms[term + q.value];
              dy[entry.m2] += S(entry.value) * d;
            });
      });
      for (int t = 0; t < TILE; ++t) dw[t] += xs[t] * s[t];
      if (p.dx)
        for (int t = 0; t < TILE; ++t) {
          S *to = p.dx[e] + p.x_at + m1.value * p.x_step + t * W;
          store<S>(to, load<S>(to) + w[t] * s[t]);
        }
    });
    for (int t = 0; t < TILE; ++t) store<S>(p.dw[e] + p.w_at + t * W, dw[t]);
    unroll<2 * L2 + 1>([&](auto m) __attribute__((always_inline)) {
      store<S>(p.dy + e * p.dy_step + m.value * W, dy[m.value]);
    });
  }
}

template <class S, int L1, int L2, int L3>
void second_forward_path(const SecondPath<S> &p, int n_edges)
{
  using Product = coupling::Pairs<L1, L2, L3>;
  using V = Vector<S>;
  constexpr int W = LANES<S>;
  V sum[2 * L3 + 1][TILE];
  unroll<2 * L3 + 1>([&](auto m) __attribute__((always_inline)) {
    for (int t = 0; t < TILE; ++t) sum[m.value][t] = load<S>(p.out + m.value * p.out_step + t * W);
  });
  for (int e = 0; e < n_edges; ++e) {
    const S *matrix = p.matrix + e, *along = p.along + e;
    V w[TILE], c[TILE];
    for (int t = 0; t < TILE; ++t) {
      w[t] = load<S>(p.w[e] + p.w_at + t * W);
      c[t] = load<S>(p.c[e] + p.w_at + t * W);
    }
    unroll<2 * L1 + 1>([&](auto m1) __attribute__((always_inline)) {
      constexpr int first = Product::table.first_pair[m1.value];
      constexpr int count = Product::table.first_pair[m1.value + 1] - first;
      const int64_t at = p.x_at + m1.value * p.x_step;
      V y[TILE], z[TILE];
      for (int t = 0; t < TILE; ++t) {
        const V x = load<S>(p.x[e] + at + t * W);
        y[t] = w[t] * load<S>(p.a[e] + at + t * W) + c[t] * x;
        z[t] = w[t] * x;
      }
      unroll<count>([&](auto k) __attribute__((always_inline)) {
        constexpr int pair = first + k.value, m3 = Product::table.m3[pair];
        const S m = matrix[pair * B], n = along[pair * B];
        for (int t = 0; t < TILE; ++t) sum[m3][t] += m * y[t] + n * z[t];
      });
    });
  }
  unroll<2 * L3 + 1>([&](auto m) __attribute__((always_inline)) {
    for (int t = 0; t < TILE; ++t) store<S>(p.out + m.value * p.out_step + t * W, sum[m.value][t]);
  });
}

template <class S, int L1, int L2, int L3>
void second_backward_path(const SecondPath<S> &p, int n_edges)
{
  using Product = coupling::Pairs<L1, L2, L3>;
  using V = Vector<S>;
  constexpr int W = LANES<S>;
  V g[2 * L3 + 1][TILE];
  unroll<2 * L3 + 1>([&](auto m) __attribute__((always_inline)) {
    for (int t = 0; t < TILE; ++t) g[m.value][t] = load<S>(p.grad + m.value * p.out_step + t * W);
  });
  for (int e = 0; e < n_edges; ++e) {
    const S *matrix = p.matrix + e, *along = p.along + e;
    V w[TILE], c[TILE], dw[TILE] = {};
    for (int t = 0; t < TILE; ++t) {
      w[t] = load<S>(p.w[e] + p.w_at + t * W);
      c[t] = load<S>(p.c[e] + p.w_at + t * W);
    }
    unroll<2 * L1 + 1>([&](auto m1) __attribute__((always_inline)) {
      constexpr int first = Product::table.first_pair[m1.value];
      constexpr int count = Product::table.first_pair[m1.value + 1] - first;
      const int64_t at = p.x_at + m1.value * p.x_step;
      V s[TILE] = {}, q[TILE] = {};
      unroll<count>([&](auto k) __attribute__((always_inline)) {
        constexpr int pair = first + k.value, m3 = Product::table.m3[pair];
        const S m = matrix[pair * B], n = along[pair * B];
        for (int t = 0; t < TILE; ++t) {
          s[t] += m * g[m3][t];
          q[t] += n * g[m3][t];
        }
      });
      for (int t = 0; t < TILE; ++t)
        dw[t] += load<S>(p.a[e] + at + t * W) * s[t] + load<S>(p.x[e] + at + t * W) * q[t];
      if (p.dx)
        for (int t = 0; t < TILE; ++t) {
          S *to = p.dx[e] + at + t * W;
          store<S>(to, load<S>(to) + (w[t] * q[t] + c[t] * s[t]));
        }
    });
    for (int t = 0; t < TILE; ++t) store<S>(p.dw[e] + p.w_at + t * W, dw[t]);
  }
}

}    // namespace
}    // namespace EGRAFF_ISA
}    // namespace egraff
