"""e3nn's tensor product of neighbours' features and harmonics as paths of the convolution."""

from __future__ import annotations

import math
from typing import Any

import torch
from e3nn import o3

from egraff_lmp.forcefields.fast.layout import Layout
from egraff_lmp.forcefields.fast.unavailable import KernelsUnavailable

L_MAX = 3
# A path: l1, l2, l3, row in, step, row out, step (see csrc/ops/convolution.cpp).
INTEGERS_A_PATH = 7


def convolution_paths(product: Any, channels: int) -> tuple[list[int], torch.Tensor]:
    """Paths for `egraff::convolution`, and what the weights are to be multiplied by.

    The result's rows are those of `Layout(product.irreps_out.simplify(), channels)`.

    Irreps of several times C channels have a path for each C of them.

    Args:
        product: a `TensorProduct` of features and harmonics of all degrees up to l_max, "uvu", one
            weight a channel and path, its output irreps sorted.
        channels: C.

    Returns:
        The paths in the order of the product's weights, and one factor a path, (n_paths,).

    Raises:
        KernelsUnavailable: another kind of product.
    """
    harmonics = o3.Irreps(product.irreps_in2)
    if [(mul, ir.l) for mul, ir in harmonics] != [(1, degree) for degree in range(len(harmonics))]:
        raise KernelsUnavailable(f"expected harmonics of all degrees, got {harmonics}")
    source = Layout(product.irreps_in1, channels)
    target = Layout(product.irreps_out.simplify(), channels)
    places = _copies(product.irreps_out, channels, target)
    paths: list[int] = []
    factors = []
    for instruction in product.instructions:
        entry, degree = source.entries[instruction.i_in1], instruction.i_in2
        out, first_copy = places[instruction.i_out]
        if instruction.connection_mode != "uvu" or not instruction.has_weight:
            raise KernelsUnavailable("expected a product channel by channel with weights")
        if max(entry.degree, degree, out.degree) > L_MAX:
            raise KernelsUnavailable(f"expected degrees up to {L_MAX}, got {product}")
        for copy in range(entry.joined):
            paths += [entry.degree, degree, out.degree]
            paths += [entry.row(0, copy), entry.joined]
            paths += [out.row(0, first_copy + copy), out.joined]
            # The kernel's coefficients are Wigner 3j symbols times sqrt(2 l3 + 1).
            factors.append(instruction.path_weight / math.sqrt(2 * out.degree + 1))
    return paths, torch.tensor(factors, dtype=torch.float64)


def _copies(irreps: o3.Irreps, channels: int, target: Layout) -> list[tuple[Any, int]]:
    """Of each entry before `simplify` its entry after, and its first copy of C channels there."""
    found: list[tuple[Any, int]] = []
    entry, copy = -1, 0
    previous: o3.Irrep | None = None
    for mul, ir in irreps:
        if mul % channels:
            raise KernelsUnavailable(f"expected multiples of {channels} channels, got {irreps}")
        if ir != previous:
            entry, copy, previous = entry + 1, 0, ir
        found.append((target.entries[entry], copy))
        copy += mul // channels
    return found
