// What every operator of the library is made of. Each has a declared schema, kernels under the CPU
// key, and an autograd function that calls the operator and its backward through the dispatcher, so
// that the kernels of another device serve the same autograd.

#pragma once

#include "instructions.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

namespace egraff {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Calls the operator whose CPU kernel has this signature: call<decltype(kernel)>("egraff::name", ...).
template <class Signature, class... Arguments> auto call(const char *name, Arguments &&...arguments)
{
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>().call(
      std::forward<Arguments>(arguments)...);
}

// At the head of every backward function.
inline void refuse_second_derivative(const char *name)
{
  TORCH_CHECK(!at::GradMode::is_enabled(), name,
              ": a second derivative is not supported: train with the reference network, which "
              "has no kernels");
}

}    // namespace egraff
