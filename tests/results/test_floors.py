"""Floors are of each model's own rollouts: which one a comparison of several takes."""

from __future__ import annotations

from dataclasses import replace

from synthetic_results import results

from egraff_lmp.results.controls import is_noise, largest_floor, noise_floor
from egraff_lmp.score.records import RERUN_REFERENCE, STRUCTURE, SURVIVAL, TRANSPORT, Score


def score(floor: float | None) -> Score:
    return Score("wf", "egraff", STRUCTURE, "total", "%", 3.0, floor=floor)


def test_the_largest_of_those_that_there_are() -> None:
    assert largest_floor([score(1.0), None, score(None), score(2.0)]) == 2.0
    assert largest_floor([None, score(None)]) is None
    assert largest_floor([]) is None


def test_what_halves_of_a_diffusivity_differ_by_is_no_noise() -> None:
    assert is_noise(score(1.0))
    assert not is_noise(score(None))
    plain = {"key": "diffusivity_error", "mode": "egraff", "comparison": TRANSPORT, "part": ""}
    assert not is_noise(Score(**plain, unit="%", value=1.0, floor=0.1))
    assert is_noise(Score(**plain, unit="%", value=1.0, floor=0.1, floor_high=0.2))


def test_a_model_that_broke_early_does_not_raise_the_floor_of_the_others() -> None:
    whole = results(1, 1).systems[0].models[0]
    assert whole.scores is not None
    survived = Score("survived", "egraff", SURVIVAL, "", "1", 0.02)
    broken = replace(whole, scores=replace(whole.scores, scores=(survived,)))
    lasting = replace(whole, scores=replace(whole.scores, scores=()))
    found = [(lasting, score(1.0)), (lasting, score(2.0)), (broken, score(35.0))]
    assert noise_floor(found, STRUCTURE) == 2.0
    assert noise_floor(found, RERUN_REFERENCE) is None
