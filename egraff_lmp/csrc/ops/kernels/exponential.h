// exp, the logistic function and tanh of a vector.

#pragma once

#include "simd.h"

#include <stdint.h>

namespace egraff {
namespace EGRAFF_ISA {

template <class S> struct Exponential;

// Terms of the Taylor series for |r| <= ln(2) / 2, so that the first one left out is below the
// rounding error; the largest argument whose exponential is finite; ln(2) in two parts, the first of
// which times an exponent is exact.
template <> struct Exponential<float> {
  using Integer = int32_t;
  static constexpr int DEGREE = 7, MANTISSA = 23, BIAS = 127;
  static constexpr float LARGEST = 88.0f, LN2_HIGH = 0.693359375f, LN2_LOW = -2.12194440e-4f;
};
template <> struct Exponential<double> {
  using Integer = int64_t;
  static constexpr int DEGREE = 13, MANTISSA = 52, BIAS = 1023;
  static constexpr double LARGEST = 708.0, LN2_HIGH = 6.93147180369123816490e-01,
                          LN2_LOW = 1.90821492927058770002e-10;
};

// exp(x) = 2^n exp(r) with n = round(x / ln 2); arguments beyond the largest are cut there.
template <class S> [[gnu::always_inline]] inline Vector<S> exponential(Vector<S> x)
{
  using E = Exponential<S>;
  typedef typename E::Integer Integers __attribute__((vector_size(EGRAFF_VECTOR_BYTES)));
  constexpr S largest = E::LARGEST, log2e = S(1.44269504088896340736);
  const Vector<S> zero = {};
  x = x > largest ? largest + zero : x;
  x = x < -largest ? zero - largest : x;
  const Vector<S> scaled = x * log2e;
  const Integers n =
      __builtin_convertvector(scaled + (scaled < S(0) ? zero - S(0.5) : zero + S(0.5)), Integers);
  const Vector<S> whole = __builtin_convertvector(n, Vector<S>);
  const Vector<S> r = (x - whole * E::LN2_HIGH) - whole * E::LN2_LOW;
  Vector<S> sum = zero + S(1);
  for (int k = E::DEGREE; k > 0; --k) sum = S(1) + sum * r * (S(1) / S(k));
  const Integers power = (n + E::BIAS) << E::MANTISSA;
  return sum * (Vector<S>)power;
}

template <class S> [[gnu::always_inline]] inline Vector<S> logistic(Vector<S> x)
{
  return S(1) / (S(1) + exponential<S>(-x));
}

}    // namespace EGRAFF_ISA
}    // namespace egraff
