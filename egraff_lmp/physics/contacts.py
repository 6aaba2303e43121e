"""How close atoms are, in units of their covalent radii."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from numpy.typing import NDArray

from egraff_lmp.graph import find_edges

# No bond of any element is shorter than this share of its sum of covalent radii, at any temperature
# that matters: what is closer has fallen into a hole of the potential.
TOO_CLOSE = 0.6


def closest_share(
    species: Sequence[str],
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    pbc: tuple[bool, bool, bool] | NDArray[np.bool_],
) -> float:
    """Smallest distance of two atoms over the sum of their covalent radii; at most 1.

    Radii are those of B. Cordero et al., Dalton Trans. 2832 (2008), as ase has them.

    Args:
        species: element of each atom, length N.
        positions: (N, 3) in A.
        cell: (3, 3) in A, rows are lattice vectors.
        pbc: periodicity along each lattice vector.
    """
    radii = np.array([covalent_radii[atomic_numbers[element]] for element in species])
    edges = find_edges(positions, cell, pbc, 2 * float(radii.max()))
    if not edges.index.shape[1]:
        return 1.0
    lengths = np.linalg.norm(edges.vectors(positions, cell), axis=1)
    return float(min(1.0, (lengths / radii[edges.index].sum(axis=0)).min()))
