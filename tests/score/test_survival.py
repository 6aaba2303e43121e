"""Survival: finished rollouts, the shortest one, the part of the time that all were whole."""

from __future__ import annotations

import numpy as np
import pytest
from scored_systems import bulk, molecule

from egraff_lmp.score import Fact, Rollout, Scores, score_trajectory

pytest.importorskip("MDAnalysis")

KEYS = ("finished_starts", "shortest_rollout", "survived")


def values(scores: Scores) -> list[float | None]:
    return [scores.find(key, "survival").value for key in KEYS]


def test_parts_of_the_time_asked_for() -> None:
    ran = [
        Rollout(bulk(30, k), lasted_fs=t, asked_fs=60.0) for k, t in enumerate((60.0, 45.0, 0.0))
    ]
    scores = score_trajectory(bulk(40, 9), ran, n_resamples=50)
    assert values(scores) == [1, 0.0, pytest.approx((1 + 0.75 + 0) / 3)]
    survived = scores.find("survived")
    assert survived.per_start == pytest.approx([1, 0.75, 0])
    low, high = survived.interval
    assert 0 <= low < survived.value < high <= 1
    assert scores.find("finished_starts").per_start == (1.0, 0.0, 0.0)
    assert scores.find("shortest_rollout").per_start == (60.0, 45.0, 0.0)
    for key in KEYS[:2]:
        assert (scores.find(key).interval, scores.find(key).resampled) == (None, None)
    assert survived.window == Fact("asked-for", {"rollouts": 3, "fs": 60.0})


def test_rollouts_that_could_not_begin_count() -> None:
    ran = [Rollout(bulk(30, k), lasted_fs=60.0, asked_fs=60.0) for k in range(2)]
    scores = score_trajectory(bulk(40, 9), ran, n_asked=4, n_resamples=50)
    assert values(scores) == [2, 60.0, 0.5]
    assert scores.find("survived").counts.starts == 4
    assert scores.find("survived").per_start == (1, 1, 0, 0)


def test_a_rounding_error_is_no_breakdown() -> None:
    ran = [Rollout(bulk(30, 1), lasted_fs=0.1 + 0.2, asked_fs=0.3 * (1 + 1e-12))]
    assert values(score_trajectory(bulk(40, 9), ran))[0] == 1
    assert values(score_trajectory(bulk(40, 9), ran))[2] == 1


def test_a_molecule_ends_where_its_first_bond_broke() -> None:
    whole, broken = molecule(41, 1), molecule(41, 2)
    broken.positions[20:, broken.species.index("H")] += 3.0
    ran = [Rollout(one, lasted_fs=20.0, asked_fs=20.0) for one in (whole, broken)]
    scores = score_trajectory(molecule(60, 0), ran)
    assert values(scores) == [2, 20.0, 0.75]


def test_the_pair_distances_of_bulk_are_another_score() -> None:
    melted = bulk(30, 1)
    melted.positions[10:] = 12 * np.random.default_rng(0).random((20, 27, 3))
    ran = [Rollout(melted, lasted_fs=58.0, asked_fs=58.0)]
    scores = score_trajectory(bulk(40, 9), ran, mode="egraff")
    assert scores.find("stability").value < 58
    assert values(scores) == [1, 58.0, 1]


def test_rollouts_that_are_too_short_to_be_scored_count() -> None:
    ran = [Rollout(bulk(n, n), lasted_fs=2.0 * n, asked_fs=80.0) for n in (40, 4)]
    scores = score_trajectory(bulk(40, 9), ran, skip=10, short="leave out")
    assert scores.find("wf").counts.starts == 1
    assert values(scores) == [1, 8.0, pytest.approx(0.55)]


def test_nothing_is_said_where_nothing_was_asked() -> None:
    scores = score_trajectory(bulk(40, 9), [Rollout(bulk(30, 1))])
    assert not [score for score in scores.scores if score.comparison == "survival"]
