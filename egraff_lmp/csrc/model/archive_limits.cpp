#include "archive_limits.h"

#include "contract.h"

#include <algorithm>
#include <cstdio>
#include <optional>

namespace egraff {
namespace {

// Layout of the format: APPNOTE.TXT of PKWARE, 4.3.12 (entries), 4.3.14-16 (ends), 4.5.3 (zip64).
constexpr uint32_t END = 0x06054b50, END64_LOCATOR = 0x07064b50, END64 = 0x06064b50;
constexpr uint32_t ENTRY = 0x02014b50;
constexpr size_t END_SIZE = 22, LOCATOR_SIZE = 20, END64_SIZE = 56, ENTRY_SIZE = 46;
constexpr uint16_t ZIP64_FIELD = 1;
constexpr uint32_t IN_ZIP64 = 0xffffffff;    // the number is in a zip64 field

struct Damaged {};

// Little-endian numbers, and nothing beyond the end.
class Reader {
 public:
  explicit Reader(const std::string &bytes) : bytes_(bytes) {}

  uint64_t number(uint64_t at, size_t width) const
  {
    if (at > bytes_.size() || bytes_.size() - at < width) throw Damaged();
    uint64_t value = 0;
    for (size_t k = width; k-- > 0;)
      value = value << 8 | static_cast<unsigned char>(bytes_[at + k]);
    return value;
  }
  std::string text(uint64_t at, size_t width) const
  {
    if (at > bytes_.size() || bytes_.size() - at < width) throw Damaged();
    return bytes_.substr(at, width);
  }
  size_t size() const { return bytes_.size(); }

 private:
  const std::string &bytes_;
};

struct Index {
  uint64_t entries = 0, start = 0;
};

// The last end mark counts, as it does for the reader inside torch.
std::optional<Index> find_index(const Reader &file)
{
  constexpr size_t LONGEST_COMMENT = 65535;
  if (file.size() < END_SIZE) return std::nullopt;
  const size_t last = file.size() - END_SIZE;
  const size_t first = last > LONGEST_COMMENT ? last - LONGEST_COMMENT : 0;
  for (size_t at = last + 1; at-- > first;) {
    if (file.number(at, 4) != END) continue;
    if (at >= LOCATOR_SIZE && file.number(at - LOCATOR_SIZE, 4) == END64_LOCATOR) {
      const uint64_t end64 = file.number(at - LOCATOR_SIZE + 8, 8);
      if (file.size() >= END64_SIZE && end64 <= file.size() - END64_SIZE &&
          file.number(end64, 4) == END64)
        return Index{file.number(end64 + 32, 8), file.number(end64 + 48, 8)};
    }
    return Index{file.number(at + 10, 2), file.number(at + 16, 4)};
  }
  return std::nullopt;
}

// Of an entry's extra fields the zip64 one holds, first of all, the unpacked size.
uint64_t size_in_zip64(const Reader &file, uint64_t at, uint64_t end)
{
  while (at + 4 <= end) {
    const uint64_t length = file.number(at + 2, 2);
    if (file.number(at, 2) == ZIP64_FIELD && length >= 8) return file.number(at + 4, 8);
    at += 4 + length;
  }
  throw Damaged();
}

// Texts, in a TorchScript archive "NAME/extra/...", "NAME/version" and the like. Tensors and code
// are bound by the limits of the whole archive.
bool is_text(const std::string &member)
{
  const auto slash = member.find('/');
  const std::string inside = slash == std::string::npos ? member : member.substr(slash + 1);
  return inside.rfind("data/", 0) != 0 && inside.rfind("constants/", 0) != 0 &&
         inside.rfind("code/", 0) != 0 && inside.rfind("data.pkl", 0) != 0 &&
         inside.rfind("constants.pkl", 0) != 0;
}

std::string refusal(const std::string &where, const std::string &expected, const std::string &got)
{
  return where + ": expected a model file that unpacks to " + expected + ", got " + got +
         ": nothing of it was unpacked; get the file again from where you trust it";
}

}    // namespace

std::string size_text(uint64_t bytes)
{
  const char *units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024.0 && unit + 1 < std::size(units); ++unit) value /= 1024.0;
  char text[32];
  std::snprintf(text, sizeof(text), "%.4g %s", value, units[unit]);
  return text;
}

void refuse_zip_bomb(const std::string &bytes, const std::string &where)
{
  const Reader file(bytes);
  const auto index = find_index(file);
  if (!index) return;
  const uint64_t most = std::min(MAX_ARCHIVE_BYTES, MAX_RATIO * bytes.size());
  uint64_t unpacked = 0, at = index->start;
  try {
    for (uint64_t k = 0; k < index->entries; ++k) {
      if (file.number(at, 4) != ENTRY) throw Damaged();
      const uint64_t name_size = file.number(at + 28, 2), extra_size = file.number(at + 30, 2);
      const std::string name = file.text(at + ENTRY_SIZE, name_size);
      const uint64_t extra = at + ENTRY_SIZE + name_size;
      uint64_t size = file.number(at + 24, 4);
      if (size == IN_ZIP64) size = size_in_zip64(file, extra, extra + extra_size);
      if (is_text(name) && size > MAX_TEXT_BYTES)
        throw UserError(refusal(where, "texts of at most " + size_text(MAX_TEXT_BYTES),
                                size_text(size) + " in its member '" + name + "'"));
      // Compared before it is added: the sum of two sizes could overflow.
      if (size > most || unpacked > most - size)
        throw UserError(refusal(where,
                                "at most " + size_text(most) + " (" + size_text(MAX_ARCHIVE_BYTES) +
                                    ", and " + std::to_string(MAX_RATIO) + " times its own size)",
                                "more"));
      unpacked += size;
      at = extra + extra_size + file.number(at + 32, 2);
    }
  } catch (const Damaged &) {
    throw UserError(where +
                    ": expected a model file written by 'egraff deploy', got a damaged archive "
                    "(its index is not whole): copy it again");
  }
}

}    // namespace egraff
