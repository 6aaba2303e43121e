"""Which sites of a crystal are equivalent, and which directions at a site, by trying.

A symmetry of a lattice is an integer matrix W in the basis of its vectors that keeps the metric G:
W G W^T = G. Entries of -1, 0 and 1 are enough for the cells of known crystals; in a cell with long
and slanted vectors some symmetries are missed, and less is claimed.
"""

from __future__ import annotations

import itertools

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

Floats = NDArray[np.float64]

METRIC = 1e-3  # of the largest entry: a relaxed cell is as symmetric as its stress in float32
SITE_ANGSTROM = 0.02


def lattice_operations(cell: Floats) -> Floats:
    """Integer matrices that keep the metric of a cell, (K, 3, 3).

    Args:
        cell: (3, 3) in A, rows are lattice vectors.
    """
    metric = cell @ cell.T
    bound = METRIC * np.abs(metric).max()
    rows = np.array(list(itertools.product((-1, 0, 1), repeat=3)), dtype=np.float64)
    lengths = np.einsum("ni,ij,nj->n", rows, metric, rows)
    images = [rows[np.abs(lengths - metric[i, i]) < bound] for i in range(3)]
    found = np.array([np.stack(three) for three in itertools.product(*images)])
    kept = np.abs(found @ metric @ found.transpose(0, 2, 1) - metric).max(axis=(1, 2)) < bound
    return found[kept]


def operations(atoms: Atoms, first: int, second: int) -> Floats:
    """Rotations and reflections that bring atom `first` to `second` and the crystal to itself.

    Args:
        atoms: a crystal.
        first, second: indices of atoms.

    Returns:
        (K, 3, 3); a vector v at the first atom becomes v @ R at the second.
    """
    cell, scaled = np.asarray(atoms.cell), atoms.get_scaled_positions()
    numbers = atoms.numbers
    inverse = np.linalg.inv(cell)
    found = []
    for matrix in lattice_operations(cell):
        moved = (scaled - scaled[first]) @ matrix + scaled[second]
        apart = moved[:, None] - scaled[None]
        distances = np.linalg.norm((apart - np.rint(apart)) @ cell, axis=2)
        hit = (distances < SITE_ANGSTROM) & (numbers[:, None] == numbers[None])
        if hit.any(axis=1).all():
            found.append(inverse @ matrix @ cell)
    return np.array(found).reshape(-1, 3, 3)


def site_kinds(atoms: Atoms) -> list[list[int]]:
    """Atoms of a crystal in groups that its symmetry makes equal, in the order of their first."""
    kinds: list[list[int]] = []
    for atom in range(len(atoms)):
        for kind in kinds:
            same = atoms.numbers[kind[0]] == atoms.numbers[atom]
            if same and len(operations(atoms, kind[0], atom)):
                kind.append(atom)
                break
        else:
            kinds.append([atom])
    return kinds
