"""Neighbours of the atoms of one periodic frame, and how far first shells reach.

The first shell of a pair of elements ends at the first minimum behind the first peak of its g(r) in
the reference; a g(r) of few pairs is smoothed before, and peaks and minima that are not distinct
(prominence) are noise or shoulders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import atomic_numbers, covalent_radii

from egraff_lmp.score.arrays import Bools, Floats, Ints
from egraff_lmp.score.bonds import RADII_FACTOR
from egraff_lmp.score.curves import BEHIND_PEAK_A
from egraff_lmp.score.rdf import PairHistogram

SMOOTHED_A = 0.1  # standard deviation of the Gaussian that g(r) is smoothed with
# Of the highest peak: peaks and minima of less prominence are noise or shoulders. The shoulder of
# Li-P at 3.4 A in Li6.75P3S11 has 0.5 %, the minimum of Te-Te at 3.7 A in liquid GeTe4 15 %.
PROMINENCE = 0.1
# Of an atom of the rarer element: fewer are no shell, but single pairs at small r, where g(r) is
# large with next to nothing in it.
MIN_NEIGHBOURS = 0.1


@dataclass(frozen=True)
class Shells:
    """First shells of the pairs of elements of a reference.

    Attributes:
        elements: (E,) in alphabetical order.
        cutoffs: (E, E) where the first shell ends, in A; 0 for an element of a single atom with
            itself.
        bonded: (E, E) whether its peak is a bond by covalent radii; all where none is.
    """

    elements: tuple[str, ...]
    cutoffs: Floats
    bonded: Bools

    def kinds(self, species: tuple[str, ...]) -> Ints:
        """Index of the element of each atom, (N,)."""
        return np.array([self.elements.index(element) for element in species], dtype=np.int64)


@dataclass(frozen=True)
class Neighbours:
    """Pairs of an atom and a neighbour, sorted by atom, then by distance.

    Attributes:
        i, j: (M,) indices of the atom and of its neighbour.
        distances: (M,) in A.
        vectors: (M, 3) from the atom to the neighbour, in A.
        n_atoms: N.
    """

    i: Ints
    j: Ints
    distances: Floats
    vectors: Floats
    n_atoms: int

    def where(self, mask: Bools) -> Neighbours:
        """Those of a mask (M,)."""
        return Neighbours(
            self.i[mask], self.j[mask], self.distances[mask], self.vectors[mask], self.n_atoms
        )

    @property
    def ranks(self) -> Ints:
        """(M,) 0 for the nearest neighbour of an atom, 1 for the next, ..."""
        numbers = np.bincount(self.i, minlength=self.n_atoms)
        first = np.cumsum(numbers) - numbers
        return np.arange(len(self.i)) - first[self.i]


def neighbours(positions: Floats, cell: Floats, r_max: float) -> Neighbours:
    """All pairs within r_max, both ways, of periodic images too.

    Args:
        positions: (N, 3) in A.
        cell: (3, 3) in A, periodic in all directions.
        r_max: in A.
    """
    from vesin import NeighborList  # an optional package

    # Into the cell: atoms that diffused far away cost a cell list its speed.
    fractional = positions @ np.linalg.inv(cell)
    i, j, distances, vectors = NeighborList(cutoff=r_max, full_list=True).compute(
        points=(fractional - np.floor(fractional)) @ cell, box=cell, periodic=True,
        quantities="ijdD",
    )  # fmt: skip
    i, j = i.astype(np.int64), j.astype(np.int64)
    order = np.lexsort((distances, i))
    return Neighbours(i[order], j[order], distances[order], vectors[order], len(positions))


def with_nearest(
    positions: Floats, cell: Floats, r_max: float, centres: Ints, number: int
) -> Neighbours:
    """As `neighbours`, of a range that grows until each of some atoms has so many neighbours."""
    found = neighbours(positions, cell, r_max)
    while (np.bincount(found.i, minlength=len(positions))[centres] < number).any():
        r_max *= 1.5
        found = neighbours(positions, cell, r_max)
    return found


def first_shells(histogram: PairHistogram, species: Sequence[str]) -> Shells:
    """First shells of the g(r) of a reference of these atoms."""
    numbers = Counter(species)
    elements = tuple(sorted(numbers))
    cutoffs = np.zeros((len(elements), len(elements)))
    bonded = np.zeros(cutoffs.shape, dtype=bool)
    g, n_frames = histogram.curves().y, histogram.n_frames.sum()
    for index, pair in enumerate(histogram.names):
        a, b = pair.split("-")
        found = histogram.counts[:, index, :-1].sum(axis=0).cumsum() / n_frames
        within = found * (2 if a == b else 1) / min(numbers[a], numbers[b])
        peak, end = _shell(g[pair], within, histogram.bin_width)
        row, column = elements.index(a), elements.index(b)
        cutoffs[row, column] = cutoffs[column, row] = end
        radii = covalent_radii[atomic_numbers[a]] + covalent_radii[atomic_numbers[b]]
        bonded[row, column] = bonded[column, row] = 0 < peak <= RADII_FACTOR * radii
    if not bonded.any():
        bonded = cutoffs > 0
    return Shells(elements, cutoffs, bonded)


def _shell(g: Floats, within: Floats, bin_width: float) -> tuple[float, float]:
    """Distance in A of the first peak of g(r), and of the first minimum behind it; 0 without.

    `within` are the neighbours up to the end of each bin, of an atom of the rarer element.
    """
    from scipy.ndimage import gaussian_filter1d  # an optional package
    from scipy.signal import find_peaks

    if not within[-1] > 0:
        return 0.0, 0.0
    smooth = gaussian_filter1d(g, SMOOTHED_A / bin_width, mode="nearest")
    # Too few to be a shell: what is this near is g(r) of a handful of pairs.
    few = int(np.searchsorted(within, MIN_NEIGHBOURS))
    smooth[: few if few < len(g) else 0] = 0
    least = PROMINENCE * float(smooth.max())
    peaks, _ = find_peaks(smooth, prominence=least)
    peak = int(peaks[0]) if len(peaks) else int(np.argmax(smooth))
    minima, _ = find_peaks(-smooth, prominence=least)
    behind = minima[minima > peak]
    if len(behind):
        end = (int(behind[0]) + 0.5) * bin_width
    else:  # the shell reaches as far as g(r) is known, or g(r) has no shells
        beyond = smooth[peak : peak + 1 + round(BEHIND_PEAK_A / bin_width)]
        end = (peak + int(np.argmin(beyond)) + 0.5) * bin_width
    return (peak + 0.5) * bin_width, end
