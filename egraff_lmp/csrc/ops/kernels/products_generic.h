// The products of one path as loops over its coupling coefficients: small, for processors that have
// no unrolled code of their own.

#pragma once

#include "products.h"

namespace egraff {
namespace EGRAFF_ISA {
namespace {

struct Coefficients {
  int l1, l2, l3, n_pairs;
  const int *m1, *m3, *first_term;
  const coupling::Term *terms;
};

template <int L1, int L2, int L3> constexpr Coefficients coefficients()
{
  using Product = coupling::Pairs<L1, L2, L3>;
  return {L1,
          L2,
          L3,
          Product::table.count,
          Product::table.m1,
          Product::table.m3,
          Product::table.first_term,
          coupling::Terms<L1, L2, L3>::terms};
}

template <class S> void build_generic(const Coefficients &c, const S *y, S *matrix, int n_edges)
{
  for (int pair = 0; pair < c.n_pairs; ++pair)
    for (int e = 0; e < n_edges; e += LANES<S>) {
      Vector<S> sum = {};
      for (int k = c.first_term[pair]; k < c.first_term[pair + 1]; ++k)
        sum += S(c.terms[k].value) * load<S>(y + c.terms[k].m2 * B + e);
      store<S>(matrix + pair * B + e, sum);
    }
}

template <class S> void forward_generic(const Coefficients &c, const ForwardPath<S> &p, int n_edges)
{
  constexpr int W = LANES<S>;
  for (int e = 0; e < n_edges; ++e)
    for (int pair = 0; pair < c.n_pairs; ++pair)
      for (int t = 0; t < TILE; ++t) {
        S *out = p.out + c.m3[pair] * p.out_step + t * W;
        const auto y = load<S>(p.w[e] + p.w_at + t * W) *
                       load<S>(p.x[e] + p.x_at + c.m1[pair] * p.x_step + t * W);
        store<S>(out, load<S>(out) + p.matrix[pair * B + e] * y);
      }
}

template <class S>
void backward_generic(const Coefficients &c, const BackwardPath<S> &p, int n_edges)
{
  constexpr int W = LANES<S>;
  for (int e = 0; e < n_edges; ++e) {
    Vector<S> w[TILE], dw[TILE] = {};
    for (int t = 0; t < TILE; ++t) w[t] = load<S>(p.w[e] + p.w_at + t * W);
    for (int pair = 0; pair < c.n_pairs; ++pair) {
      Vector<S> d = {};
      for (int t = 0; t < TILE; ++t) {
        const int64_t at = p.x_at + c.m1[pair] * p.x_step + t * W;
        const auto x = load<S>(p.x[e] + at);
        const auto g = load<S>(p.grad + c.m3[pair] * p.out_step + t * W);
        const auto s = p.matrix[pair * B + e] * g;
        d += w[t] * x * g;
        dw[t] += x * s;
        if (p.dx) store<S>(p.dx[e] + at, load<S>(p.dx[e] + at) + w[t] * s);
      }
      for (int k = c.first_term[pair]; k < c.first_term[pair + 1]; ++k) {
        S *dy = p.dy + e * p.dy_step + c.terms[k].m2 * W;
        store<S>(dy, load<S>(dy) + S(c.terms[k].value) * d);
      }
    }
    for (int t = 0; t < TILE; ++t) store<S>(p.dw[e] + p.w_at + t * W, dw[t]);
  }
}

template <class S>
void second_forward_generic(const Coefficients &c, const SecondPath<S> &p, int n_edges)
{
  constexpr int W = LANES<S>;
  for (int e = 0; e < n_edges; ++e)
    for (int pair = 0; pair < c.n_pairs; ++pair)
      for (int t = 0; t < TILE; ++t) {
        const int64_t at = p.x_at + c.m1[pair] * p.x_step + t * W, w_at = p.w_at + t * W;
        const auto x = load<S>(p.x[e] + at), w = load<S>(p.w[e] + w_at);
        const auto y = w * load<S>(p.a[e] + at) + load<S>(p.c[e] + w_at) * x;
        S *out = p.out + c.m3[pair] * p.out_step + t * W;
        store<S>(out,
                 load<S>(out) + (p.matrix[pair * B + e] * y + p.along[pair * B + e] * (w * x)));
      }
}

template <class S>
void second_backward_generic(const Coefficients &c, const SecondPath<S> &p, int n_edges)
{
  constexpr int W = LANES<S>;
  for (int e = 0; e < n_edges; ++e) {
    Vector<S> dw[TILE] = {};
    for (int pair = 0; pair < c.n_pairs; ++pair)
      for (int t = 0; t < TILE; ++t) {
        const int64_t at = p.x_at + c.m1[pair] * p.x_step + t * W, w_at = p.w_at + t * W;
        const auto g = load<S>(p.grad + c.m3[pair] * p.out_step + t * W);
        const auto s = p.matrix[pair * B + e] * g, q = p.along[pair * B + e] * g;
        dw[t] += load<S>(p.a[e] + at) * s + load<S>(p.x[e] + at) * q;
        if (!p.dx) continue;
        S *to = p.dx[e] + at;
        store<S>(to, load<S>(to) + (load<S>(p.w[e] + w_at) * q + load<S>(p.c[e] + w_at) * s));
      }
    for (int t = 0; t < TILE; ++t) store<S>(p.dw[e] + p.w_at + t * W, dw[t]);
  }
}

template <class S, int L1, int L2, int L3> void build_matrix(const S *y, S *matrix, int n_edges)
{
  build_generic(coefficients<L1, L2, L3>(), y, matrix, n_edges);
}

template <class S, int L1, int L2, int L3> void forward_path(const ForwardPath<S> &p, int n_edges)
{
  forward_generic(coefficients<L1, L2, L3>(), p, n_edges);
}

template <class S, int L1, int L2, int L3> void backward_path(const BackwardPath<S> &p, int n_edges)
{
  backward_generic(coefficients<L1, L2, L3>(), p, n_edges);
}

template <class S, int L1, int L2, int L3>
void second_forward_path(const SecondPath<S> &p, int n_edges)
{
  second_forward_generic(coefficients<L1, L2, L3>(), p, n_edges);
}

template <class S, int L1, int L2, int L3>
void second_backward_path(const SecondPath<S> &p, int n_edges)
{
  second_backward_generic(coefficients<L1, L2, L3>(), p, n_edges);
}

}    // namespace
}    // namespace EGRAFF_ISA
}    // namespace egraff
