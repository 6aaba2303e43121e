"""Coordination numbers: how many neighbours of one element the atoms of another have."""

from __future__ import annotations

import numpy as np

from egraff_lmp.score.arrays import Floats, Ints
from egraff_lmp.score.neighbours import Neighbours

MAX_NUMBER = 31  # of neighbours that are told apart; more are counted with these


def coordination_numbers(near: Neighbours, kinds: Ints, n_elements: int) -> Ints:
    """Neighbours of each element of each atom, (N, E).

    Args:
        near: the pairs that count, both ways.
        kinds: (N,) element of each atom, 0 to n_elements - 1.
        n_elements: E.
    """
    counts = np.bincount(near.i * n_elements + kinds[near.j], minlength=near.n_atoms * n_elements)
    return counts.reshape(near.n_atoms, n_elements).astype(np.int64)


def number_counts(numbers: Ints) -> Floats:
    """How many of the numbers (M,) are 0, 1, ... `MAX_NUMBER` or more, (MAX_NUMBER + 1,)."""
    clipped = np.minimum(numbers, MAX_NUMBER)
    return np.bincount(clipped, minlength=MAX_NUMBER + 1).astype(np.float64)
