"""Bonds of a molecule, from the distances of one frame and covalent radii (ASE)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# A bond is shorter than this times the sum of the covalent radii (Cordero et al., 2008).
RADII_FACTOR = 1.25


def bonds_of(species: Sequence[str], positions: NDArray[np.float64]) -> NDArray[np.int64]:
    """Pairs of bonded atoms, (B, 2), first index the smaller one.

    Args:
        species: element of each of N atoms.
        positions: (N, 3) in A of a molecule that is whole.
    """
    from ase.data import atomic_numbers, covalent_radii
    from scipy.spatial import KDTree

    radii = np.array([covalent_radii[atomic_numbers[symbol]] for symbol in species])
    near = KDTree(positions).query_pairs(2 * RADII_FACTOR * radii.max(), output_type="ndarray")
    i, j = near.T
    length = np.linalg.norm(positions[i] - positions[j], axis=1)
    bonded = near[length < RADII_FACTOR * (radii[i] + radii[j])].astype(np.int64)
    return bonded[np.lexsort((bonded[:, 1], bonded[:, 0]))]


def bond_lengths(positions: NDArray[np.float64], bonds: NDArray[np.int64]) -> NDArray[np.float64]:
    """Lengths in A, (T, B), of bonds (B, 2) in frames (T, N, 3)."""
    i, j = bonds.T
    return np.asarray(np.linalg.norm(positions[:, i] - positions[:, j], axis=-1))
