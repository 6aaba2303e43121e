// What the kernels of ET's attention are given: plain pointers, no torch. See et_attention.cpp for
// the operator's definition.

#pragma once

#include <stdint.h>

namespace egraff {

// Rows of the weights of an edge, and of the features of an atom: the first two where only scalars
// are wanted, all four, or four and three rows of an atom's vectors.
enum EtRow { ET_KEY, ET_SCALAR, ET_ALONG_V, ET_ALONG_R, ET_VECTORS };
constexpr int64_t ET_SCALARS_ONLY = ET_ALONG_V, ET_WITH_VECTORS = ET_VECTORS + 3;

template <class S> struct EtAttentionJob {
  // Edges, sorted by centre: those of centre c are first[c] .. first[c + 1] - 1.
  const int *first;
  const int *edge;        // place of a sorted edge in the tensors
  const int *neighbor;    // of a sorted edge

  int64_t channels;
  int64_t rows_in;    // of the features: 2, 4 or 7
  int64_t rows;       // of the weights: 2, and no vectors come out, or 4
  int heads;          // a power of two; channel u belongs to head u % heads

  const S *query;        // [n_centers, channels]
  const S *features;     // [n_all, rows_in, channels]
  const S *harmonics;    // [E, 4]
  const S *weights;      // [E, rows, channels], or null and
  const S *radial;       // [E], in [0, 1)
  const S *table;        // [intervals + 3, rows, channels]
  const S *own;          // [rows, channels], of an atom's edge to itself
  int intervals;

  S *scalars;    // [n_centers, channels]
  S *vectors;    // [n_centers, 3, channels]

  const S *grad_scalars, *grad_vectors;
  S *grad_query;        // [n_centers, channels], zero at the start
  S *grad_features;     // [n_all, rows_in, channels], zero at the start
  S *grad_harmonics;    // [E, 4]
  S *grad_weights;      // [E, rows, channels], or null
  S *grad_radial;       // [E], or null

  // Of second derivatives, where weights are given: cotangents of the gradients. `scalars` and
  // `vectors` are then the derivatives by their gradients, and there are none of the harmonics.
  const S *along_query, *along_features, *along_harmonics, *along_weights;
};

// What one call of the backward pass does: gradients that belong to the centres or to the edges
// where `of_centers`, those of the features of neighbours begin .. end - 1 where `of_neighbors`.
struct EtShare {
  int64_t centers_begin, centers_end;
  int64_t neighbors_begin, neighbors_end;
  bool of_centers, of_neighbors;
};

// Everything for one instruction set. Scratch is aligned to 64 bytes.
template <class S> struct EtAttentionKernels {
  int lanes;    // the number of channels must be a multiple of this and of the heads
  int64_t (*scratch_bytes)(const EtAttentionJob<S> &job);
  // For centres begin .. end - 1.
  void (*forward)(const EtAttentionJob<S> &job, int64_t begin, int64_t end, void *scratch);
  void (*backward)(const EtAttentionJob<S> &job, const EtShare &share, void *scratch);
  // Atoms' edges to themselves are left out.
  void (*second)(const EtAttentionJob<S> &job, const EtShare &share, void *scratch);
};

constexpr int ET_MOST_HEADS = 16;

#define EGRAFF_DECLARE_KERNELS(ISA)                                                                \
  namespace ISA {                                                                                  \
  extern const EtAttentionKernels<float> et_attention_float;                                       \
  extern const EtAttentionKernels<double> et_attention_double;                                     \
  }
EGRAFF_DECLARE_KERNELS(portable)
EGRAFF_DECLARE_KERNELS(avx2)
EGRAFF_DECLARE_KERNELS(avx512)
#undef EGRAFF_DECLARE_KERNELS

}    // namespace egraff
