"""Floors are of each model's own rollouts: which one a comparison of several takes."""

from __future__ import annotations

from egraff_lmp.results.controls import largest_floor
from egraff_lmp.score.records import STRUCTURE, Score


def score(floor: float | None) -> Score:
    return Score("wf", "egraff", STRUCTURE, "total", "%", 3.0, floor=floor)


def test_the_largest_of_those_that_there_are() -> None:
    assert largest_floor([score(1.0), None, score(None), score(2.0)]) == 2.0
    assert largest_floor([None, score(None)]) is None
    assert largest_floor([]) is None
