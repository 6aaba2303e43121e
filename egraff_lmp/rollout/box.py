"""The simulation box of LAMMPS: a lower triangular cell, and the rotation that leads to it.

LAMMPS wants the first lattice vector along x, the second in the xy plane, and a right-handed
cell (https://docs.lammps.org/Howto_triclinic.html). Energies do not care; vectors do, so whatever
goes to LAMMPS is rotated and whatever comes back is rotated back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.calculators.lammps.coordinatetransform import Prism
from numpy.typing import NDArray

from egraff_lmp.errors import EgraffError

# Space between the outermost atoms and the faces of a box that is not periodic; LAMMPS then wraps
# the box around the atoms at every rebuild (boundary s).
PADDING = 1.0
# Tilts below this fraction of the cell are rounding errors of a rotation, not a shear.
TILT_NOISE = 1e-13


@dataclass(frozen=True)
class LammpsBox:
    """A box in LAMMPS' frame.

    Attributes:
        origin: (3,) lower corner in A.
        matrix: (3, 3) lower triangular lattice vectors (rows) in A.
        rotation: (3, 3); a row vector v of the user's frame is v @ rotation in LAMMPS' frame.
        boundary: the arguments of LAMMPS' `boundary` command: p, or s where not periodic.
    """

    origin: NDArray[np.float64]
    matrix: NDArray[np.float64]
    rotation: NDArray[np.float64]
    boundary: str

    @property
    def is_triclinic(self) -> bool:
        """Whether any tilt factor differs from zero."""
        return bool(np.any(self.tilts != 0.0))

    @property
    def tilts(self) -> NDArray[np.float64]:
        """Tilt factors xy, xz, yz in A."""
        return self.matrix[(1, 2, 2), (0, 0, 1)]

    def to_lammps(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Vectors (..., 3) of the user's frame, in LAMMPS' frame."""
        return vectors @ self.rotation

    def from_lammps(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Vectors (..., 3) of LAMMPS' frame, in the user's frame."""
        return vectors @ self.rotation.T


def lammps_box(
    cell: NDArray[np.float64],
    pbc: tuple[bool, bool, bool],
    positions: NDArray[np.float64],
    source: str,
) -> LammpsBox:
    """The box for a cell and its atoms.

    Lattice vectors that are not periodic are replaced by normals that span the atoms. A
    left-handed periodic cell has two of its vectors exchanged, which is the same lattice.

    Args:
        cell: (3, 3) in A, rows are lattice vectors; rows that are not periodic are ignored.
        pbc: periodicity along each lattice vector.
        positions: (N, 3) in A.
        source: where they come from, for messages.

    Raises:
        EgraffError: non-finite numbers, or periodic vectors that span no volume.
    """
    if not np.isfinite(positions).all() or not np.isfinite(cell).all():
        raise EgraffError(f"{source}: expected finite positions and cell, got NaN or infinity.")
    periodic = np.asarray(pbc, dtype=bool)
    lattice = _right_handed(_completed(np.asarray(cell, dtype=np.float64), periodic, source))
    matrix, rotation = _lower_triangular(lattice)
    origin = np.zeros(3)
    if not periodic.all():
        rotated = positions @ rotation
        low, high = rotated.min(axis=0) - PADDING, rotated.max(axis=0) + PADDING
        for axis in np.flatnonzero(~periodic):
            origin[axis] = low[axis]
            matrix[axis] = 0.0
            matrix[axis, axis] = high[axis] - low[axis]
    return LammpsBox(origin, matrix, rotation, " ".join("p" if p else "s" for p in periodic))


def _completed(
    cell: NDArray[np.float64], periodic: NDArray[np.bool_], source: str
) -> NDArray[np.float64]:
    """The cell with its non-periodic rows replaced by unit normals of the periodic ones."""
    if not periodic.any():
        return np.eye(3)
    rows = cell[periodic]
    lengths = np.linalg.norm(rows, axis=1)
    if (lengths == 0).any():
        axes = ", ".join("abc"[i] for i in np.flatnonzero(periodic) if not cell[i].any())
        raise EgraffError(
            f"{source}: expected a lattice vector along each direction that is periodic, got none "
            f"along {axes} (zero length): give the structure its cell, or say that it is not "
            "periodic there (pbc F)."
        )
    _, singular, basis = np.linalg.svd(rows)
    if singular[-1] < 1e-8 * singular[0]:
        raise EgraffError(
            f"{source}: expected lattice vectors that span a volume along the periodic "
            f"directions, got {cell.tolist()}: check cell and pbc of the structure."
        )
    completed = cell.copy()
    completed[~periodic] = basis[len(rows) :]
    if not periodic.all() and np.linalg.det(completed) < 0:
        completed[np.flatnonzero(~periodic)[0]] *= -1
    return completed


def _right_handed(lattice: NDArray[np.float64]) -> NDArray[np.float64]:
    return lattice if np.linalg.det(lattice) > 0 else lattice[[1, 0, 2]]


def _lower_triangular(
    lattice: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The lattice in LAMMPS' frame, and the rotation; exact where nothing has to be rotated."""
    if not np.triu(lattice, 1).any() and (np.diag(lattice) > 0).all():
        return lattice.copy(), np.eye(3)
    prism = Prism(lattice)
    matrix = np.array(prism.lammps_tilt)
    matrix[np.abs(matrix) < TILT_NOISE * np.abs(matrix).max()] = 0.0
    return matrix, np.array(prism.rot_mat)


def require_cell_for_pressure(boundary: str, source: str) -> None:
    """Refuse a constant pressure, or a cell that relaxes, for a slab, a wire or a molecule.

    Raises:
        EgraffError: a direction that is not periodic.
    """
    if set(boundary) - {"p", " "}:
        raise EgraffError(
            f"{source}: expected a cell that is periodic along all three directions for a constant "
            f"pressure, got boundary '{boundary}': a slab or molecule has vacuum around it, no "
            "volume, and so no pressure; take nvt and a fixed cell, or make the cell periodic."
        )
