// Limits of what a model file may unpack to, checked in the index of its zip archive before anything
// of it is unpacked or sent to other ranks.

#pragma once

#include <cstdint>
#include <string>

namespace egraff {

// The same numbers bind the Python side (egraff_lmp/contract). A contract is a few hundred kilobytes
// of text, and torch stores the tensors, which make up a model file, without compression.
constexpr uint64_t MAX_TEXT_BYTES = uint64_t(64) << 20;       // the contract and other texts
constexpr uint64_t MAX_ARCHIVE_BYTES = uint64_t(16) << 30;    // of the file, and of it unpacked
constexpr uint64_t MAX_RATIO = 1000;                          // unpacked over the file's size

// Throws UserError, with `where` in front, if the index of the archive in `bytes` claims more, or is
// damaged. What is no zip archive passes: `Archive` says what it is.
void refuse_zip_bomb(const std::string &bytes, const std::string &where);

// A size for messages: "3 kB", "10.7 GB".
std::string size_text(uint64_t bytes);

}    // namespace egraff
