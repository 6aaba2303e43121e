// SHA-256 (FIPS 180-4), so that the hash in a log is the one that `sha256sum model.pt` prints.

#pragma once

#include <string>

namespace egraff {

// Lower-case hex digest, 64 characters.
std::string sha256(const std::string &bytes);

}    // namespace egraff
