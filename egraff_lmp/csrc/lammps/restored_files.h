// The model files that a restart file names.

#pragma once

#include <string>
#include <vector>

namespace egraff {

// They are loaded when a run begins without a pair_coeff line of the deck, not before: on another
// machine their paths, their device or their threads may not exist, and the deck names its own.
struct RestoredFiles {
  static const std::string REPEAT;    // what to do where they cannot be used

  std::vector<std::string> files, hashes, elements;
};

}    // namespace egraff
