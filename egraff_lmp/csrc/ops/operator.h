// What every operator of the library is made of. Each has a declared schema, kernels under the CPU
// key, and an autograd function that calls the operator and its backward through the dispatcher, so
// that the kernels of another device serve the same autograd.

#pragma once

#include "instructions.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <optional>
#include <vector>

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

using Maybe = std::optional<Tensor>;

inline Maybe given(const Tensor &tensor)
{
  return tensor.defined() ? Maybe(tensor) : std::nullopt;
}

inline Tensor value_of(const Maybe &tensor)
{
  return tensor ? *tensor : Tensor();
}

// Defines `name(set, float)` and `name(set, double)`: an instruction set's kernels of a family in
// both precisions, which the kernels' own header declares as family_float and family_double.
#define EGRAFF_KERNELS(name, Kernels, family)                                                      \
  inline const Kernels<float> &name(::egraff::Instructions set, float)                             \
  {                                                                                                \
    return EGRAFF_CHOOSE(family##_float, set);                                                     \
  }                                                                                                \
  inline const Kernels<double> &name(::egraff::Instructions set, double)                           \
  {                                                                                                \
    return EGRAFF_CHOOSE(family##_double, set);                                                    \
  }

// The kernels that take these channels fastest: few would leave registers of AVX-512 empty.
// `kernels_of` gives those of an instruction set.
template <class KernelsOf> const auto &for_channels(int64_t channels, KernelsOf kernels_of)
{
  const auto set = instructions();
  const auto &widest = kernels_of(set);
  if (set != Instructions::AVX512 || channels % widest.lanes == 0) return widest;
  return kernels_of(Instructions::AVX2);
}

// What kernels read whose registers hold `multiple` channels: contiguous, with zeros after the
// channels, which are the last dimension. A tensor that is not there stays so.
inline Tensor filled(const Tensor &x, int64_t multiple)
{
  if (!x.defined()) return x;
  const int64_t extra = (multiple - x.size(-1) % multiple) % multiple;
  return (extra ? at::constant_pad_nd(x, {0, extra}) : x).contiguous();
}

// The way back: without what was filled in.
inline Tensor cut(const Tensor &x, int64_t channels)
{
  return x.defined() && x.size(-1) != channels ? x.narrow(-1, 0, channels).contiguous() : x;
}

// The sum of tensors, some of which may not be there.
inline Tensor sum_of(const Tensor &left, const Tensor &right)
{
  if (!left.defined()) return right;
  return right.defined() ? left + right : left;
}

// At the head of a backward function whose result has no derivative: training takes two.
inline void refuse_third_derivative(const char *name)
{
  TORCH_CHECK(!at::GradMode::is_enabled(), name, ": a third derivative is not supported");
}

// Other names of tensors, for `gradients_of`. Where one of the inputs of an operator was computed from
// another, the gradient of that other one would count the way through the first, too, which autograd
// counts itself; no name is computed from another.
inline variable_list aliases(const variable_list &tensors)
{
  variable_list found;
  for (const auto &tensor : tensors)
    found.push_back(tensor.defined() ? tensor.view_as(tensor) : tensor);
  return found;
}

// The gradients of inputs as functions that have derivatives themselves: those of `results`, which
// were computed from the inputs, `aliases` where there are several, by differentiable operators. For
// backward functions of which a second derivative is wanted, that is, where gradients are recorded
// while they run.
//
//   gradients: of the results, some of which may not be there.
//   returns: one for each input; none for those that need no gradient.
inline variable_list gradients_of(const variable_list &results, const variable_list &gradients,
                                  const variable_list &inputs)
{
  variable_list from, of, wanted;
  for (size_t k = 0; k < results.size(); ++k)
    if (gradients[k].defined() && results[k].requires_grad()) {
      from.push_back(results[k]);
      of.push_back(gradients[k]);
    }
  std::vector<size_t> places;
  for (size_t k = 0; k < inputs.size(); ++k)
    if (inputs[k].defined() && inputs[k].requires_grad()) {
      wanted.push_back(inputs[k]);
      places.push_back(k);
    }
  variable_list found(inputs.size());
  if (from.empty() || wanted.empty()) return found;
  const auto pieces = torch::autograd::grad(from, wanted, of, true, true, true);
  for (size_t k = 0; k < places.size(); ++k) found[places[k]] = pieces[k];
  return found;
}

}    // namespace egraff
