// What the kernels of the symmetric contraction are given: plain pointers, no torch. See
// symmetric_contraction.cpp for the operator's definition.

#pragma once

#include <stdint.h>

namespace egraff {

// Terms of one polynomial, or of the sum of all, as a tree: every term is c x_i, c x_i x_j or
// c x_i x_j x_k with i <= j <= k. A node for each x_i has one child for each x_i x_j.
struct ContractionPair {
  int j;
  int own_begin, own_end;        // places of the terms c x_i x_j
  int cubic_begin, cubic_end;    // of the terms c x_i x_j x_k, or of runs of one k
};

struct ContractionSingle {
  int i;
  int own_begin, own_end;    // places of the terms c x_i
  int pair_begin, pair_end;
};

struct ContractionOutput {
  int row;
  int single_begin, single_end;
};

// One monomial x_i x_j x_k with the terms of all outputs.
struct ContractionCubic {
  int k;
  int own_begin, own_end;
};

// Forward: a tree for each output, terms of one output side by side; `factor` is k of a term.
struct ForwardProgram {
  const ContractionOutput *outputs;
  int n_outputs;
  const ContractionSingle *singles;
  const ContractionPair *pairs;
  const int *factor;    // of the place of a term
  const int *term;      // whose coefficients stand at a place
  int n_terms;
};

// Backward: one tree for all outputs, terms of one monomial side by side; `output` is the row that a
// term belongs to.
struct BackwardProgram {
  const ContractionSingle *singles;
  int n_singles;
  const ContractionPair *pairs;
  const ContractionCubic *cubics;
  const int *output;
  int n_terms;
};

template <class S> struct ContractionJob {
  ForwardProgram forward;
  BackwardProgram backward;
  int64_t channels, rows_in, rows_out;
  const S *features;        // [N, rows_in, channels]
  const S *coefficients;    // [n_types, n_terms, channels], in the order of the backward program
  // Atoms sorted by type: those of type t are atom[first[t]] .. atom[first[t + 1] - 1].
  const int *first, *atom;
  int n_types;
  S *out;              // [N, rows_out, channels], written
  const S *grad;       // of out
  S *grad_features;    // [N, rows_in, channels], written
  // Of the terms' coefficients [n_types, n_terms, channels], written: of the result itself, or, where
  // `along` [N, rows_in, channels] is given, of the gradient of the features along it.
  S *grad_coefficients;
  const S *along;
};

// Everything for one instruction set. `begin` .. `end` are places in `atom`; scratch is aligned to
// 64 bytes.
template <class S> struct ContractionKernels {
  int64_t (*scratch_bytes)(const ContractionJob<S> &job);
  void (*forward)(const ContractionJob<S> &job, int64_t begin, int64_t end, void *scratch);
  void (*backward)(const ContractionJob<S> &job, int64_t begin, int64_t end, void *scratch);
  // Gradients of the coefficients, for registers begin .. end - 1 of the channels; with `along` also
  // out, the derivative of the result along it, and grad_features, that of the gradient.
  int64_t (*second_scratch_bytes)(const ContractionJob<S> &job);
  void (*second)(const ContractionJob<S> &job, int64_t begin, int64_t end, void *scratch);
  int lanes;
};

#define EGRAFF_DECLARE_KERNELS(ISA)                                                                \
  namespace ISA {                                                                                  \
  extern const ContractionKernels<float> contraction_float;                                        \
  extern const ContractionKernels<double> contraction_double;                                      \
  }
EGRAFF_DECLARE_KERNELS(portable)
EGRAFF_DECLARE_KERNELS(avx2)
EGRAFF_DECLARE_KERNELS(avx512)
#undef EGRAFF_DECLARE_KERNELS

}    // namespace egraff
