"""Forces of a cell that LAMMPS turned, back in the frame of the reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from score_frames import score_frames

from egraff_lmp.data.frames import Frames
from egraff_lmp.score.align import oriented_like, rotation_between

LIPS = np.array([[12.05, 0.01, -2.83], [-3.57, 11.15, -3.65], [0.02, 0.08, 12.44]])


def restricted(cell):
    """The cell as LAMMPS has it, and the rotation there: lower triangular, positive diagonal."""
    q, r = np.linalg.qr(cell.T)
    signs = np.sign(np.diag(r))
    return (r.T * signs), q * signs


def frames_in(cell, seed=0):
    rng = np.random.default_rng(seed)
    return Frames(
        species=("Li", "P", "S", "S"),
        positions=rng.random((6, 4, 3)) @ cell,
        cell=np.broadcast_to(cell, (6, 3, 3)).copy(),
        pbc=(True,) * 3,
        energy=rng.normal(size=6),
        forces=rng.normal(size=(6, 4, 3)),
        timestep_fs=1.0,
        source="test",
    )


def turned(frames, rotation):
    return replace(
        frames,
        positions=frames.positions @ rotation,
        cell=frames.cell @ rotation,
        forces=frames.forces @ rotation,
    )


def test_a_rollout_in_the_frame_of_lammps_is_turned_back():
    reference = frames_in(LIPS)
    matrix, rotation = restricted(LIPS)
    np.testing.assert_allclose(LIPS @ rotation, matrix, atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    rollout = turned(reference, rotation)
    reruns = {"rerun-reference": (reference, rollout), "rerun-oracle": (reference, rollout)}
    scores = score_frames(reference, rollout, reruns=reruns, n_resamples=10)
    for comparison in ("trajectory", *reruns):
        score = scores.find("fv", comparison)
        assert score.value < 1e-12
        assert score.fact("forces-turned-back")


def test_without_it_the_force_violation_would_be_wrong():
    reference = frames_in(LIPS)
    rollout = turned(reference, restricted(LIPS)[1])
    assert np.abs(rollout.forces - reference.forces).max() > 0.1
    back, _ = oriented_like(reference, rollout)
    np.testing.assert_allclose(back.forces, reference.forces, atol=1e-12)
    np.testing.assert_allclose(back.positions, reference.positions, atol=1e-11)


def test_the_exchanged_vectors_of_a_left_handed_cell_are_found():
    left = LIPS[[1, 0, 2]]
    reference = frames_in(left)
    rollout = replace(reference, cell=reference.cell[:, [1, 0, 2]])  # the same lattice
    back, _ = oriented_like(reference, turned(rollout, restricted(LIPS)[1]))
    np.testing.assert_allclose(back.forces, reference.forces, atol=1e-12)


@pytest.mark.parametrize("cell", [9 * np.eye(3), np.diag([9.0, 9.0, 20.0]), LIPS])
def test_cells_that_agree_are_left_alone(cell):
    frames = frames_in(cell)
    strained = replace(frames, cell=frames.cell * 1.01)  # a step of NPT
    for other in (frames, strained):
        same, was_turned = oriented_like(frames, other)
        assert same is other
        assert not was_turned


def test_other_cells_are_related_by_no_rotation():
    assert rotation_between(LIPS, 2 * LIPS) is None
    assert rotation_between(LIPS, 12 * np.eye(3)) is None
    assert rotation_between(LIPS, np.zeros((3, 3))) is None
    assert rotation_between(LIPS, np.full((3, 3), np.nan)) is None


def test_a_rotation_is_found_in_spite_of_strain():
    matrix, rotation = restricted(LIPS)
    np.testing.assert_allclose(rotation_between(LIPS, 1.03 * matrix), rotation.T, atol=1e-12)
