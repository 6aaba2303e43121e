"""Violations along rollouts: reruns cut into their rollouts, growth of FV, what is left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scored_systems import bulk

from egraff_lmp.data.frames import Frames
from egraff_lmp.score import Fact, Judge, Rerun, Rollout, Scores, score_trajectory
from egraff_lmp.score.align import concatenate
from egraff_lmp.score.words import explain

pytest.importorskip("MDAnalysis")

LENGTHS = (20, 30, 25)


def scored(factors: list[np.ndarray], comparison: str, judge: Judge | None = None) -> Scores:
    """Rollouts whose forces the judge finds to be `factors` (T,) times as large."""
    rollouts = [bulk(n, seed) for seed, n in enumerate(LENGTHS, 1)]
    model = concatenate(rollouts)
    truth = replace(model, forces=np.concatenate(factors)[:, None, None] * model.forces)
    rerun = Rerun(truth, model, judge, LENGTHS)
    ran = [Rollout(one) for one in rollouts]
    return score_trajectory(bulk(40, 0), ran, reruns={comparison: rerun}, n_resamples=30)


def violation(factor: float) -> float:
    return abs(factor - 1) / (factor + 1)


@pytest.mark.parametrize("comparison", ["rerun-oracle", "rerun-committee"])
def test_growth_is_the_last_fifth_over_the_first(comparison: str) -> None:
    factors = []
    for n in LENGTHS:
        factor = np.full(n, 1.5)
        factor[: n // 5], factor[-(n // 5) :] = 1.2, 3.0
        factors.append(factor)
    scores = scored(factors, comparison)
    growth = scores.find("fv_growth", comparison)
    assert growth.value == pytest.approx(violation(3.0) / violation(1.2))
    assert growth.per_start == pytest.approx([growth.value] * 3)
    assert growth.interval == pytest.approx((growth.value, growth.value))


def test_growth_is_a_ratio_of_means_over_all_rollouts() -> None:
    ends = ((1.2, 3.0), (1.4, 2.0), (1.1, 1.1))
    factors = []
    for n, (first, last) in zip(LENGTHS, ends, strict=True):
        factors.append(np.r_[np.full(n // 2, first), np.full(n - n // 2, last)])
    growth = scored(factors, "rerun-oracle").find("fv_growth")
    weights = np.array([n // 5 for n in LENGTHS])
    logs = np.log([[violation(a), violation(b)] for a, b in ends])
    first, last = weights @ logs / weights.sum()
    assert growth.value == pytest.approx(np.exp(last - first))
    assert growth.per_start == pytest.approx(np.exp(logs[:, 1] - logs[:, 0]))


def test_a_rerun_is_one_sample_and_a_series_for_each_rollout() -> None:
    factors = [np.full(n, 1.0 + k) for k, n in enumerate(LENGTHS, 1)]
    scores = scored(factors, "rerun-oracle")
    series = [one for one in scores.series if (one.key, one.mode) == ("fv", "egraff")]
    series = [one for one in series if one.comparison == "rerun-oracle"]
    assert [(one.start, len(one.values)) for one in series] == list(enumerate(LENGTHS))
    for k, one in enumerate(series, 1):
        np.testing.assert_allclose(one.values, violation(1.0 + k))
    score = scores.find("fv", "rerun-oracle")
    assert len(score.per_start) == 1
    assert score.counts.starts is None


def test_a_committee_is_a_comparison_of_its_own() -> None:
    judge = Judge(("a", "b"), 0.1)
    scores = scored([np.full(n, 1.5) for n in LENGTHS], "rerun-committee", judge)
    assert {s.comparison for s in scores.scores if s.key == "fv"} == {
        "trajectory", "rerun-reference", "rerun-committee"
    }  # fmt: skip
    for key in ("fv", "fv_growth"):
        score = scores.find(key, "rerun-committee", mode="egraff")
        assert score.judge == judge
        assert explain(score)[-1].startswith("judged by a committee, the mean of a and b")


def test_rollouts_that_cannot_be_paired_are_counted() -> None:
    reference = bulk(40, 0)
    other: Frames = replace(bulk(40, 2), forces=None)
    ran = [Rollout(bulk(40, 1)), Rollout(other)]
    scores = score_trajectory(reference, ran, n_resamples=20)
    score = scores.find("fv", "trajectory", mode="egraff")
    assert score.fact("rollouts-used") == Fact("rollouts-used", {"used": 1, "of": 2})
    assert score.fact("no-labels") == Fact("no-labels", {"whose": "rollout 2", "what": "forces"})
    assert (score.counts.starts, len(score.per_start)) == (2, 1)
