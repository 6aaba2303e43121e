#include "thread_scope.h"

#include <ATen/Parallel.h>
#include <c10/core/AutogradState.h>

// Of whichever OpenMP library torch was bound to in this process: libgomp, its own copy of it, or
// Intel's. Weak, so that a torch without OpenMP links, too.
extern "C" {
__attribute__((weak)) int omp_get_max_threads();
__attribute__((weak)) void omp_set_num_threads(int);
}

namespace egraff {

ThreadScope::ThreadScope(int threads)
{
  if (omp_get_max_threads && omp_set_num_threads) before_ = omp_get_max_threads();
  // Beside OpenMP's count torch keeps one of its own, which its linear algebra follows. Scripts can
  // have changed it since the last step.
  at::set_num_threads(threads);
  if (before_ && omp_get_max_threads() != threads) omp_set_num_threads(threads);
}

ThreadScope::~ThreadScope()
{
  if (before_ && omp_get_max_threads() != before_) omp_set_num_threads(before_);
}

BackwardHere::BackwardHere() :
    before_(c10::AutogradState::get_tls_state().get_multithreading_enabled())
{
  c10::AutogradState::get_tls_state().set_multithreading_enabled(false);
}

BackwardHere::~BackwardHere()
{
  c10::AutogradState::get_tls_state().set_multithreading_enabled(before_);
}

}    // namespace egraff
