"""A committee: mean and disagreement in closed form, and what is no committee."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.score import Judge, Rerun, Rollout, score_trajectory
from egraff_lmp.score.committee import committee_mean, disagreement
from egraff_lmp.score.words import explain

RNG = np.random.default_rng(5)


@pytest.fixture
def frames() -> Frames:
    shape = (6, 8, 3)
    return Frames(
        species=("Ar",) * 8,
        positions=RNG.uniform(0, 9, shape),
        cell=np.broadcast_to(9.0 * np.eye(3), (6, 3, 3)),
        pbc=(True, True, True),
        energy=RNG.normal(size=6),
        forces=RNG.normal(size=shape),
        source="first",
        timestep_fs=5.0,
    )


def scaled(frames: Frames, factor: float, name: str) -> Frames:
    assert frames.energy is not None
    assert frames.forces is not None
    return replace(
        frames, energy=factor * frames.energy, forces=factor * frames.forces, source=name
    )


def test_the_mean_is_that_of_energies_and_forces(frames: Frames) -> None:
    members = [frames, scaled(frames, 2.0, "b"), scaled(frames, 6.0, "c")]
    mean = committee_mean(members)
    np.testing.assert_allclose(mean.energy, 3 * frames.energy)
    np.testing.assert_allclose(mean.forces, 3 * frames.forces)
    np.testing.assert_array_equal(mean.positions, frames.positions)
    assert mean.source == "mean of first, b, c"
    assert mean.timestep_fs == frames.timestep_fs


def test_disagreement_is_fv_over_all_pairs(frames: Frames) -> None:
    members = [frames, scaled(frames, 2.0, "b"), scaled(frames, 4.0, "c")]
    pairs = [1 / 3, 3 / 5, 2 / 6]  # |b - a| / (a + b) of factors 1, 2 and 4
    assert disagreement(members) == pytest.approx(np.prod(pairs) ** (1 / 3))
    assert disagreement([frames, frames]) == 0


def test_a_member_in_another_orientation_is_turned_back(frames: Frames) -> None:
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert frames.forces is not None
    other = replace(
        frames, positions=frames.positions @ turn.T, cell=frames.cell @ turn.T,
        forces=frames.forces @ turn.T,
    )  # fmt: skip
    np.testing.assert_allclose(committee_mean([frames, other]).forces, frames.forces, atol=1e-12)


@pytest.mark.parametrize(
    ("others", "message"),
    [
        (lambda f: [], "at least 2 force fields, got 1"),
        (lambda f: [replace(f, forces=None, source="b")], "b: expected energies and forces"),
        (lambda f: [replace(f, energy=None, source="b")], "b: expected energies and forces"),
        (lambda f: [f.select(slice(0, 3))], "expected the 6 frames of first, got 3"),
        (lambda f: [replace(f, positions=f.positions + 1.0)], "rerun these very frames"),
    ],
)
def test_what_is_no_committee(
    frames: Frames, others: Callable[[Frames], list[Frames]], message: str
) -> None:
    for function in (committee_mean, disagreement):
        with pytest.raises(EgraffError, match=message):
            function([frames, *others(frames)])


def test_frames_out_of_reach_of_every_member_are_an_error_and_others_are_not(
    frames: Frames,
) -> None:
    assert frames.forces is not None
    wild = frames.forces.copy()
    wild[0] = np.inf
    half = replace(frames, forces=wild, source="b")
    assert disagreement([scaled(frames, 2.0, "a"), half]) == pytest.approx(1 / 3)
    wild = np.full_like(wild, np.nan)
    with pytest.raises(EgraffError, match="out of reach of every model"):
        disagreement([frames, replace(frames, forces=wild, source="b")])


def test_scores_name_the_committee_that_judged(frames: Frames) -> None:
    oracle = committee_mean([scaled(frames, 1.2, "b"), scaled(frames, 1.4, "c")])
    judge = Judge(("b", "c"), 0.077)
    reruns = {"rerun-committee": Rerun(oracle, frames, judge)}
    told = score_trajectory(frames, [Rollout(frames)], reruns=reruns, n_resamples=20)
    score = told.find("fv", "rerun-committee")
    assert score.value == pytest.approx(0.3 / 2.3)
    assert score.judge == judge
    assert explain(score)[-1] == (
        "judged by a committee, the mean of b and c, whose FV against each other is 0.077"
    )
    # What a committee says is not taken for what the ground truth says.
    with pytest.raises(KeyError):
        told.find("fv", "rerun-oracle")
