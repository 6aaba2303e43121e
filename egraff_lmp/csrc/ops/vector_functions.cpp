#include "vector_functions.h"

#include "operator.h"

#include <mutex>

namespace egraff {

void settle_vector_functions()
{
  static std::once_flag once;
  std::call_once(once, [] {
    const at::NoGradGuard no_gradients;
    for (const auto dtype : {at::kFloat, at::kDouble}) {
      const auto x = at::full({1}, 0.5, at::TensorOptions().dtype(dtype).device(at::kCPU));
      using Function = Tensor (*)(const Tensor &);
      for (const Function function : std::initializer_list<Function>{
               at::acos,  at::asin, at::atan,    at::cos,   at::cosh,   at::erf,
               at::erfc,  at::exp,  at::exp2,    at::expm1, at::log,    at::log10,
               at::log1p, at::log2, at::rsqrt,   at::sin,   at::sinh,   at::sqrt,
               at::tan,   at::tanh, at::sigmoid, at::silu,  at::erfinv, at::lgamma})
        function(x);
      at::pow(x, 1.5);
    }
  });
}

}    // namespace egraff

TORCH_LIBRARY_FRAGMENT(egraff, library)
{
  library.def("settle_vector_functions() -> ()", &egraff::settle_vector_functions);
}
