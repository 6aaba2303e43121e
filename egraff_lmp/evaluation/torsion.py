"""The dihedral angle that a scan of a molecule turns."""

from __future__ import annotations

from itertools import product

import numpy as np
from ase.data import atomic_numbers
from ase.geometry import get_angles, get_dihedrals
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.score.bonds import bonds_of

Atoms = tuple[int, int, int, int]  # indices from 0, in the order of the chain

TURNED_DEGREES = 30.0  # what changes by less follows something else than its own scan
# A constrained optimiser holds an angle to far less; what goes back by more was not scanned.
BACK_DEGREES = 1.0
# Of the largest change: angles about one bond turn alike, and differ by what is attached to it.
ALIKE = 0.9
# From a straight line: nearer to one a dihedral angle is not defined, or noise.
STRAIGHT_DEGREES = 10.0


def turning(frames: Frames) -> Atoms | None:
    """The four bonded atoms whose dihedral angle goes furthest one way from frame to frame.

    Bonds are those that all frames have. About one bond, the angle between the heaviest ends is
    taken. None where no angle goes one way by `TURNED_DEGREES`, as along a reaction path or in
    frames that are no scan.

    Args:
        frames: of a whole molecule.
    """
    found = chains(frames)
    angles = dihedrals(frames, found)
    steps = np.diff(angles, axis=0)
    one_way = (steps > -BACK_DEGREES).all(axis=0) | (steps < BACK_DEGREES).all(axis=0)
    turned = np.where(one_way, np.ptp(angles, axis=0), 0.0)  # NaN has no way
    largest = float(turned.max(initial=0.0))
    if largest < TURNED_DEGREES:
        return None
    numbers = np.array([atomic_numbers[name] for name in frames.species])
    alike = np.flatnonzero(turned >= ALIKE * largest)
    weights = numbers[found[alike][:, [0, 3]]].sum(axis=1)
    i, j, k, m = (int(atom) for atom in found[alike[int(np.argmax(weights))]])
    return i, j, k, m


def chains(frames: Frames) -> NDArray[np.int64]:
    """Chains of four atoms along bonds that all frames have, (C, 4); each in one direction."""
    each = ({(i, j) for i, j in bonds_of(frames.species, one)} for one in frames.positions)
    bonds = sorted(set.intersection(*each))
    near: dict[int, list[int]] = {}
    for i, j in bonds:
        near.setdefault(i, []).append(j)
        near.setdefault(j, []).append(i)
    found = [
        (i, j, k, m)
        for j, k in bonds
        for i, m in product(near[j], near[k])
        if len({i, j, k, m}) == 4
    ]
    return np.array(found, dtype=np.int64).reshape(-1, 4)


def dihedrals(frames: Frames, atoms: NDArray[np.int64]) -> NDArray[np.float64]:
    """Dihedral angles in degrees, (T, C), without jumps from frame to frame; from (-180, 180] on.

    Args:
        frames: T of them.
        atoms: (C, 4) indices.

    Returns:
        NaN for a chain that is all but straight at an inner atom in some frame.
    """
    found = np.full((len(frames), len(atoms)), np.nan)
    for t, positions in enumerate(frames.positions):
        box = (frames.cell[t], frames.pbc) if any(frames.pbc) else (None, None)
        first, middle, last = (
            positions[atoms[:, n + 1]] - positions[atoms[:, n]] for n in range(3)
        )
        bent = [
            np.abs(get_angles(a, b, *box) - 90) < 90 - STRAIGHT_DEGREES
            for a, b in ((first, middle), (middle, last))
        ]
        kept = np.logical_and(*bent)
        found[t, kept] = get_dihedrals(first[kept], middle[kept], last[kept], *box)
    found = np.where(found > 180, found - 360, found)
    return np.asarray(np.unwrap(found, period=360, axis=0))
