"""Sentences of the summary follow the numbers, and claim nothing that these do not support."""

from __future__ import annotations

from dataclasses import replace

import pytest
from synthetic_results import results, score

from egraff_lmp.report.findings import DRIFT_FACTOR, findings
from egraff_lmp.results.record import ModelResult
from egraff_lmp.score.records import (
    RERUN_COMMITTEE,
    RERUN_ORACLE,
    RERUN_REFERENCE,
    STABILITY,
    STRUCTURE,
    TRAJECTORY,
    Fact,
    Judge,
    Lifetime,
    RunEnd,
    Score,
)

WHOLE = Lifetime(800.0)
LOST = Lifetime(400.0, RunEnd(40, Fact("lost-atoms", {"left": 60, "of": 64, "step": 200})))
HOT = Lifetime(
    700.0,
    RunEnd(70, Fact("temperature-out-of-bounds", {"kelvin": 1234.0, "low": 0.0, "high": 900.0})),
)
UNRELATED = Fact(
    "no-information", {"metric": "FV", "value": 0.7068, "uncorrelated": 0.7071067811865476}
)


def model(*values: Score) -> ModelResult:
    whole = results(1, 1).systems[0].models[0]
    assert whole.scores is not None
    return replace(whole, scores=replace(whole.scores, scores=values), costs=())


def said(*values: Score) -> str:
    text = " ".join(findings([model(*values)], ["NequIP"]))
    return text.replace("\u202f", " ").replace("\u00a0", " ")


def wf(value: float, floor: float | None = None, kind: str = "g") -> Score:
    return score(value, "wf", STRUCTURE, part="total", floor=floor, distribution=kind)


@pytest.mark.parametrize(("value", "verdict"), [(8.99, "passes"), (9.01, "fails")])
def test_the_verdict_follows_the_number(value: float, verdict: str) -> None:
    assert f"and {verdict} the 9 % criterion." in said(wf(value))


def test_a_score_below_the_floor_is_not_called_better_than_the_reference() -> None:
    assert "not told apart from a perfect model on this much data" in said(wf(1.0, 1.2))
    assert "it lies 2.0 times above what sampling alone gives" in said(wf(2.4, 1.2))
    assert said(wf(1.0, None, "h")).startswith("NequIP: its h(r) differs")


def test_the_criterion_is_one_of_bulk() -> None:
    assert "criterion" in said(wf(1.0))
    assert "criterion" not in said(wf(1.0, None, "h"))


def test_there_is_no_verdict_on_a_structure_that_no_model_can_have() -> None:
    fact = Fact("other-surface", {"kelvin": 498.2, "error": 31.0, "stated": 300.0})
    text = said(replace(wf(20.0), facts=(fact,)))
    assert "its structure has no verdict" in text
    assert "498 +- 31 K" in text
    assert "20" not in text


def test_the_first_violation_and_its_reason() -> None:
    def endurance(*lives: Lifetime) -> str:
        return said(score(512.0, "stability", STABILITY, lifetimes=lives))

    expected = "for 512 fs on average; rollout 2 at 400 fs: 60 of 64 atoms left at step 200."
    assert expected in endurance(WHOLE, LOST)
    assert expected in endurance(HOT, LOST)
    assert "None of its rollouts violated a criterion of stability in 512 fs." in endurance(
        WHOLE, WHOLE
    )


def test_errors_of_forces_stand_beside_the_forces() -> None:
    numbers = {"force_mae": 54.3, "force_rmse": 76.5, "force_rms_reference": 765.0}
    errors = [score(value, key, RERUN_REFERENCE) for key, value in numbers.items()]
    assert "wrong by 54.3 meV/\u2060Å on average (the root mean square error is 10 %" in said(
        *errors
    )
    assert said(errors[0]).endswith("on average.")


@pytest.mark.parametrize("comparison", [RERUN_ORACLE, RERUN_COMMITTEE])
@pytest.mark.parametrize(("factor", "told"), [(0.99, False), (1.01, True)])
def test_a_rollout_that_leaves_what_the_model_knows_is_told(
    comparison: str, factor: float, told: bool
) -> None:
    judge = Judge(("mace", "allegro"), 0.123) if comparison == RERUN_COMMITTEE else None
    text = said(
        score(0.04, "fv", comparison, judge=judge),
        score(factor * DRIFT_FACTOR, "fv_growth", comparison),
    )
    assert ("It grows along them, to 1.5 times" in text) is told
    assert ("among each other these give 0.123" in text) is (judge is not None)


def test_a_decorrelated_reference_is_said_to_tell_nothing() -> None:
    text = said(score(0.7068, "fv", TRAJECTORY, floor=0.7041, facts=(UNRELATED,)))
    assert text.count("carries no information about the model") == 1
    assert "two unrelated frames give 0.7071 (two halves of the reference: 0.7041)." in text
    assert "no information" not in said(score(0.3, "fv", TRAJECTORY), wf(3.0))


def test_the_fastest_comes_first() -> None:
    whole = results(1, 3).systems[0].models
    speed = findings(list(reversed(whole)), ["third", "second", "first"])[-1]
    assert speed.startswith("Speed: first 0.0")
    assert speed.index("first") < speed.index("second") < speed.index("third")
    assert "on 2 ranks" in speed


def test_nothing_is_said_of_nothing() -> None:
    assert findings([model()], ["x"]) == [
        "No model gave a result that could be summed up; the reasons stand below."
    ]
