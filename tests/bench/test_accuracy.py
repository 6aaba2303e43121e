"""Errors of energies and forces, against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from egraff_lmp.bench.accuracy import accuracy
from egraff_lmp.data import Frames
from egraff_lmp.errors import EgraffError


@pytest.fixture
def truth() -> Frames:
    forces = np.zeros((2, 2, 3))
    forces[0, 0, 0] = 3.0
    return Frames(
        species=("Ge", "Te"),
        positions=np.zeros((2, 2, 3)),
        cell=np.zeros((2, 3, 3)),
        pbc=(False, False, False),
        energy=np.array([-10.0, -12.0]),
        forces=forces,
        timestep_fs=None,
        source="truth",
    )


def test_errors_per_atom_and_per_component(truth: Frames) -> None:
    assert truth.forces is not None
    forces = truth.forces.copy()
    forces[1, 1, 2] += 0.12  # one of 12 components
    model = replace(truth, energy=np.array([-10.0, -11.96]), forces=forces, source="model")
    found = accuracy(truth, model, "all")
    assert found.energy_mae_mev_per_atom == pytest.approx(10.0)  # 40 meV / 2 atoms, one of 2 frames
    assert found.energy_rmse_mev_per_atom == pytest.approx(20.0 / np.sqrt(2))
    assert found.force_mae_mev_per_angstrom == pytest.approx(10.0)
    assert found.force_rmse_mev_per_angstrom == pytest.approx(120.0 / np.sqrt(12))
    assert found.force_scale_mev_per_angstrom == pytest.approx(3000.0 / np.sqrt(12))
    assert found.frames == 2


def test_other_frames_or_missing_labels_are_refused(truth: Frames) -> None:
    with pytest.raises(EgraffError, match="expected the 2 frames"):
        accuracy(truth, truth.select(slice(0, 1)), "all")
    with pytest.raises(EgraffError, match="energies and forces in both"):
        accuracy(truth, replace(truth, energy=None), "all")
