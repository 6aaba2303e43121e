"""Velocities that a reference implies: sets of frames bring none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.data.timeline import displacements
from egraff_lmp.errors import EgraffError

# The two displacements around a frame of a trajectory are nearly the same vector; those of
# unrelated frames, or across a gap, are not. The square of the largest ratio that passes.
_LARGEST_RATIO = 4.0


def recovered_velocities(frames: Frames, index: int) -> NDArray[np.float64]:
    """Velocities at frame `index` by central differences, (N, 3) in A/fs.

    v(t) = [x(t + dt) - x(t - dt)] / (2 dt), nearest images; the error is of order dt^2: for an
    oscillation of period T a factor sin(2 pi dt / T) / (2 pi dt / T).

    Args:
        frames: consecutive frames with a time step.
        index: a frame that has one before and one after it.

    Raises:
        EgraffError: no time step, no neighbours in time, or neighbours so different that frames
            are missing between them.
    """
    step = frames.timestep_fs
    if step is None:
        raise EgraffError(
            f"{frames.source}: expected consecutive frames with a time step to recover velocities "
            "from, got none: draw Maxwell-Boltzmann velocities."
        )
    if not 0 < index < len(frames) - 1:
        raise EgraffError(
            f"{frames.source}: expected a frame from 1 to {len(frames) - 2}, with one before and "
            f"one after it to recover velocities from, got {index}: start from another."
        )
    before, after = displacements(
        frames, np.array([index - 1, index]), np.array([index, index + 1])
    )
    squares = float((before**2).sum()), float((after**2).sum())
    if max(squares) > _LARGEST_RATIO * min(squares):
        lengths = [np.sqrt(s / frames.n_atoms) for s in squares]
        raise EgraffError(
            f"{frames.source}: expected frames {index - 1} to {index + 1} to be equally far apart "
            f"in time, got rms displacements of {lengths[0]:.3g} and {lengths[1]:.3g} A: frames "
            "are missing there, start from another."
        )
    return (before + after) / (2 * step)
