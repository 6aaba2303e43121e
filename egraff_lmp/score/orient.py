"""Vectors of two programs in one frame of reference.

LAMMPS wants the first lattice vector along x and the second in the xy plane, and turns any other
cell (LiPS) there before it runs. Distances do not notice; forces set side by side do.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from egraff_lmp.data.frames import Frames
from egraff_lmp.score.arrays import Floats

# Cells that differ by more than this (relative) are not one cell seen from two sides.
STRAIN = 0.1
# Rotations smaller than this (rad) are digits of the cell, not a rotation.
ANGLE = 1e-4


def rotation_between(cell: Floats, other: Floats) -> Floats | None:
    """The proper rotation Q with other @ Q close to cell, (3, 3); None where there is none.

    The nearest rotation is taken from the polar decomposition of other^-1 cell. Where one cell is
    left-handed and the other is not, two lattice vectors have been exchanged (LAMMPS needs a
    right-handed cell); the exchange that fits best is undone.

    Args:
        cell: (3, 3) in A, rows are lattice vectors.
        other: the same.
    """
    if not (np.isfinite(cell).all() and np.isfinite(other).all()):
        return None
    if min(abs(np.linalg.det(cell)), abs(np.linalg.det(other))) == 0:
        return None
    same_hand = np.linalg.det(cell) * np.linalg.det(other) > 0
    orders = [[0, 1, 2]] if same_hand else [[1, 0, 2], [0, 2, 1], [2, 1, 0]]
    changes = [np.linalg.svd(np.linalg.solve(other[order], cell)) for order in orders]
    u, stretch, v = min(changes, key=lambda change: np.abs(change[1] - 1).max())
    return u @ v if np.abs(stretch - 1).max() < STRAIN else None


def oriented_like(truth: Frames, model: Frames) -> tuple[Frames, bool]:
    """`model` with positions, cells and forces turned into the frame of `truth`.

    Returns:
        The frames, and whether they had to be turned. They are left as they are where no rotation
        relates the first cells, and without a cell.
    """
    if not all(truth.pbc) or not len(truth) or not len(model):
        return model, False
    rotation = rotation_between(truth.cell[0], model.cell[0])
    if rotation is None or np.abs(rotation - np.eye(3)).max() < ANGLE:
        return model, False
    turned = replace(
        model,
        positions=model.positions @ rotation,
        cell=model.cell @ rotation,
        forces=None if model.forces is None else model.forces @ rotation,
    )
    return turned, True
