// Which of the compiled instruction sets an operator uses.

#pragma once

namespace egraff {

enum class Instructions { PORTABLE, AVX2, AVX512 };

// The best that this machine has and the library was compiled for, or the one that the environment
// variable EGRAFF_INSTRUCTIONS names ("portable", "avx2", "avx512"; for tests). Throws c10::Error
// if that one is not there.
Instructions instructions();

// One instruction set's kernels of a family.
#if defined(EGRAFF_X86)
#define EGRAFF_CHOOSE(kernels, set)                                                                \
  ((set) == ::egraff::Instructions::AVX512 ? ::egraff::avx512::kernels                             \
   : (set) == ::egraff::Instructions::AVX2 ? ::egraff::avx2::kernels                               \
                                           : ::egraff::portable::kernels)
#else
#define EGRAFF_CHOOSE(kernels, set) ((void)(set), ::egraff::portable::kernels)
#endif

}    // namespace egraff
