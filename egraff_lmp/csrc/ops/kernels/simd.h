// Vectors of one instruction set. A file that includes this is compiled once for each set, with
// EGRAFF_ISA, the name of a namespace, and EGRAFF_VECTOR_BYTES, the width of a register.
//
// Such files include nothing that defines inline functions with external linkage: the linker would
// be free to take the copy that was compiled for AVX-512 for the whole library.

#pragma once

#include <stddef.h>

namespace egraff {
namespace EGRAFF_ISA {

template <class S> struct VectorOf;
template <> struct VectorOf<float> {
  typedef float type __attribute__((vector_size(EGRAFF_VECTOR_BYTES)));
  typedef int index __attribute__((vector_size(EGRAFF_VECTOR_BYTES)));
  typedef float in_memory
      __attribute__((vector_size(EGRAFF_VECTOR_BYTES), aligned(sizeof(float)), may_alias));
};
template <> struct VectorOf<double> {
  typedef double type __attribute__((vector_size(EGRAFF_VECTOR_BYTES)));
  typedef long long index __attribute__((vector_size(EGRAFF_VECTOR_BYTES)));
  typedef double in_memory
      __attribute__((vector_size(EGRAFF_VECTOR_BYTES), aligned(sizeof(double)), may_alias));
};

template <class S> using Vector = typename VectorOf<S>::type;
template <class S> constexpr int LANES = EGRAFF_VECTOR_BYTES / int(sizeof(S));

template <class S> [[gnu::always_inline]] inline Vector<S> load(const S *from)
{
  return *reinterpret_cast<const typename VectorOf<S>::in_memory *>(from);
}

template <class S> [[gnu::always_inline]] inline void store(S *to, Vector<S> value)
{
  *reinterpret_cast<typename VectorOf<S>::in_memory *>(to) = value;
}

// GCC before 12 does not have Clang's builtin.
template <class S, int... I> [[gnu::always_inline]] inline Vector<S> shuffled(Vector<S> v)
{
#if defined(__clang__)
  return __builtin_shufflevector(v, v, I...);
#else
  return __builtin_shuffle(v, typename VectorOf<S>::index{I...});
#endif
}

// The upper half of the lanes added to the lower, until one is left: the order of the sum is fixed by
// the width alone.
template <class S> [[gnu::always_inline]] inline S sum_of_lanes(Vector<S> v)
{
  if constexpr (LANES<S> == 16) {
    v += shuffled<S, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7>(v);
    v += shuffled<S, 4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15>(v);
  } else if constexpr (LANES<S> == 8) {
    v += shuffled<S, 4, 5, 6, 7, 0, 1, 2, 3>(v);
  }
  if constexpr (LANES<S> > 2)
    return (v[0] + v[2]) + (v[1] + v[3]);
  else
    return v[0] + v[1];
}

// unroll<N>(f) calls f(integer 0), ..., f(integer N - 1) with compile-time integers.
template <int I> struct Integer {
  static constexpr int value = I;
  constexpr operator int() const { return I; }
};
template <int... I> struct Sequence {};
template <int N> struct MakeSequence {
#if defined(__clang__)
  template <class T, T... I> using Of = Sequence<I...>;
  using type = __make_integer_seq<Of, int, N>;
#else
  using type = Sequence<__integer_pack(N)...>;
#endif
};

template <class F, int... I>
[[gnu::always_inline]] constexpr void unroll_sequence(F &&f, Sequence<I...>)
{
  (f(Integer<I>{}), ...);
}

template <int N, class F> [[gnu::always_inline]] constexpr void unroll(F &&f)
{
  unroll_sequence(f, typename MakeSequence<N>::type{});
}

}    // namespace EGRAFF_ISA
}    // namespace egraff
