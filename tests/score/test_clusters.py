"""Rollouts that begin at the same positions are drawn together, and it is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scored_systems import CUBIC, SITES, bulk

from egraff_lmp.score import Fact, Rollout, score_trajectory
from egraff_lmp.score.bootstrap import bootstrap_interval, resampling_units
from egraff_lmp.score.clusters import effective_starts, start_labels
from egraff_lmp.score.records import Resampled
from egraff_lmp.score.words import explain, say, say_resampled

FIRST = SITES @ CUBIC


def starting(seed, shift=0.0, wrapped=0.0):
    first = FIRST + shift * np.random.default_rng(9).normal(size=FIRST.shape)
    return bulk(60, seed, first=first + wrapped)


def test_equal_first_positions_are_one_start_across_the_boundary_too():
    one, same, image = starting(1), starting(2), starting(3, wrapped=12.0)
    other = starting(4, shift=0.2)
    assert start_labels([one, same, other, image]) == (0, 0, 2, 0)
    assert start_labels([one, other]) == (0, 1)
    assert start_labels([one, other], starts=(5, 5)) == (0, 0)
    assert start_labels([one, one.select(slice(0, 0))]) == (0, 1)
    bigger = replace(same, cell=same.cell * 1.1)
    assert start_labels([one, bigger]) == (0, 1)


def test_effective_starts():
    assert effective_starts((0, 0, 0, 0, 0)) == 1
    assert effective_starts((0, 1, 2)) == 3
    assert effective_starts((0, 0, 0, 3)) == pytest.approx(16 / 10)


def test_clusters_are_drawn_first():
    assert resampling_units([2, 1, 1, 1], (4, 4, 7, 9)).tolist() == [0, 0, 0, 1, 2]
    # With one cluster there is nothing to draw but its rollouts.
    assert resampling_units([1, 1, 1], (0, 0, 0)).tolist() == [0, 1, 2]
    # Five clusters of ten equal rollouts tell as much as five rollouts.
    values = np.repeat([0.0, 1.0, 2.0, 3.0, 4.0], 10)

    def mean(w):
        return float(w @ values / w.sum())

    alone = bootstrap_interval(mean, [resampling_units([1] * 50)], n_resamples=2000)
    drawn = bootstrap_interval(
        mean, [resampling_units([1] * 50, np.repeat(np.arange(5), 10))], n_resamples=2000
    )
    ratio = (drawn[1] - drawn[0]) / (alone[1] - alone[0])
    assert ratio == pytest.approx(np.sqrt(10), rel=0.1)  # of 2000 draws


def scored(rollouts):
    reference = bulk(120, 0)
    return score_trajectory(
        reference, [Rollout(one) for one in rollouts], mode="egraff", n_resamples=40
    )


def test_one_start_is_told_beside_the_interval():
    score = scored([starting(seed) for seed in (1, 2, 3)]).find("wf")
    fact = score.fact("shared-starts")
    assert fact == Fact("shared-starts", {"rollouts": 3, "starts": 1, "effective": 1.0})
    assert score.resampled == Resampled(3, "starts")
    assert any("all 3 rollouts begin at the same positions" in line for line in explain(score))


def test_several_clusters_are_what_the_interval_is_drawn_over():
    rollouts = [starting(1), starting(2), starting(3, shift=0.2), starting(4, shift=0.3)]
    score = scored(rollouts).find("wf")
    assert score.resampled == Resampled(3, "clusters")
    assert say_resampled(score.resampled) == "3 clusters of rollouts that share their start"
    assert say(score.fact("shared-starts")) == (
        "the 4 rollouts begin at 3 different positions (effective starts: 2.7)"
    )
    different = scored(rollouts[1:]).find("wf")
    assert different.fact("shared-starts") is None
    assert different.resampled == Resampled(3, "starts")
