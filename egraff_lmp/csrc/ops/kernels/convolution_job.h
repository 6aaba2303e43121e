// What the kernels of the convolution are given: plain pointers, no torch. See convolution.cpp for
// the operator's definition.

#pragma once

#include <stdint.h>

namespace egraff {

// Edges of one centre that are worked on together.
constexpr int EDGE_BLOCK = 16;

// One path l1 x l2 -> l3 from rows of the features to rows of the result.
struct ConvolutionPath {
  int l1, l2, l3;
  int column;                   // its place in the weights
  int64_t row_in, step_in;      // row of m1 = 0, and from one m1 to the next
  int64_t row_out, step_out;    // the same of m3
  int pair_offset;              // of its coupling matrix in the scratch memory
  bool builds_matrix;           // the first path with these degrees
};

template <class S> struct ConvolutionJob {
  // Edges, sorted by centre: those of centre c are first[c] .. first[c + 1] - 1.
  const int *first;
  const int *edge;        // place of a sorted edge in the tensors
  const int *neighbor;    // of a sorted edge

  const ConvolutionPath *paths;
  int n_paths, n_pairs, l_max;
  int64_t channels, rows_in, rows_out;

  const S *features;       // [n_all, rows_in, channels]
  const S *harmonics;      // [E, (l_max + 1)^2]
  const S *weights;        // [E, n_paths, channels], or null and
  int64_t weights_step;    // from one edge to the next; 0 where all have the same
  const S *radial;         // [E], in [0, 1)
  const S *table;          // [intervals + 3, n_paths, channels]
  int intervals;

  S *out;    // [n_centers, rows_out, channels]

  const S *grad;        // of out
  S *grad_features;     // or null; zero at the start
  S *grad_harmonics;    // [E, (l_max + 1)^2]
  S *grad_weights;      // [E, n_paths, channels], or null
  S *grad_radial;       // [E], or null

  // Of second derivatives: cotangents of the three gradients, where weights are given. `out` is then
  // the derivative by `grad`.
  const S *along_features, *along_harmonics, *along_weights;
};

// Everything for one instruction set.
template <class S> struct ConvolutionKernels {
  int lanes;    // the number of channels must be a multiple
  int64_t (*scratch_bytes)(const ConvolutionJob<S> &job);
  // For centres begin .. end - 1; scratch is aligned to 64 bytes.
  void (*forward)(const ConvolutionJob<S> &job, int64_t begin, int64_t end, void *scratch);
  // For the edges of all n_centers whose neighbour is in begin .. end - 1.
  void (*backward)(const ConvolutionJob<S> &job, int64_t n_centers, int64_t begin, int64_t end,
                   void *scratch);
  // Derivatives of the gradients contracted with their cotangents: by `grad`, divided as forward,
  // and by features and weights, divided as backward.
  void (*second_forward)(const ConvolutionJob<S> &job, int64_t begin, int64_t end, void *scratch);
  void (*second_backward)(const ConvolutionJob<S> &job, int64_t n_centers, int64_t begin,
                          int64_t end, void *scratch);
};

#define EGRAFF_DECLARE_KERNELS(ISA)                                                                \
  namespace ISA {                                                                                  \
  extern const ConvolutionKernels<float> convolution_float;                                        \
  extern const ConvolutionKernels<double> convolution_double;                                      \
  }
EGRAFF_DECLARE_KERNELS(portable)
EGRAFF_DECLARE_KERNELS(avx2)
EGRAFF_DECLARE_KERNELS(avx512)
#undef EGRAFF_DECLARE_KERNELS

}    // namespace egraff
