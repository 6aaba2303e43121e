"""Coordinates that follow the atoms: unwrapped, without the drift of the centre of mass.

With w(t) wrapped into the cell h(t), the displacement of each step is the shortest one,

    x(t+1) = x(t) + d - round(d h(t+1)^-1) h(t+1),        d = w(t+1) - w(t),

the toroidal-view-preserving scheme of von Bulow, Bullerjahn and Hummer (J. Chem. Phys. 153 (2020)
021101), which also holds where the cell fluctuates. Coordinates that are unwrapped already come
out as they were, up to a whole lattice vector.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase.data import atomic_masses, atomic_numbers

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.score.arrays import Floats
from egraff_lmp.score.distances import finite_frames
from egraff_lmp.score.records import Fact

# A step of half a cell cannot be told from the one to the other side; beyond this fraction of the
# cell the frames are taken to be too far apart for the atoms to be followed.
AMBIGUOUS_STEP = 0.45


class AmbiguousStep(EgraffError):
    """Atoms that cannot be followed: a step of almost half a cell before `frame`."""

    def __init__(self, frame: int) -> None:
        super().__init__(
            "expected frames close enough in time to follow the atoms, got a step of almost "
            f"half a cell between frames {frame - 1} and {frame}: write frames more often."
        )
        self.frame = frame


def unwrapped(positions: Floats, cell: Floats, pbc: Sequence[bool]) -> Floats:
    """Positions (T, N, 3) in A that are continuous in time.

    They may be wrapped or not; cells (T, 3, 3) in A have lattice vectors as rows. Without any
    periodicity they are returned as they are.

    Raises:
        AmbiguousStep: an atom moves by almost half a cell between two frames: no time series, or
            one with too large a stride.
    """
    if not any(pbc) or len(positions) < 2:
        return positions
    periodic = np.asarray(pbc, dtype=np.float64)
    inverse = np.linalg.inv(cell)
    x, previous = positions.copy(), positions[0]
    for t in range(len(positions)):
        wrapped = positions[t] - (np.floor(positions[t] @ inverse[t]) * periodic) @ cell[t]
        if t:
            step = wrapped - previous
            fraction = step @ inverse[t]
            images = np.round(fraction) * periodic
            if np.max(np.abs(fraction - images) * periodic) > AMBIGUOUS_STEP:
                raise AmbiguousStep(t)
            x[t] = x[t - 1] + step - images @ cell[t]
        previous = wrapped
    return x


def followed(frames: Frames, whose: str) -> Floats | Fact:
    """Unwrapped positions up to the first frame that is not finite, (T', N, 3), or why not.

    `whose` frames they are, "reference" or "rollout 2", is for the reason.
    """
    bad = np.flatnonzero(~finite_frames(frames))
    until = int(bad[0]) if bad.size else len(frames)
    if not until:
        return Fact("starts-not-finite", {"whose": whose})
    try:
        return unwrapped(frames.positions[:until], frames.cell[:until], frames.pbc)
    except AmbiguousStep as error:
        return Fact("cannot-follow", {"whose": whose, "frame": error.frame})


def without_drift(positions: Floats, masses: Floats) -> Floats:
    """Unwrapped positions (T, N, 3) with the centre of mass of every frame at the origin.

    Masses are (N,) in amu.
    """
    centre = np.einsum("tnx,n->tx", positions, masses / masses.sum())
    return positions - centre[:, None]


def masses_of(species: Sequence[str]) -> Floats:
    """Standard atomic masses in amu, (N,)."""
    return np.array([atomic_masses[atomic_numbers[symbol]] for symbol in species])


def neighbour_distances(
    positions: Floats, cell: Floats, pbc: Sequence[bool], at_a_time: int = 256
) -> Floats:
    """Distance of each atom from its nearest neighbour in one frame, (N,) in A.

    Of positions (N, 3) and the cell (3, 3) in A. The images are those of rounded fractions, which
    are the nearest ones up to half the smallest cell height, as neighbours are. Infinite for an
    atom that is alone.
    """
    periodic = np.asarray(pbc, dtype=np.float64)
    inverse = np.linalg.inv(cell) if periodic.any() else np.zeros((3, 3))
    nearest = np.full(len(positions), np.inf)
    for first in range(0, len(positions), at_a_time):
        mine = np.arange(first, min(first + at_a_time, len(positions)))
        vectors = positions[mine, None] - positions[None]
        vectors -= (np.round(vectors @ inverse) * periodic) @ cell
        squared = (vectors**2).sum(axis=2)
        squared[np.arange(len(mine)), mine] = np.inf
        nearest[mine] = np.sqrt(squared.min(axis=1))
    return nearest
