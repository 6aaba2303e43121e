"""Thresholds of the checks by the precision of the network, each with its reason.

Forces and energies are judged in units of the largest force of the structure where that exceeds
1 eV/A: rounding grows with the numbers that are added.
"""

from __future__ import annotations

from dataclasses import dataclass

from egraff_lmp.compare.compare import (
    TOLERANCE_FLOAT32,
    TOLERANCE_FLOAT64,
    TOLERANCE_PYTHON_FLOAT64,
)
from egraff_lmp.contract import Contract


@dataclass(frozen=True)
class Precision:
    """Thresholds for one precision.

    Attributes:
        layout: eV, eV/A: two orders of summation of the same graph (see `egraff compare`).
        python: eV, eV/A: Python's edge vectors differ from LAMMPS' in the last digits; also two
            orientations or origins of the same structure.
        derivative: relative to the largest force or virial: what Ridders' extrapolation leaves of
            an energy that is known to eps. float64: eps is 1e-15 and its noise below 1e-9.
            float32: the energies of some 60 atoms change, each known to 1e-7 eV, at a step of
            0.05 A: 1e-5 eV/A, which extrapolation magnifies ten times; ten times that is allowed.
        jump_ev: eV: an energy on both sides of the cutoff, extrapolated to it. float64: the third
            power of the step of 1e-3 A. float32: rounding of the energies of 30 atoms, taken
            three times.
        jump_ev_per_a: eV/A: the same of forces, which are one derivative rougher.
        rest: eV/A: force at a symmetric site, which is zero but for rounding.
        sums: relative to the sum of the terms' sizes: float64 sums in different orders.
    """

    layout: float
    python: float
    derivative: float
    jump_ev: float
    jump_ev_per_a: float
    rest: float
    sums: float = 1e-11


FLOAT64 = Precision(
    layout=TOLERANCE_FLOAT64,
    python=TOLERANCE_PYTHON_FLOAT64,
    derivative=1e-6,
    jump_ev=1e-7,
    jump_ev_per_a=1e-4,
    rest=1e-8,
)
FLOAT32 = Precision(
    layout=TOLERANCE_FLOAT32,
    python=TOLERANCE_FLOAT32,
    derivative=1e-3,
    jump_ev=3e-5,
    jump_ev_per_a=3e-4,
    rest=2e-4,
)


def precision_of(contract: Contract) -> Precision:
    """The thresholds for a deployed file."""
    return FLOAT64 if contract.dtype == "float64" else FLOAT32
