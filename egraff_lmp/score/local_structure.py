"""What surrounds the atoms of a trajectory, counted in one pass over its frames.

Neighbours are listed once a frame, for bond angles, coordination numbers, tetrahedral order and the
bonds of units alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.score.arrays import Floats, Ints
from egraff_lmp.score.bond_angles import N_BINS, angle_counts, triples
from egraff_lmp.score.coordination import MAX_NUMBER, coordination_numbers, number_counts
from egraff_lmp.score.distances import finite_frames
from egraff_lmp.score.neighbours import Neighbours, Shells, neighbours, with_nearest
from egraff_lmp.score.tetrahedral import (
    GROUP_14,
    NEAREST,
    TETRAHEDRAL_ABOVE,
    nearest_vectors,
    tetrahedral_order,
)
from egraff_lmp.score.units import BOND_A, bonds_of_units, intact


@dataclass(frozen=True)
class LocalStructure:
    """Sums over the frames of a trajectory, or of its K blocks of consecutive frames.

    Attributes:
        angles: (K, P, 90) bond angles in bins of 2 degrees, in the order of `bond_angles.triples`.
        numbers: (K, E, E, 32) atoms of one element with 0, 1, ... neighbours of another in first
            shells.
        bonds: (K, 32) atoms with 0, 1, ... bonds.
        tetrahedral: (K, 3) q of the atoms of group 14, those that are tetrahedral, and all of them.
        units: (K, 2) phosphorus atoms with the bonds of the first frame, and all of them.
        n_frames: (K,) finite frames.
    """

    angles: Floats
    numbers: Floats
    bonds: Floats
    tetrahedral: Floats
    units: Floats
    n_frames: Floats


@dataclass(frozen=True)
class _Atoms:
    """What is the same in all frames."""

    shells: Shells
    species: NDArray[np.str_]
    kinds: Ints
    centres: Ints
    first_units: Ints


def local_structure(
    frames: Frames, shells: Shells, *, n_blocks: int = 1, skip: int = 0
) -> LocalStructure:
    """Of the finite frames of a periodic trajectory after the first `skip`.

    Units are compared with the first finite frame, skipped or not.
    """
    good = np.flatnonzero(finite_frames(frames))
    species, used = np.array(frames.species), good[good >= skip]
    first_units = np.zeros((0, 2), dtype=np.int64)
    if len(good):
        first = neighbours(frames.positions[good[0]], frames.cell[good[0]], BOND_A)
        first_units = bonds_of_units(first, species)
    centres = np.flatnonzero(np.isin(species, GROUP_14))
    atoms = _Atoms(shells, species, shells.kinds(frames.species), centres, first_units)
    r_max = max(float(shells.cutoffs.max()), BOND_A)
    n_blocks = max(1, min(n_blocks, len(used)))
    n_elements = len(shells.elements)
    sums = [
        np.zeros((n_blocks, *shape))
        for shape in (
            (len(triples(n_elements)), N_BINS),
            (n_elements, n_elements, MAX_NUMBER + 1),
            (MAX_NUMBER + 1,), (3,), (2,), (),
        )
    ]  # fmt: skip
    blocks = np.arange(len(used)) * n_blocks // max(1, len(used))
    for block, frame in zip(blocks, used, strict=True):
        near = with_nearest(frames.positions[frame], frames.cell[frame], r_max, centres, NEAREST)
        for total, one in zip(sums, _terms(near, atoms), strict=True):
            total[block] += one
    return LocalStructure(*sums)


def _terms(near: Neighbours, atoms: _Atoms) -> tuple[Floats | float, ...]:
    """The fields of `LocalStructure` of one frame."""
    shells, n_elements = atoms.shells, len(atoms.shells.elements)
    pair = atoms.kinds[near.i], atoms.kinds[near.j]
    inside = near.distances < shells.cutoffs[pair]
    bonds = near.where(inside & shells.bonded[pair])
    numbers = coordination_numbers(near.where(inside), atoms.kinds, n_elements)
    by_pair = [
        [number_counts(numbers[atoms.kinds == a, b]) for b in range(n_elements)]
        for a in range(n_elements)
    ]
    n_bonds = np.bincount(bonds.i, minlength=near.n_atoms)
    q = tetrahedral_order(nearest_vectors(near, atoms.centres))
    tetrahedral = (q > TETRAHEDRAL_ABOVE) & (n_bonds[atoms.centres] == NEAREST)
    whole = intact(bonds_of_units(near, atoms.species), atoms.first_units)
    return (
        angle_counts(bonds, atoms.kinds, n_elements),
        np.array(by_pair),
        number_counts(n_bonds),
        np.array([q.sum(), tetrahedral.sum(), len(q)]),
        np.array([whole.sum(), len(whole)], dtype=np.float64),
        1.0,
    )
