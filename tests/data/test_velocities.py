"""Velocities by central differences: exact for known motions, refused where frames are missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from egraff_lmp.data.frames import Frames
from egraff_lmp.data.velocities import recovered_velocities
from egraff_lmp.errors import EgraffError

STEP_FS = 2.0


def moving(positions: np.ndarray, periodic: bool = False) -> Frames:
    """Frames (T, N, 3) of carbon in a cube of 5 A."""
    cell = np.tile(5.0 * np.eye(3), (len(positions), 1, 1))
    species = ("C",) * positions.shape[1]
    return Frames(
        species, positions, cell, (periodic,) * 3, None, None, timestep_fs=STEP_FS, source="made"
    )


def test_uniform_motion_is_exact_across_the_boundary() -> None:
    velocity = np.array([[0.3, -0.2, 0.1], [0.05, 0.0, -0.4]])  # A/fs
    times = STEP_FS * np.arange(5)
    positions = np.array([[0.1, 0.2, 4.9], [4.9, 2.0, 0.2]]) + times[:, None, None] * velocity
    frames = moving(positions % 5.0, periodic=True)
    for index in (1, 2, 3):
        np.testing.assert_allclose(recovered_velocities(frames, index), velocity, atol=1e-12)


def test_an_oscillation_is_short_by_the_known_factor() -> None:
    omega = 2 * np.pi / 30.0  # one period in 30 fs
    times = STEP_FS * np.arange(-1, 2)
    positions = np.zeros((3, 1, 3))
    positions[:, 0, 0] = np.sin(omega * times)
    found = recovered_velocities(moving(positions), 1)[0, 0]
    assert found == pytest.approx(omega * np.sinc(omega * STEP_FS / np.pi), rel=1e-12)


def test_frames_that_are_missing_are_noticed() -> None:
    times = np.array([0.0, 2.0, 4.0, 22.0, 24.0])
    frames = moving(times[:, None, None] * np.ones((1, 2, 3)) * 0.01)
    recovered_velocities(frames, 1)
    for index in (2, 3):
        with pytest.raises(EgraffError, match="frames are missing there"):
            recovered_velocities(frames, index)
    for index in (0, 4, 9):
        with pytest.raises(EgraffError, match="from 1 to 3"):
            recovered_velocities(frames, index)
    with pytest.raises(EgraffError, match="Maxwell-Boltzmann"):
        recovered_velocities(replace(frames, timestep_fs=None), 1)


def test_real_trajectory_has_its_temperature(ab_initio_data, monkeypatch) -> None:
    """GeTe at about 915 K: the kinetic temperature of recovered velocities says so."""
    from ase import Atoms, units

    from egraff_lmp.data.table import read_source

    monkeypatch.setenv("EGRAFF_DATA", str(ab_initio_data))
    frames = replace(read_source("gete:test", None), timestep_fs=1.209)
    found = []
    for index in (20, 100, 180):
        atoms = Atoms(frames.species)
        atoms.set_velocities(recovered_velocities(frames, index) / units.fs)
        found.append(atoms.get_temperature())
    assert np.mean(found) == pytest.approx(915, rel=0.1)  # of three frames of 200 atoms
