// Uniform cubic B-splines: a value is the sum of four coefficients times the basis functions.

#pragma once

#include "simd.h"

#include <stdint.h>

namespace egraff {
namespace EGRAFF_ISA {
namespace {

// Where a table [intervals + 3, row] over [0, 1) is read.
template <class S> struct Knot {
  int64_t at;        // place of the first of four rows
  S basis[4];        // of the cubic B-spline
  S slope[3];        // of the differences c[i + 1] - c[i], whose sum is the derivative by x
  S curvature[3];    // of the same differences, for the second derivative

  // Beyond the table, and for what is no number, all functions are zero.
  void find(S x, int intervals, int64_t row)
  {
    const S place = x * S(intervals);
    const bool inside = place >= 0 && place < S(intervals);
    const int k = inside ? int(place) : 0;
    const S t = inside ? place - S(k) : 0, one = inside ? 1 : 0, sixth = one / 6;
    const S unit = one * S(intervals), u = 1 - t;
    at = k * row;
    basis[0] = sixth * u * u * u;
    basis[1] = sixth * (3 * t * t * (t - 2) + 4);
    basis[2] = sixth * (3 * t * (1 + t * u) + 1);
    basis[3] = sixth * t * t * t;
    // Differences first: the derivatives of the basis functions cancel but for one part in as many
    // as there are intervals.
    slope[0] = unit / 2 * u * u;
    slope[1] = unit / 2 * (1 + 2 * t * u);
    slope[2] = unit / 2 * t * t;
    curvature[0] = -unit * S(intervals) * u;
    curvature[1] = unit * S(intervals) * (u - t);
    curvature[2] = unit * S(intervals) * t;
  }
};

}    // namespace
}    // namespace EGRAFF_ISA
}    // namespace egraff
