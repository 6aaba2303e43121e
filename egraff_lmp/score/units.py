"""Whether the thiophosphate units of a solid electrolyte stay what they were.

The unit that a phosphorus atom belongs to is told by its bonds: four S in PS4, and in P2S7, where
two PS4 share one; three S and one P in P2S6. It is intact in a frame where the numbers of S and P
bonded to the atom are those of the first frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.score.arrays import Bools, Ints
from egraff_lmp.score.neighbours import Neighbours

CENTRE, LIGAND = "P", "S"
# P-S bonds are 2.05 A long and P-P bonds 2.25 A. In Li6.75P3S11 at 520 K (1000 frames of density
# functional theory) no bond is longer than 2.61 A, and no other S or P nearer than 3.25 A.
BOND_A = 2.9


def bonds_of_units(near: Neighbours, species: NDArray[np.str_]) -> Ints:
    """Numbers of S and of P bonded to each P, (C, 2), in the order of the atoms."""
    bonds = near.where(near.distances < BOND_A)
    centres = np.flatnonzero(species == CENTRE)
    found = [
        np.bincount(bonds.i[species[bonds.j] == element], minlength=near.n_atoms)[centres]
        for element in (LIGAND, CENTRE)
    ]
    return np.column_stack(found)


def intact(bonds: Ints, first: Ints) -> Bools:
    """Which P have as many S and P bonded to them as in the first frame, (C,) from (C, 2)."""
    return np.asarray((bonds == first).all(axis=1))
