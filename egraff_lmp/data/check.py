"""Are the labels of a data set fit to learn from? Non-finite values, and units that look wrong."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError

logger = logging.getLogger(__name__)

# Root-mean-square force components of molecular dynamics up to 3000 K are 0.3 to 1.5 eV/A in
# every set of EGraFFBench; the same numbers in kcal/mol/A are 23.06 times larger, 7 to 35.
KCAL_SUSPICION_EV_PER_A = 5.0


def check_labels(frames: Frames) -> None:
    """Refuse non-finite positions, cells, energies or forces; warn of forces in kcal/mol/A.

    Raises:
        EgraffError: names the array, how many frames, and which (the first few).
    """
    require_finite(frames)
    warn_of_units(frames)


def require_finite(frames: Frames) -> None:
    """Refuse non-finite positions, cells, energies, forces or stresses.

    Raises:
        EgraffError: names the array, how many frames, and which (the first few).
    """
    arrays = {
        "positions": frames.positions,
        "cell": frames.cell,
        "energy": frames.energy,
        "forces": frames.forces,
        "stress": frames.stress,
        "weights": frames.weights,
    }
    for name, array in arrays.items():
        if array is None:
            continue
        finite = np.isfinite(array).reshape(len(frames), -1).all(axis=1)
        bad = np.flatnonzero(~finite)
        if bad.size:
            shown = ", ".join(str(index) for index in bad[:8]) + (", ..." if bad.size > 8 else "")
            raise EgraffError(
                f"{frames.source}: expected finite numbers, got non-finite {name} in {bad.size} "
                f"of {len(frames)} frames (frames {shown}): remove these frames."
            )


def warn_of_units(frames: Frames) -> None:
    """Log a warning where the forces are so large that they are likely in kcal/mol/A."""
    suspicion = unit_suspicion(frames)
    if suspicion is not None:
        logger.warning("%s", suspicion)


@contextmanager
def units_are_judged() -> Iterator[None]:
    """Readers log no warning of units within: who reads judges them by `unit_suspicion`."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def unit_suspicion(frames: Frames) -> str | None:
    """A sentence where the forces are so large that they are likely in kcal/mol/A, else None."""
    if frames.forces is None or not frames.forces.size:
        return None
    rms = float(np.sqrt(np.mean(frames.forces**2)))
    if rms <= KCAL_SUSPICION_EV_PER_A:
        return None
    return (
        f"{frames.source}: the root-mean-square force is {rms:.1f}, too large for eV/A and usual "
        "for kcal/mol/A: if so, `egraff data convert FILE out.npz --energy-unit kcal/mol` makes a "
        "file in eV."
    )
