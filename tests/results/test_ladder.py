"""What a score resolves: synthetic scores that tell strong noise and not weak, and broken ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from synthetic_results import results, score

from egraff_lmp.results.controls import verdicts
from egraff_lmp.results.ladder import (
    BY_SURVIVAL,
    NO_VALUE,
    NOT_TOLD,
    RUNG_VERDICTS,
    TOLD,
    Resolution,
    RungVerdict,
    resolutions,
    rung_verdicts,
)
from egraff_lmp.results.record import Model, ModelResult, NegativeControl, Results, weakest_first
from egraff_lmp.score.records import (
    OTHER_SURFACE,
    RERUN_REFERENCE,
    STRUCTURE,
    SURVIVAL,
    TRAJECTORY,
    Fact,
)

STARTS = (-1.0, 0.0, 1.0)  # what the three rollouts of every model scatter by
# How each rung scatters in another way.
OWN = {"base": 0.0, "frames": 0.1, "noise": 0.2, "r-max": 0.3, "shuffled": 0.4}


def result(
    name: str, wf: float | None, force_mae: float | None, kind: str = "",
    strength: float | None = None, survived: float = 1.0, **more: object,
) -> ModelResult:  # fmt: skip
    whole = results(1, 1).systems[0].models[0]
    assert whole.scores is not None
    control = NegativeControl(kind, "base", strength) if kind else None
    each = () if wf is None else tuple(
        wf + start + OWN[kind or "base"] * start**2 for start in STARTS
    )  # fmt: skip
    span = None if force_mae is None else (0.95 * force_mae, 1.05 * force_mae)
    values = (
        score(wf, "wf", STRUCTURE, part="total", per_start=each, floor=4.0, **more),
        score(force_mae, "force_mae", RERUN_REFERENCE, interval=span),
        score(survived, "survived", SURVIVAL, interval=None),
    )
    scores = replace(whole.scores, scores=values)
    return replace(whole, model=Model(name, "mace", control), scores=scores, costs=())


def benchmark(*models: ModelResult) -> Results:
    whole = results(1, 1)
    system = replace(whole.systems[0], models=models)
    return replace(whole, models=tuple(one.model for one in models), systems=(system,))


BASE = result("base", 10.0, 20.0)
LADDER = (
    result("noise-10", 15.0, 90.0, "noise", 0.1),
    result("noise-1", 10.1, 20.5, "noise", 0.01),
    result("noise-3", 10.2, 24.0, "noise", 0.03),
    result("shuffled", 40.0, 800.0, "shuffled"),
    result("r-max-3", 14.0, 60.0, "r-max", 3.0),
    result("r-max-4", 10.0, 20.0, "r-max", 4.0),
    result("frames-25", 10.0, 40.0, "frames", 0.25),
    result("frames-50", 10.0, 30.0, "frames", 0.5),
)


def told(*models: ModelResult) -> dict[tuple[str, str], RungVerdict]:
    return {(v.key, v.control): v for v in rung_verdicts(benchmark(*models))}


def resolved(*models: ModelResult) -> dict[tuple[str, str], Resolution]:
    found = resolutions(rung_verdicts(benchmark(*models)))
    return {(one.key, one.kind): one for one in found}


def test_rungs_stand_by_kind_from_weak_to_strong():
    found = [v.control for v in rung_verdicts(benchmark(*LADDER, BASE)) if v.key == "wf"]
    assert found == ["frames-50", "frames-25", "noise-1", "noise-3", "noise-10", "r-max-4",
                     "r-max-3", "shuffled"]  # fmt: skip
    assert weakest_first("noise", (0.1, 0.01)) == (0.01, 0.1)
    assert weakest_first("frames", (0.25, 0.5)) == (0.5, 0.25)


def test_a_score_that_tells_strong_noise_and_not_weak_has_that_resolution():
    found = told(BASE, *LADDER)
    assert [found["wf", f"noise-{n}"].verdict for n in (1, 3, 10)] == [NOT_TOLD, NOT_TOLD, TOLD]
    wf, force = (
        resolved(BASE, *LADDER)["wf", "noise"],
        resolved(BASE, *LADDER)["force_mae", "noise"],
    )
    assert (wf.weakest, wf.strength, wf.missed) == ("noise-10", 0.1, ())
    assert wf.rungs == ("noise-1", "noise-3", "noise-10")
    assert (force.weakest, force.strength) == ("noise-3", 0.03)
    assert resolved(BASE, *LADDER)["wf", "r-max"].weakest == "r-max-3"
    frames = resolved(BASE, *LADDER)["wf", "frames"]
    assert (frames.weakest, frames.weakest_seen) == (None, None)


def test_a_resolution_is_the_weakest_rung_told_and_names_stronger_ones_that_are_not():
    odd = (
        result("noise-1", 15.0, 20.0, "noise", 0.01),
        result("noise-3", 10.0, 20.0, "noise", 0.03),
        result("noise-10", 15.0, 20.0, "noise", 0.1),
    )
    wf = resolved(BASE, *odd)["wf", "noise"]
    assert (wf.weakest, wf.missed) == ("noise-1", ("noise-3",))


def test_a_control_that_broke_is_told_by_survival_and_by_value_apart():
    # The few frames that are left look as good as those of the model.
    looks_good = result("noise-10", 10.0, 90.0, "noise", 0.1, survived=0.1)
    found = told(BASE, looks_good)["wf", "noise-10"]
    assert (found.verdict, found.by_value, found.by_survival) == (BY_SURVIVAL, False, True)
    assert (found.value, found.survived, found.base_survived) == (10.0, 0.1, 1.0)
    wf = resolved(BASE, looks_good)["wf", "noise"]
    assert (wf.weakest, wf.weakest_seen, wf.strength_seen) == (None, "noise-10", 0.1)
    # Where the value tells it as well, that comes first.
    looks_bad = result("noise-10", 40.0, 90.0, "noise", 0.1, survived=0.1)
    found = told(BASE, looks_bad)["wf", "noise-10"]
    assert (found.verdict, found.by_value, found.by_survival) == (TOLD, True, True)
    # No rollout enters an error on the reference.
    assert not told(BASE, looks_bad)["force_mae", "noise-10"].by_survival


def test_without_a_value_there_is_survival_or_nothing():
    gone = result("noise-10", None, 90.0, "noise", 0.1, survived=0.0)
    assert told(BASE, gone)["wf", "noise-10"].verdict == BY_SURVIVAL
    silent = result("noise-10", None, 90.0, "noise", 0.1)
    found = told(BASE, silent)["wf", "noise-10"]
    assert (found.verdict, found.reason.code) == (NO_VALUE, "control-without-value")
    blind = told(result("base", None, 20.0), LADDER[0])["wf", "noise-10"]
    assert (blind.verdict, blind.reason.code) == (NO_VALUE, "base-without-value")


def test_a_model_that_broke_with_its_control_is_not_told_by_survival():
    base = result("base", 10.0, 20.0, survived=0.1)
    rung = result("noise-10", 10.0, 90.0, "noise", 0.1, survived=0.1)
    assert told(base, rung)["wf", "noise-10"].verdict == NOT_TOLD


def test_better_for_the_wrong_model_is_not_told_and_said():
    found = told(BASE, result("noise-10", 6.0, 90.0, "noise", 0.1))["wf", "noise-10"]
    assert (found.verdict, found.reason.code) == (NOT_TOLD, "better")


def test_nothing_below_the_floor_is_told():
    base, rung = result("base", 1.0, 20.0), result("noise-10", 3.9, 90.0, "noise", 0.1)
    found = told(base, rung)["wf", "noise-10"]
    assert (found.verdict, found.reason.code) == (NOT_TOLD, "at-floor")


def test_few_frames_of_a_rung_are_no_signal():
    """A rung that broke has a floor of its own, below which its value says nothing."""
    base, rung = result("base", 2.0, 20.0), result("noise-10", 6.0, 90.0, "noise", 0.1)
    assert rung.scores is not None
    raised = tuple(
        replace(one, floor=6.2) if one.comparison == STRUCTURE else one
        for one in rung.scores.scores
    )
    rung = replace(rung, scores=replace(rung.scores, scores=raised))
    found = told(base, rung)["wf", "noise-10"]
    assert (found.verdict, found.reason.code) == (NOT_TOLD, "at-floor")


def test_a_reference_of_another_surface_resolves_nothing():
    fact = Fact(OTHER_SURFACE, {"kelvin": -2791.0, "error": 53.0, "stated": 300.0})
    rung = result("noise-10", 40.0, 90.0, "noise", 0.1, facts=(fact,))
    found = told(BASE, rung)
    assert found["wf", "noise-10"].verdict == NO_VALUE
    assert found["wf", "noise-10"].reason.code == OTHER_SURFACE
    assert found["force_mae", "noise-10"].verdict == TOLD


def test_unrelated_forces_resolve_nothing():
    def with_fv(given: ModelResult, value: float) -> ModelResult:
        assert given.scores is not None
        fv = score(value, "fv", TRAJECTORY, interval=(value, value), per_start=(value, value))
        return replace(given, scores=replace(given.scores, scores=(*given.scores.scores, fv)))

    rung = with_fv(LADDER[0], 0.8)
    assert told(with_fv(BASE, 0.71), rung)["fv", "noise-10"].reason.code == "unrelated"
    assert told(with_fv(BASE, 0.30), rung)["fv", "noise-10"].verdict == TOLD


def test_rungs_are_not_ranked_among_the_models_and_shuffled_ones_are_both():
    found = benchmark(BASE, *LADDER, result("half", 30.0, 90.0))
    half = replace(found.systems[0].models[-1].model, control=NegativeControl("half-cutoff"))
    models = (*found.systems[0].models[:-1], replace(found.systems[0].models[-1], model=half))
    whole = benchmark(*models)
    assert {v.control for v in verdicts(whole)} == {"shuffled", "half"}
    assert "half" not in {v.control for v in rung_verdicts(whole)}
    assert "shuffled" in {v.control for v in rung_verdicts(whole)}


def test_without_a_rung_there_is_nothing():
    assert rung_verdicts(benchmark(BASE)) == ()
    assert resolutions(()) == ()


def test_every_verdict_can_be_had():
    models = (
        *LADDER,
        result("noise-20", 10.0, 20.0, "noise", 0.2, survived=0.5),
        result("noise-30", None, 20.0, "noise", 0.3),
    )
    assert {v.verdict for v in rung_verdicts(benchmark(BASE, *models))} == set(RUNG_VERDICTS)


@pytest.mark.parametrize("strength", [0.01, 0.1])
def test_a_verdict_has_its_place(strength: float):
    rung = result("n", 15.0, 90.0, "noise", strength)
    found = told(BASE, rung)["wf", "n"]
    assert (found.base, found.kind, found.strength) == ("base", "noise", strength)
    assert (found.value, found.base_value, found.sees) == (15.0, 10.0, "structure")
