"""Cost of rollouts and of a training."""

from __future__ import annotations

from dataclasses import replace

import pytest

from egraff_lmp.errors import EgraffError
from egraff_lmp.score import Training, cost_scores
from egraff_lmp.score.cost import Cost
from egraff_lmp.score.words import explain

RUN = {
    "n_steps": 2000, "n_atoms": 200, "wall_seconds": 40.0, "timestep_fs": 1.0,
    "hardware": "2 cores", "ranks": 2, "threads": 1, "precision": "float32",
}  # fmt: skip


def values(*costs: Cost | None, training: Training | None = None) -> dict[str, float]:
    found = cost_scores(costs, training)
    assert {score.comparison for score in found} <= {"cost"}
    return {score.key: score.value for score in found}


def test_by_hand():
    assert values(Cost(**RUN)) == {
        "ms_per_step": 20,
        "us_per_atom_step": 100,
        "frames_per_second": 50,
        "ns_per_day": pytest.approx(50 * 86400 * 1e-6),
        "minutes_per_1000_steps": pytest.approx(20 / 60),
    }


def test_rollouts_are_weighted_by_their_steps():
    short = Cost(**{**RUN, "n_steps": 500, "wall_seconds": 20.0})
    found = values(Cost(**RUN), None, short)
    assert found["ms_per_step"] == pytest.approx((20 * 2000 + 40 * 500) / 2500)
    assert found["frames_per_second"] == pytest.approx(2500 / 60)
    row = next(s for s in cost_scores([Cost(**RUN), None, short], None) if s.key == "ms_per_step")
    assert row.per_start == pytest.approx((20, 40))
    assert (row.interval, row.floor, row.counts.starts) == (None, None, 2)
    assert explain(row) == [
        "2500 steps",
        "2 of 3 rollouts have a log that tells their cost",
        "200 atoms on 2 MPI ranks of 1 thread, hardware 2 cores; precision float32",
    ]


def test_without_a_time_step_no_time_is_simulated():
    found = values(replace(Cost(**RUN), timestep_fs=None))
    assert "ns_per_day" not in found
    assert found["ms_per_step"] == 20


def test_training():
    assert values(training=Training(600.0, 5)) == {
        "training_time": 600.0, "training_time_epoch": 2.0
    }  # fmt: skip
    assert values(training=Training(600.0, 0)) == {"training_time": 600.0}
    assert values() == {}


def test_nothing_timed_is_refused():
    with pytest.raises(EgraffError, match="above 0, got 0, 200"):
        Cost(**{**RUN, "n_steps": 0})
