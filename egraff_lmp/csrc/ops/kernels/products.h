// Arguments of the functions that multiply along one path, for a tile of channels and some edges.

#pragma once

#include "convolution_job.h"
#include "coupling.h"
#include "simd.h"

namespace egraff {
namespace EGRAFF_ISA {
namespace {

constexpr int B = EDGE_BLOCK;
constexpr int TILE = 2;    // registers of channels at a time

// Rows of numbers are given for each edge, with the place of this path and tile in all of them.
template <class S> struct ForwardPath {
  const S *matrix;      // [pairs][B]
  const S *const *x;    // features of each edge's neighbour
  const S *const *w;    // weights of each edge
  int64_t x_at, w_at;
  S *out;
  int64_t x_step, out_step;    // from one m to the next
};

template <class S> struct BackwardPath {
  const S *matrix;
  const S *const *x;
  const S *const *w;
  int64_t x_at, w_at;
  const S *grad;    // of out
  int64_t x_step, out_step;
  S *const *dx;    // like x, added to, or null
  S *const *dw;    // like w, written
  S *dy;           // [edges][(l_max + 1)^2 vectors] from this path's l2 on, added to
  int64_t dy_step;
};

// For second derivatives: `along` is the coupling matrix of the harmonics' cotangent, a and c are
// those of x and w.
template <class S> struct SecondPath {
  const S *matrix, *along;
  const S *const *x, *const *a;
  const S *const *w, *const *c;
  int64_t x_at, w_at;
  S *out;
  const S *grad;
  int64_t x_step, out_step;
  S *const *dx;    // like x, added to, or null
  S *const *dw;    // like w, written
};

}    // namespace
}    // namespace EGRAFF_ISA
}    // namespace egraff
