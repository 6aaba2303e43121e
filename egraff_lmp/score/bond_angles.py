"""Angles between bonds, by element at their centre and at their ends.

Two neighbours j and k of an atom i, each within the first shell of its pair of elements, form the
angle theta with cos(theta) = r_ij . r_ik / (|r_ij| |r_ik|). Distributions are counts of angles in
bins of equal width, not divided by sin(theta).
"""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np

from egraff_lmp.score.arrays import Floats, Ints
from egraff_lmp.score.neighbours import Neighbours

N_BINS = 90  # of 2 degrees
# Nearest neighbours of an atom whose angles are taken: no first shell has as many, atoms that fell
# onto each other do.
MAX_NEIGHBOURS = 64


def angles(near: Neighbours) -> tuple[Floats, Ints]:
    """Angles in degrees, (A,), between all pairs of neighbours of each atom.

    Also the atoms, (A, 3), at one end, at the centre and at the other end.
    """
    ranks = near.ranks
    kept = ranks < MAX_NEIGHBOURS
    near, ranks = near.where(kept), ranks[kept]
    width = int(ranks.max(initial=-1)) + 1
    units = np.zeros((near.n_atoms, width, 3))
    ends = np.full((near.n_atoms, width), -1)
    with np.errstate(invalid="ignore"):  # atoms at one place have no direction
        units[near.i, ranks] = near.vectors / near.distances[:, None]
    ends[near.i, ranks] = near.j
    first, second = np.triu_indices(width, 1)
    centre, pair = np.nonzero(ends[:, second] >= 0)  # sorted: the first is there as well
    a, b = first[pair], second[pair]
    cosines = np.einsum("ax,ax->a", units[centre, a], units[centre, b])
    found = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
    good = np.isfinite(found)
    return found[good], np.column_stack([ends[centre, a], centre, ends[centre, b]])[good]


def triples(n_elements: int) -> Ints:
    """(P, 3) elements a, c, b of angles a-c-b with a <= b, one row for each that differs."""
    ends = combinations_with_replacement(range(n_elements), 2)
    return np.array([(a, c, b) for a, b in ends for c in range(n_elements)])


def angle_counts(near: Neighbours, kinds: Ints, n_elements: int) -> Floats:
    """Angles of each kind in bins over 0 to 180 degrees, (P, N_BINS), as `triples` lists them.

    Args:
        near: the bonds, both ways.
        kinds: (N,) element of each atom, 0 to n_elements - 1.
        n_elements: E.
    """
    found, atoms = angles(near)
    of = np.zeros((n_elements,) * 3, dtype=np.int64)
    rows = triples(n_elements)
    of[rows[:, 0], rows[:, 1], rows[:, 2]] = of[rows[:, 2], rows[:, 1], rows[:, 0]] = np.arange(
        len(rows)
    )
    a, c, b = kinds[atoms].T
    # An angle of a perfect lattice on an edge belongs above it, whatever rounding did.
    bins = np.minimum(found * (N_BINS / 180) + 1e-6, N_BINS - 1).astype(np.int64)
    counts = np.bincount(of[a, c, b] * N_BINS + bins, minlength=len(rows) * N_BINS)
    return counts.reshape(len(rows), N_BINS).astype(np.float64)
