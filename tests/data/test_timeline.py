"""Statistics of consecutive frames against closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.data import atomic_masses
from ase.units import fs, kB

from egraff_lmp.data import timeline
from egraff_lmp.data.frames import Frames

SIGMAS = 5.0  # of a mean over independent samples
N_FRAMES, N_ATOMS = 400, 30


def frames_of(positions, species="Ar", cell=None, **labels):
    n_frames, n_atoms, _ = positions.shape
    return Frames(
        species=(species,) * n_atoms,
        positions=positions,
        cell=np.broadcast_to(np.zeros((3, 3)) if cell is None else cell, (n_frames, 3, 3)),
        pbc=(cell is not None,) * 3,
        energy=labels.get("energy"),
        forces=labels.get("forces"),
        timestep_fs=labels.get("timestep_fs"),
        source="made",
    )


def oscillators(timestep_fs=0.5, period_fs=40.0, amplitude=0.05, stiffness=3.0):
    """Harmonic oscillators of random phase, with their energies and forces."""
    rng = np.random.default_rng(5)
    phase = rng.uniform(0, 2 * np.pi, size=(1, N_ATOMS, 3))
    time = timestep_fs * np.arange(N_FRAMES)[:, None, None]
    shift = amplitude * np.cos(2 * np.pi * time / period_fs + phase)
    rest = 3.8 * np.stack(np.meshgrid(range(5), range(3), range(2)), axis=-1).reshape(1, -1, 3)
    energy = 0.5 * stiffness * np.sum(shift**2, axis=(1, 2))
    return frames_of(
        rest + shift, energy=energy, forces=-stiffness * shift, timestep_fs=timestep_fs
    )


def test_independent_frames_have_cosine_minus_a_half():
    rng = np.random.default_rng(0)
    frames = frames_of(rng.normal(size=(N_FRAMES, N_ATOMS, 3)))
    vectors = timeline.displacements(frames)
    # The cosine of a sum over 3 N coordinates varies by 1 / sqrt(3 N) and the median by 1.25 that.
    error = 1.25 / np.sqrt(3 * N_ATOMS * N_FRAMES)
    assert timeline.continuity(vectors) == pytest.approx(-0.5, abs=SIGMAS * error)
    assert timeline.against_random(frames, vectors) == pytest.approx(1.0, abs=0.02)


def test_random_walk_has_cosine_zero_and_straight_lines_one():
    rng = np.random.default_rng(1)
    steps = rng.normal(size=(N_FRAMES, N_ATOMS, 3))
    walk = frames_of(np.cumsum(steps, axis=0))
    error = 1.25 / np.sqrt(3 * N_ATOMS * N_FRAMES)
    assert timeline.continuity(timeline.displacements(walk)) == pytest.approx(
        0.0, abs=SIGMAS * error
    )
    line = frames_of(np.arange(9.0)[:, None, None] * rng.normal(size=(1, N_ATOMS, 3)))
    assert timeline.continuity(timeline.displacements(line)) == pytest.approx(1.0)


def test_oscillators_have_the_cosine_of_their_phase():
    vectors = timeline.displacements(oscillators(timestep_fs=4.0))
    # d_t is a cosine itself, and its product with the next averages to cos(w dt) over phases.
    assert timeline.continuity(vectors) == pytest.approx(np.cos(2 * np.pi * 4 / 40), abs=0.02)


def test_shuffling_is_seen_in_both_numbers():
    frames = oscillators()
    order = np.random.default_rng(2).permutation(N_FRAMES)
    mixed = frames.select(order)
    vectors = timeline.displacements(mixed)
    assert timeline.continuity(timeline.displacements(frames)) > 0.99
    assert timeline.continuity(vectors) < 0
    assert timeline.against_random(mixed, vectors) == pytest.approx(1.0, abs=0.05)


def test_wrapping_and_tilt_do_not_matter():
    cell = np.array([[20.0, 0, 0], [4.0, 14.0, 0], [-3.0, 2.0, 9.0]])
    frames = oscillators()
    walking = frames.positions + 0.2 * np.arange(N_FRAMES)[:, None, None]
    scaled = walking @ np.linalg.inv(cell)
    wrapped = frames_of((scaled - np.floor(scaled)) @ cell, cell=cell)
    np.testing.assert_allclose(
        timeline.displacements(wrapped), np.diff(walking, axis=0), atol=1e-10
    )


def test_jumps_are_where_frames_were_left_out():
    frames = oscillators()
    drift = replace(frames, positions=frames.positions + 0.05 * np.arange(N_FRAMES)[:, None, None])
    kept = np.delete(np.arange(N_FRAMES), np.s_[51:60])
    vectors = timeline.displacements(drift.select(kept.astype(np.int64)))
    assert timeline.jumps(vectors).tolist() == [50]
    assert not timeline.jumps(timeline.displacements(drift)).size


def test_work_of_harmonic_forces_is_the_energy():
    # The trapezoidal rule is exact for forces that are linear in the positions.
    frames = oscillators()
    vectors = timeline.displacements(frames)
    keep = np.ones(len(vectors), dtype=bool)
    found = timeline.work_energy(frames, vectors, keep)
    assert found.correlation == pytest.approx(1.0, abs=1e-9)
    assert found.slope == pytest.approx(1.0, abs=1e-9)
    for factor in (23.06, -1.0):
        scaled = replace(frames, forces=frames.forces * factor)
        assert timeline.work_energy(scaled, vectors, keep).slope == pytest.approx(1 / factor)


def test_noise_lowers_the_correlation_as_it_should():
    frames = oscillators()
    vectors = timeline.displacements(frames)
    keep = np.ones(len(vectors), dtype=bool)
    change = np.diff(frames.energy)
    rng = np.random.default_rng(4)
    noisy = replace(
        frames, energy=np.concatenate([[0.0], np.cumsum(change + rng.normal(size=change.size)
        * change.std())])
    )  # fmt: skip
    # Noise as large as the signal leaves 1 / sqrt(2).
    found = timeline.work_energy(noisy, vectors, keep)
    assert found.correlation == pytest.approx(np.sqrt(0.5), abs=SIGMAS / np.sqrt(change.size))


def test_no_work_without_labels_or_change():
    frames = oscillators()
    vectors = timeline.displacements(frames)
    keep = np.ones(len(vectors), dtype=bool)
    assert timeline.work_energy(replace(frames, energy=None), vectors, keep) is None
    assert timeline.work_energy(replace(frames, forces=None), vectors, keep) is None
    flat = replace(frames, energy=np.zeros(N_FRAMES))
    assert timeline.work_energy(flat, vectors, keep) is None
    assert timeline.work_energy(frames, vectors, ~keep) is None


def test_temperature_of_free_flight_is_exact():
    rng = np.random.default_rng(3)
    mass = atomic_masses[18]
    velocity = rng.normal(size=(1, N_ATOMS, 3)) * np.sqrt(300 * kB / mass)
    expected = mass * np.sum(velocity**2) / ((3 * N_ATOMS - 3) * kB)
    frames = frames_of(velocity * (2.0 * fs) * np.arange(6)[:, None, None])
    vectors = timeline.displacements(frames)
    keep = np.ones(5, dtype=bool)
    found = timeline.kinetic_temperatures(frames, vectors, 2.0, keep)
    np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(
        timeline.kinetic_temperatures(frames, vectors, 4.0, keep), expected / 4
    )
    keep[2] = False  # frames 2 and 3 have no neighbour on one side
    assert timeline.kinetic_temperatures(frames, vectors, 2.0, keep).size == 2


def test_vibrations_are_damped_by_the_sinc():
    step, period, amplitude = 4.0, 40.0, 0.05
    frames = oscillators(timestep_fs=step, period_fs=period, amplitude=amplitude)
    vectors = timeline.displacements(frames)
    found = timeline.kinetic_temperatures(frames, vectors, step, np.ones(len(vectors), dtype=bool))
    omega = 2 * np.pi / period
    speed2 = 0.5 * (amplitude * omega / fs) ** 2
    true = atomic_masses[18] * speed2 * 3 * N_ATOMS / ((3 * N_ATOMS - 3) * kB)
    damping = (np.sin(omega * step) / (omega * step)) ** 2
    assert found.mean() == pytest.approx(true * damping, rel=0.01)


def test_heights():
    cell = np.array([[10.0, 0, 0], [5.0, 8.0, 0], [0, 0, 12.0]])
    frames = frames_of(np.zeros((2, 1, 3)), cell=cell)
    # The area of a and b over |b| is the height along a: 80 / sqrt(89).
    assert timeline.smallest_height(frames) == pytest.approx(min(8.0, 80 / np.sqrt(89)))
    only_z = replace(frames, pbc=(False, False, True))
    assert timeline.smallest_height(only_z) == pytest.approx(12.0)
    assert timeline.smallest_height(replace(frames, pbc=(False,) * 3)) == np.inf
    assert timeline.smallest_height(replace(frames, cell=np.zeros((2, 3, 3)))) == 0


def test_bond_scale_tells_lengths_apart():
    from ase.build import bulk, molecule

    for atoms, tolerance in ((molecule("C6H6"), 0.1), (bulk("Cu", cubic=True), 0.1)):
        positions, cell = atoms.positions[None], np.asarray(atoms.cell)
        frames = Frames(
            tuple(atoms.get_chemical_symbols()), positions, cell[None],
            tuple(atoms.pbc), None, None, None, "made",
        )  # fmt: skip
        assert timeline.bond_scale(frames) == pytest.approx(1.0, abs=tolerance)
        bohr = replace(frames, positions=positions / 0.529177, cell=cell[None] / 0.529177)
        assert timeline.bond_scale(bohr) == pytest.approx(1.89, abs=2 * tolerance)
    assert np.isnan(timeline.bond_scale(frames_of(np.zeros((1, 1, 3)))))
