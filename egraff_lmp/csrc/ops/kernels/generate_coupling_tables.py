"""Writes `coupling_tables.h`, the non-zero Clebsch-Gordan coefficients for l <= 3.

    python egraff_lmp/csrc/ops/kernels/generate_coupling_tables.py > .../coupling_tables.h

They are e3nn's real Wigner 3j symbols times sqrt(2 l3 + 1), so that a product of "component"
normalised factors is "component" normalised, in e3nn's order of m (for l = 1: y, z, x).
"""

from __future__ import annotations

import math
import sys

import torch
from e3nn.o3 import wigner_3j

L_MAX = 3
# Coefficients are at least 0.05, and their rounding errors below 1e-15.
ZERO = 1e-9

HEAD = """\
// Non-zero Clebsch-Gordan coefficients for l <= 3: e3nn's real Wigner 3j symbols times
// sqrt(2 l3 + 1), ordered by m1, then m3, then m2.
//
// Written by generate_coupling_tables.py; do not edit.

#pragma once

namespace egraff {
namespace coupling {

// The product's component m3 gets `value` times component m1 of the features and m2 of the
// harmonics.
struct Term {
  int m1, m3, m2;
  double value;
};

template <int L1, int L2, int L3> struct Terms {
  static constexpr int size = 0;    // no such product
};

// clang-format off
"""


def main() -> None:
    """Print the header."""
    degrees = range(L_MAX + 1)
    out = sys.stdout
    out.write(HEAD)
    for l1 in degrees:
        for l2 in degrees:
            for l3 in range(abs(l1 - l2), min(l1 + l2, L_MAX) + 1):
                symbols = wigner_3j(l1, l2, l3, dtype=torch.float64) * math.sqrt(2 * l3 + 1)
                terms = sorted(
                    (m1, m3, m2, symbols[m1, m2, m3].item())
                    for m1, m2, m3 in torch.nonzero(symbols.abs() > ZERO).tolist()
                )
                out.write(f"\ntemplate <> struct Terms<{l1}, {l2}, {l3}> {{\n")
                out.write(f"  static constexpr int size = {len(terms)};\n")
                out.write("  static constexpr Term terms[size] = {\n")
                for term in terms:
                    m1, m3, m2, value = term
                    out.write(f"    {{{m1}, {m3}, {m2}, {value:.17g}}},\n")
                out.write("  };\n};\n")
    out.write("\n// clang-format on\n\n}    // namespace coupling\n}    // namespace egraff\n")


if __name__ == "__main__":
    main()
