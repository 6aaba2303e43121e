"""Whether the forces of a deployed model turn along with the atoms: F(Rx) = R F(x).

EGraFFBench draws it as its Fig. 1; here it is measured, on a frame that no model was trained on.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.results.record import Equivariance
from egraff_lmp.verify.structures import random_rotation

SEEDS = (1, 2, 3)
EV_TO_MEV = 1000.0

Floats = NDArray[np.float64]
# Forces (N, 3) in eV/A of positions (N, 3) and a cell (3, 3) in A.
Forces = Callable[[Floats, Floats], Floats]


def equivariance(forces: Forces, positions: Floats, cell: Floats) -> Equivariance:
    """The largest deviation of a force component under rotations and under inversion.

    Args:
        forces: of the model.
        positions: (N, 3) in A.
        cell: (3, 3) in A, zero without one.
    """
    base = forces(positions, cell)

    def deviation(matrix: Floats) -> float:
        turned = forces(positions @ matrix, cell @ matrix)
        return EV_TO_MEV * float(np.abs(turned - base @ matrix).max())

    return Equivariance(
        rotation=max(deviation(random_rotation(seed)) for seed in SEEDS),
        inversion=deviation(-np.eye(3)),
        rms_force=EV_TO_MEV * float(np.sqrt((base**2).mean())),
    )
