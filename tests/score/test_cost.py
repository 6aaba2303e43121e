"""Cost of a rollout."""

from __future__ import annotations

import pytest

from egraff_lmp.errors import EgraffError
from egraff_lmp.score.cost import Cost

RUN = {
    "n_steps": 2000, "n_atoms": 200, "wall_seconds": 40.0, "timestep_fs": 1.0,
    "hardware": "2 cores", "ranks": 2, "threads": 1, "precision": "float32",
}  # fmt: skip


def test_by_hand():
    cost = Cost(**RUN)
    assert cost.frames_per_second == 50
    assert cost.ms_per_step == 20
    assert cost.us_per_atom_and_step == 100
    assert cost.ns_per_day == pytest.approx(50 * 86400 * 1e-6)


def test_nothing_timed_is_refused():
    with pytest.raises(EgraffError, match="above 0, got 0, 200"):
        Cost(**{**RUN, "n_steps": 0})
