"""Errors of energies and forces between two records of the same frames."""

from __future__ import annotations

import numpy as np

from egraff_lmp.data import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.report import Accuracy

MEV = 1000.0


def accuracy(truth: Frames, model: Frames, window: str) -> Accuracy:
    """Mean absolute and root-mean-square errors: energy per atom, forces per component.

    Args:
        truth: T frames with energies (eV) and forces (eV/A).
        model: the same frames as the model sees them.
        window: what the frames are, for the reader.

    Raises:
        EgraffError: other frames, or energies or forces missing.
    """
    if truth.species != model.species or len(truth) != len(model):
        raise EgraffError(
            f"{model.source}: expected the {len(truth)} frames of {truth.source}, got "
            f"{len(model)} frames of {model.n_atoms} atoms."
        )
    if truth.energy is None or truth.forces is None or model.energy is None or model.forces is None:
        raise EgraffError(f"{truth.source}, {model.source}: expected energies and forces in both.")
    energy = MEV * (model.energy - truth.energy) / truth.n_atoms
    forces = MEV * (model.forces - truth.forces)
    return Accuracy(
        energy_mae_mev_per_atom=float(np.abs(energy).mean()),
        energy_rmse_mev_per_atom=_rms(energy),
        force_mae_mev_per_angstrom=float(np.abs(forces).mean()),
        force_rmse_mev_per_angstrom=_rms(forces),
        force_scale_mev_per_angstrom=_rms(MEV * truth.forces),
        frames=len(truth),
        window=window,
    )


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))
