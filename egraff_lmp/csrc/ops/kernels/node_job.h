// What the kernels of node_linear and gate are given: plain pointers, no torch.

#pragma once

#include <stdint.h>

namespace egraff {

// y[a, out + m out_step + n] += sum over k of x[a, in + m in_step + k] W[k, n] for m below count.
struct LinearBlock {
  int64_t in, in_step, out, out_step;
  int64_t count, K, N;
  int64_t weight;    // offset of W in the weights of a type
};

template <class S> struct LinearJob {
  const LinearBlock *blocks;
  int n_blocks;
  const int *atom;                               // atoms in the order of their types
  const int *type;                               // of atom[k]
  int64_t size_in, size_out, weights_of_type;    // numbers an atom, numbers a type
  const S *x;
  const S *weights;
  const S *bias;     // [size_out], or null
  const S *added;    // [atoms, size_out], or null: the linear map of an atom is added to it
  S *y;
};

// Rows first_in .. first_in + count - 1, scaled by an activation of themselves (gate < 0) or of the
// row `gate`, become rows first_out .. of the result.
struct GatePart {
  int activation;    // 0 silu, 1 tanh, 2 the logistic function
  int64_t first_in, first_out, count, gate;
  double scale;
};

template <class S> struct GateJob {
  const GatePart *parts;
  int n_parts;
  int64_t channels, rows_in, rows_out;
  const S *x;
  S *y;
  const S *grad;    // of y
  S *dx;            // zero at the start
  // Of second derivatives: the cotangent of dx, and the derivative by grad, written. dx is then that
  // by x.
  const S *along;
  S *of_grad;
};

// Rows of channels, each with a factor; see scaled_silu.cpp.
template <class S> struct ScaledJob {
  int64_t channels;
  const S *x, *factors;
  S *y;
  const S *grad;    // of y
  S *dx, *df;
  // Of second derivatives: cotangents of dx and df. y, dx and df are then the derivatives by grad, x
  // and factors.
  const S *along_x, *along_factors;
};

template <class S> struct NodeKernels {
  int lanes;    // of the gate: the number of channels must be a multiple
  // For places begin .. end - 1 of the order of atoms, whose rows of y it sets.
  void (*linear)(const LinearJob<S> &job, int64_t begin, int64_t end);
  // For atoms begin .. end - 1.
  void (*gate)(const GateJob<S> &job, int64_t begin, int64_t end);
  void (*gate_backward)(const GateJob<S> &job, int64_t begin, int64_t end);
  void (*gate_second)(const GateJob<S> &job, int64_t begin, int64_t end);
  // For rows begin .. end - 1.
  void (*scaled)(const ScaledJob<S> &job, int64_t begin, int64_t end);
  void (*scaled_backward)(const ScaledJob<S> &job, int64_t begin, int64_t end);
  void (*scaled_second)(const ScaledJob<S> &job, int64_t begin, int64_t end);
};

#define EGRAFF_DECLARE_KERNELS(ISA)                                                                \
  namespace ISA {                                                                                  \
  extern const NodeKernels<float> node_float;                                                      \
  extern const NodeKernels<double> node_double;                                                    \
  }
EGRAFF_DECLARE_KERNELS(portable)
EGRAFF_DECLARE_KERNELS(avx2)
EGRAFF_DECLARE_KERNELS(avx512)
#undef EGRAFF_DECLARE_KERNELS

}    // namespace egraff
