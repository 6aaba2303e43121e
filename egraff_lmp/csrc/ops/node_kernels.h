// The kernels of operators on atoms' features, of the instruction set that is used.

#pragma once

#include "operator.h"

#include "kernels/node_job.h"

namespace egraff {

EGRAFF_KERNELS(node_kernels_of, NodeKernels, node)

template <class S> const NodeKernels<S> &node_kernels()
{
  return node_kernels_of(instructions(), S(0));
}

}    // namespace egraff
