"""Bonds of a molecule, from distances of one frame and covalent radii (ASE); which to watch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.neighborlist import natural_cutoffs, neighbor_list

from egraff_lmp.data.frames import Frames
from egraff_lmp.score.arrays import Floats, Ints
from egraff_lmp.score.distances import finite_frames
from egraff_lmp.score.stability import BOND_THRESHOLD_A

# A bond is shorter than this times the sum of the covalent radii (Cordero et al., 2008).
RADII_FACTOR = 1.25


def bonds_of(species: Sequence[str], positions: Floats) -> Ints:
    """Pairs of bonded atoms, (B, 2), the smaller index first, of a whole molecule (N, 3) in A."""
    atoms = Atoms(species, positions)
    bonds = np.column_stack(neighbor_list("ij", atoms, natural_cutoffs(atoms, RADII_FACTOR)))
    bonds = bonds[bonds[:, 0] < bonds[:, 1]].astype(np.int64)
    return bonds[np.lexsort((bonds[:, 1], bonds[:, 0]))]


def bond_lengths(positions: Floats, bonds: Ints) -> Floats:
    """Lengths in A, (T, B), of bonds (B, 2) in frames (T, N, 3)."""
    i, j = bonds.T
    return np.asarray(np.linalg.norm(positions[:, i] - positions[:, j], axis=-1))


@dataclass(frozen=True)
class WatchedBonds:
    """The bonds of a molecule that must not break.

    Attributes:
        pairs: (B, 2) indices of atoms.
        equilibrium: (B,) mean lengths in the reference, A.
        names: of the B bonds.
        unwatched: names of bonds that break in the reference itself.
    """

    pairs: Ints
    equilibrium: Floats
    names: tuple[str, ...]
    unwatched: tuple[str, ...]


def watched_bonds(reference: Frames, mode: str) -> WatchedBonds:
    """Bonds of the reference's first finite frame.

    In `egraff` mode those alone that stay within the threshold of their mean in all its frames: a
    model that does as the reference does is not unstable. In `paper` mode all, as eq. 9 has it.
    """
    good = reference.positions[finite_frames(reference)]
    pairs = bonds_of(reference.species, good[0])
    lengths = bond_lengths(good, pairs)
    equilibrium = lengths.mean(axis=0)
    kept = np.ones(len(pairs), dtype=bool)
    if mode == "egraff":
        kept = (np.abs(lengths - equilibrium) <= BOND_THRESHOLD_A).all(axis=0)
    species = reference.species
    names = np.array([f"{species[i]}{i}-{species[j]}{j}" for i, j in pairs.tolist()], dtype=object)
    return WatchedBonds(pairs[kept], equilibrium[kept], tuple(names[kept]), tuple(names[~kept]))
