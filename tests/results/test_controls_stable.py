"""A control that keeps few stable frames is behind models that keep all, however these read."""

from __future__ import annotations

from egraff_lmp.results.controls import _stable_part
from egraff_lmp.score.records import AFTER_LOSS, NO_STABLE_FRAME, STRUCTURE, Fact, Score
from egraff_lmp.score.words import SENTENCES


def test_the_part_before_the_loss_of_stability() -> None:
    plain = {"key": "wf", "mode": "egraff", "comparison": STRUCTURE, "part": "total", "unit": "%"}
    lost = Fact(AFTER_LOSS, {"left_out": 150, "of": 200})
    assert _stable_part(Score(**plain, value=3.0, facts=(lost,))) == 0.25
    assert _stable_part(Score(**plain, value=3.0)) == 1
    assert _stable_part(Score(**plain, absence=Fact(NO_STABLE_FRAME, {"of": 200}))) == 0
    assert {AFTER_LOSS, NO_STABLE_FRAME} <= set(SENTENCES)
