"""Allowed wave vectors of a periodic cell, and the densities of atoms at them.

In a cell with the lattice vectors a_1, a_2, a_3 only q = h b_1 + k b_2 + l b_3 with
a_i . b_j = 2 pi delta_ij are allowed. rho(-q) is the conjugate of rho(q), so that half of them is
enough. Vectors lie on rods (h, k): exp(i q.r) is the product of a factor of the rod and one of l,
which makes the sum over atoms a product of two matrices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.score.arrays import Floats, Ints
from egraff_lmp.score.distances import EDGE

# Wave vectors of a frame: of larger cells rods are left out at random, so that all directions and
# lengths keep the same share.
MAX_VECTORS = 1_000_000
# Factors of rods at a time: arrays of 16 MB.
AT_A_TIME = 2_000_000
Complex = NDArray[np.complex64]


@dataclass(frozen=True)
class WaveVectors:
    """Half of the allowed wave vectors of one cell up to a length.

    Attributes:
        rods: (R, 2) h and k.
        l_max: l runs from -l_max to l_max, L = 2 l_max + 1 values.
        shells: (R, L) index of the shell of |q|; the number of shells for vectors beyond the last
            one, for q = 0, and for the other half.
        numbers: (B,) vectors in each shell.
    """

    rods: Ints
    l_max: int
    shells: Ints
    numbers: Ints

    @property
    def mean_weights(self) -> Floats:
        """(B,) 1/number, 0 for shells without a vector."""
        return np.where(self.numbers > 0, 1 / np.maximum(self.numbers, 1), 0.0)


def wave_vectors(
    cell: Floats, q_max: float, width: float, max_vectors: int = MAX_VECTORS
) -> WaveVectors:
    """Those with 0 < |q| < q_max.

    Args:
        cell: (3, 3) in A, rows are lattice vectors.
        q_max: in 1/A, a multiple of `width`.
        width: of a shell in 1/A.
        max_vectors: see `MAX_VECTORS`.
    """
    b = 2 * np.pi * np.linalg.inv(cell).T
    most = np.floor(q_max * np.linalg.norm(cell, axis=1) / (2 * np.pi)).astype(np.int64)
    h, k = (x.ravel() for x in np.mgrid[0 : most[0] + 1, -most[1] : most[1] + 1])
    rods = np.column_stack([h, k])[(h > 0) | (k >= 0)]
    base = rods @ b[:2]
    along = b[2] / np.linalg.norm(b[2])
    distance = np.linalg.norm(base - np.outer(base @ along, along), axis=1)
    rods = rods[distance < q_max]
    l_max = int(most[2])
    numbers = np.arange(-l_max, l_max + 1)
    if len(rods) * len(numbers) > max_vectors:
        kept = max(1, max_vectors // len(numbers))
        chosen = np.random.default_rng(0).choice(len(rods), kept, replace=False)
        rods = rods[np.sort(chosen)]
    q = np.linalg.norm((rods @ b[:2])[:, None] + numbers[:, None] * b[2], axis=2)
    n_shells = round(q_max / width)
    shells = np.minimum(q / width + EDGE, n_shells).astype(np.int64)
    # q = 0, and the half of the rod through it that is the other half's.
    shells[np.ix_((rods == 0).all(axis=1), numbers <= 0)] = n_shells
    counted = np.bincount(shells.ravel(), minlength=n_shells + 1)[:n_shells]
    return WaveVectors(rods, l_max, shells, counted)


def densities(
    positions: Floats, cell: Floats, vectors: WaveVectors, kinds: Ints
) -> Iterator[tuple[slice, Complex]]:
    """rho_a(q) = sum over atoms of kind a of exp(i q.r), in portions of rods.

    Args:
        positions: (N, 3) in A.
        cell: (3, 3) in A, whose wave vectors these are.
        vectors: R rods of L wave vectors each.
        kinds: (N,) 0 to E - 1.

    Yields:
        A slice of rods, and (E, R', L) of them. Phases are found in float64; sums are complex64,
        whose relative error of 1e-6 is far below the noise of any trajectory.
    """
    s = positions @ np.linalg.inv(cell)
    turns = 2j * np.pi * (s - np.floor(s))
    h, k = vectors.rods.T
    low_k = int(k.min(initial=0))
    of_h, of_k, of_l = (
        np.exp(np.multiply.outer(range_, turns[:, axis])).astype(np.complex64)
        for axis, range_ in enumerate(
            (
                np.arange(h.max(initial=0) + 1),
                np.arange(low_k, k.max(initial=0) + 1),
                np.arange(-vectors.l_max, vectors.l_max + 1),
            )
        )
    )
    members = [np.flatnonzero(kinds == kind) for kind in range(int(kinds.max()) + 1)]
    rows = max(1, AT_A_TIME // len(positions))
    for first in range(0, len(h), rows):
        part = slice(first, first + rows)
        rod = of_h[h[part]] * of_k[k[part] - low_k]
        yield part, np.stack([rod[:, own] @ of_l[:, own].T for own in members])
