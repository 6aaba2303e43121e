#include "instructions.h"

#include <c10/util/Exception.h>

#include <cstdlib>
#include <string>

namespace egraff {
namespace {

bool has(Instructions set)
{
#if defined(EGRAFF_X86)
  switch (set) {
  case Instructions::AVX512:
    // With it the kernels may take those for AVX2, where channels are few.
    return has(Instructions::AVX2) && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw");
  case Instructions::AVX2:
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  default:
    return true;
  }
#else
  return set == Instructions::PORTABLE;
#endif
}

Instructions best()
{
  for (const auto set : {Instructions::AVX512, Instructions::AVX2})
    if (has(set)) return set;
  return Instructions::PORTABLE;
}

}    // namespace

Instructions instructions()
{
  static const Instructions fastest = best();
  const char *wanted = std::getenv("EGRAFF_INSTRUCTIONS");
  if (!wanted || !*wanted) return fastest;
  const std::string name = wanted;
  const bool known = name == "portable" || name == "avx2" || name == "avx512";
  const auto set = name == "avx512" ? Instructions::AVX512
                   : name == "avx2" ? Instructions::AVX2
                                    : Instructions::PORTABLE;
  TORCH_CHECK(known && has(set),
              "EGRAFF_INSTRUCTIONS: expected portable, avx2 or avx512, and a processor that has "
              "it, got '",
              name, "': unset the variable");
  return set;
}

}    // namespace egraff
