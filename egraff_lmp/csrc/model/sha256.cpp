#include "sha256.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace egraff {
namespace {

using Words = std::array<uint32_t, 64>;

// First 32 bits of the fractional part of the square or cube root of the first n primes
// (FIPS 180-4, 4.2.2 and 5.3.3); long double carries the 35 bits that this takes.
Words fractional_roots(bool cube)
{
  Words words{};
  int found = 0;
  for (int candidate = 2; found < 64; ++candidate) {
    bool prime = true;
    for (int d = 2; d * d <= candidate; ++d) prime = prime && candidate % d != 0;
    if (!prime) continue;
    const long double value = candidate;
    const long double root = cube ? std::cbrt(value) : std::sqrt(value);
    words[found++] = static_cast<uint32_t>((root - std::floor(root)) * 4294967296.0L);
  }
  return words;
}

void compress(std::array<uint32_t, 8> &state, const unsigned char *block, const Words &k)
{
  Words w{};
  for (int t = 0; t < 16; ++t)
    w[t] = uint32_t(block[4 * t]) << 24 | uint32_t(block[4 * t + 1]) << 16 |
           uint32_t(block[4 * t + 2]) << 8 | uint32_t(block[4 * t + 3]);
  for (int t = 16; t < 64; ++t) {
    const uint32_t a = w[t - 15], b = w[t - 2];
    w[t] = w[t - 16] + (std::rotr(a, 7) ^ std::rotr(a, 18) ^ (a >> 3)) + w[t - 7] +
           (std::rotr(b, 17) ^ std::rotr(b, 19) ^ (b >> 10));
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (int t = 0; t < 64; ++t) {
    const uint32_t t1 = h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) +
                        ((e & f) ^ (~e & g)) + k[t] + w[t];
    const uint32_t t2 =
        (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  const std::array<uint32_t, 8> update{a, b, c, d, e, f, g, h};
  for (int i = 0; i < 8; ++i) state[i] += update[i];
}

}    // namespace

std::string sha256(const std::string &bytes)
{
  static const Words k = fractional_roots(true);
  static const Words initial = fractional_roots(false);
  std::array<uint32_t, 8> state{};
  for (int i = 0; i < 8; ++i) state[i] = initial[i];

  const auto *data = reinterpret_cast<const unsigned char *>(bytes.data());
  const size_t whole = bytes.size() / 64 * 64;
  for (size_t at = 0; at < whole; at += 64) compress(state, data + at, k);

  std::string tail = bytes.substr(whole);
  tail.push_back('\x80');
  while (tail.size() % 64 != 56) tail.push_back('\0');
  const uint64_t bits = uint64_t(bytes.size()) * 8;
  for (int shift = 56; shift >= 0; shift -= 8) tail.push_back(char((bits >> shift) & 0xff));
  for (size_t at = 0; at < tail.size(); at += 64)
    compress(state, reinterpret_cast<const unsigned char *>(tail.data()) + at, k);

  std::string hex;
  for (const uint32_t word : state)
    for (int shift = 28; shift >= 0; shift -= 4)
      hex.push_back("0123456789abcdef"[word >> shift & 15]);
  return hex;
}

}    // namespace egraff
