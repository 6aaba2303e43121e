"""Pair distances counted in bins, of all periodic images; `neighbours` has the vectors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.score.arrays import Bools, Floats

# Pairs at a time: arrays of 8 MB.
AT_A_TIME = 1_000_000
# In bins: distances of a perfect lattice may lie on an edge, and belong above it then.
EDGE = 1e-9


def cell_heights(cell: Floats) -> Floats:
    """Distances between opposite faces of cells (..., 3, 3) with a volume, in A, (..., 3)."""
    return np.asarray(1 / np.linalg.norm(np.linalg.inv(cell), axis=-2))


def is_periodic(frames: Frames) -> bool:
    """True where all three directions are periodic, False where none is.

    Raises:
        EgraffError: some are; a radial distribution then has no number density to be divided by.
    """
    if any(frames.pbc) and not all(frames.pbc):
        raise EgraffError(
            f"{frames.source}: expected periodicity along all three lattice vectors or none, got "
            f"{frames.pbc}: radial distributions of slabs and wires are not defined here."
        )
    return all(frames.pbc)


def finite_frames(frames: Frames) -> Bools:
    """Which frames have finite positions and a finite cell (of non-zero volume if periodic)."""
    good = np.asarray(np.isfinite(frames.positions).all(axis=(1, 2)))
    good &= np.isfinite(frames.cell).all(axis=(1, 2))
    if all(frames.pbc):
        good[good] = np.abs(np.linalg.det(frames.cell[good])) > 0
    return good


def pair_numbers(species: tuple[str, ...]) -> dict[str, float]:
    """Pairs of elements that occur, "Ge-Te", to the number of unordered pairs of atoms.

    Elements are in alphabetical order; one of a single atom has no pair with itself.
    """
    n = Counter(species)
    numbers = {
        f"{a}-{b}": n[a] * (n[a] - 1) / 2 if a == b else float(n[a] * n[b])
        for a, b in combinations_with_replacement(sorted(n), 2)
    }
    return {name: number for name, number in numbers.items() if number}


def frame_counts(frames: Frames, n_bins: int, bin_width: float) -> Iterator[Floats]:
    """Pairs found in each bin, frame by frame, (P, n_bins + 1), in the order of `pair_numbers`.

    Every periodic image within the range counts, so that below half the smallest cell height it
    is the nearest one. Bins go from 0 to n_bins * bin_width in A; the last column holds some, not
    all, of the pairs beyond them. Frames have to be finite.
    """
    elements, kinds = np.unique(frames.species, return_inverse=True)
    names = list(pair_numbers(frames.species))
    # Where a pair of elements begins. An atom that is alone has pairs with its own images only.
    offsets = np.zeros((len(elements), len(elements)), dtype=np.intp)
    for a, b in combinations_with_replacement(range(len(elements)), 2):
        if (name := f"{elements[a]}-{elements[b]}") in names:
            offsets[a, b] = offsets[b, a] = names.index(name) * (n_bins + 1)
    periodic = is_periodic(frames)
    for positions, cell in zip(frames.positions, frames.cell, strict=True):
        counts = np.zeros(len(names) * (n_bins + 1), dtype=np.int64)
        for i, j, distances in pair_distances(
            positions, cell if periodic else None, n_bins * bin_width
        ):
            # Clipped before the cast: an exploded molecule exceeds any integer.
            bins = np.minimum(distances / bin_width + EDGE, n_bins).astype(np.intp)
            bins += offsets.take(kinds.take(i) * len(elements) + kinds.take(j))
            counts += np.bincount(bins, minlength=len(counts))
        yield counts.reshape(len(names), -1).astype(np.float64)


def pair_distances(
    positions: Floats, cell: Floats | None, r_max: float
) -> Iterator[tuple[NDArray[np.integer], NDArray[np.integer], Floats]]:
    """Unordered pairs of atoms i and j, and their distances in A, (M,) each, in portions.

    Args:
        positions: (N, 3) in A.
        cell: (3, 3) in A, periodic in all directions: every image within `r_max` is listed, those
            of an atom itself too. None for a molecule: all pairs are listed.
        r_max: in A.
    """
    if cell is None:
        from scipy.spatial.distance import cdist  # an optional package

        rows = max(1, AT_A_TIME // len(positions))
        for first in range(0, len(positions), rows):
            block = cdist(positions[first : first + rows], positions[first:])
            i, j = np.triu_indices(len(block), 1, block.shape[1])
            yield first + i, first + j, block[i, j]
        return
    from vesin import NeighborList  # an optional package

    # Into the cell: atoms that diffused far away cost a cell list its speed.
    fractional = positions @ np.linalg.inv(cell)
    calculator = NeighborList(cutoff=r_max, full_list=False)
    found = calculator.compute(
        points=(fractional - np.floor(fractional)) @ cell, box=cell, periodic=True,
        quantities="ijd", copy=False,
    )  # fmt: skip
    for first in range(0, len(found[2]), AT_A_TIME):
        i, j, distances = (array[first : first + AT_A_TIME] for array in found)
        yield i, j, distances
