// What the kernels of radial_table are given: plain pointers, no torch.

#pragma once

#include <stdint.h>

namespace egraff {

template <class S> struct TableJob {
  int64_t columns;
  int intervals;
  const S *x;             // [n]
  const int64_t *kind;    // [n]
  const S *table;         // [kinds, intervals + 3, columns]
  S *values;              // [n, columns]
  const S *grad;          // of values
  S *grad_x;              // [n]
};

// Everything for one instruction set: for places begin .. end - 1.
template <class S> struct TableKernels {
  void (*forward)(const TableJob<S> &job, int64_t begin, int64_t end);
  void (*backward)(const TableJob<S> &job, int64_t begin, int64_t end);
};

#define EGRAFF_DECLARE_KERNELS(ISA)                                                                \
  namespace ISA {                                                                                  \
  extern const TableKernels<float> table_float;                                                    \
  extern const TableKernels<double> table_double;                                                  \
  }
EGRAFF_DECLARE_KERNELS(portable)
EGRAFF_DECLARE_KERNELS(avx2)
EGRAFF_DECLARE_KERNELS(avx512)
#undef EGRAFF_DECLARE_KERNELS

}    // namespace egraff
