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

template <class S> struct ForwardPath {
  const S *matrix;      // [pairs][B]
  const S *const *x;    // row_in of each edge's neighbour, at the tile's first channel
  const S *w;           // [edges][TILE * LANES]
  S *out;
  int64_t x_step, out_step;
};

template <class S> struct BackwardPath {
  const S *matrix;
  const S *const *x;
  const S *w;
  const S *grad;    // of out
  int64_t x_step, out_step;
  S *const *dx;    // like x, or null
  S *dw;           // like w, written
  S *dy;           // [edges][(l_max + 1)^2 vectors] from this path's l2 on, added to
  int64_t dy_step;
};

}    // namespace
}    // namespace EGRAFF_ISA
}    // namespace egraff
