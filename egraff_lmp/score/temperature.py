"""Kinetic temperature of frames with velocities.

    T(t) = sum_i m_i |v_i(t)|^2 / ((3 N - 3) k_B)

as LAMMPS' `compute temp` has it: three degrees of freedom belong to the centre of mass, whose
motion counts in the sum nevertheless.
"""

from __future__ import annotations

import numpy as np
from ase.units import fs, kB

from egraff_lmp.score.arrays import Floats
from egraff_lmp.score.unwrap import masses_of


def kinetic_temperature(velocities: Floats, species: tuple[str, ...]) -> Floats:
    """T in K, (T,), from velocities (T, N, 3) in A/ps (metal units) of N elements."""
    moving = velocities / (1000 * fs)  # A/ps in ASE's unit of velocity
    twice_kinetic = np.einsum("n,tni,tni->t", masses_of(species), moving, moving)
    return np.asarray(twice_kinetic / (max(3 * len(species) - 3, 1) * kB))
