// What the kernels of radial_table are given: plain pointers, no torch.

#pragma once

#include <stdint.h>

namespace egraff {

// Columns that one thread has at a time where it adds up gradients of tables: as they are added in
// one order, threads change no bit. Whole registers of every instruction set.
constexpr int64_t TABLE_PANEL = 128;

template <class S> struct TableJob {
  int64_t n, columns;
  int intervals;
  const S *x;              // [n]
  const int64_t *kind;     // [n]
  const S *table;          // [kinds, intervals + 3, columns]
  S *values;               // [n, columns]
  const S *grad;           // of values
  const S *along;          // cotangent of grad_x [n], for second derivatives; else nullptr
  S *grad_x;               // [n]
  S *grad_table;           // like table, zeros at first
  int64_t *first;          // [n], places of the first rows that are read
  S *weights;              // [n, 4], what the rows are multiplied by
  const int64_t *order;    // [n], by `first`
  S *grad_grad;            // like values, for second derivatives
};

// Everything for one instruction set.
template <class S> struct TableKernels {
  // For places begin .. end - 1. With `along`, what follows from grad_x contracted with it: grad_x is
  // then that by x.
  void (*forward)(const TableJob<S> &job, int64_t begin, int64_t end);
  void (*backward)(const TableJob<S> &job, int64_t begin, int64_t end);
  void (*second)(const TableJob<S> &job, int64_t begin, int64_t end);    // grad_grad
  // first, and weights: for the sum of the rows or, with `along`, for grad_x contracted with it.
  void (*weigh)(const TableJob<S> &job, int64_t begin, int64_t end);
  // grad_table for columns begin .. end - 1, where begin is a multiple of TABLE_PANEL.
  void (*of_table)(const TableJob<S> &job, int64_t begin, int64_t end);
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
