"""Which force field: composites computed by hand, ties, missing parts, the front, and caveats."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from decided_systems import bulk, model
from synthetic_results import MACHINE, SHUFFLED, results, score

from egraff_lmp.results.decision import (
    COMPOSITE,
    ENDURANCE,
    FORCES,
    MOTION,
    PURPOSES,
    STRUCTURAL,
    Decision,
    decide,
    decisions,
)
from egraff_lmp.results.record import FAILED, Model
from egraff_lmp.score.records import (
    AFTER_LOSS,
    COST,
    NO_STABLE_FRAME,
    OTHER_SURFACE,
    STRUCTURE,
    TRANSPORT,
    Fact,
)
from egraff_lmp.score.table import METRICS

# Sums of four numbers in floating point.
ROUNDING = 1e-12
ALL = (STRUCTURAL, MOTION, FORCES, ENDURANCE)
SURFACE = Fact(OTHER_SURFACE, {"kelvin": 498.0, "error": 31.0, "stated": 300.0})


def codes(found: Decision) -> set[str]:
    return {caveat.code for caveat in found.caveats}


def test_a_composite_by_hand() -> None:
    found = decide(bulk(model()))
    (one,) = found.composites
    assert [part.value for part in one.parts] == pytest.approx([0.5, 0.25, 0.25, 0], abs=ROUNDING)
    assert one.part(STRUCTURAL).baseline == pytest.approx(100.0, abs=1e-9)
    assert one.part(STRUCTURAL).floor == 20.0
    assert one.part(FORCES).floor == 0.0  # what unrelated frames give is no floor of a part
    assert (one.part(ENDURANCE).floor, one.part(ENDURANCE).baseline) == (1.0, 0.0)
    assert found.purposes == ALL
    assert one.value == pytest.approx(0.25, abs=ROUNDING)
    assert one.interval == pytest.approx(
        (0.25 - 0.1 * math.sqrt(2) / 4, 0.25 + 0.2 * math.sqrt(2) / 4), abs=1e-9
    )


def test_endurance_is_the_part_that_was_not_whole() -> None:
    (one,) = decide(bulk(model(survived=0.3))).composites
    assert one.part(ENDURANCE).value == pytest.approx(0.7, abs=ROUNDING)
    assert one.interval is None  # of one number of broken rollouts no spread is known


def test_a_model_that_knows_nothing_has_1_and_one_at_the_floor_or_below_0() -> None:
    (worst,) = decide(bulk(model("w", 100.0, None, vdos=1.0, rmse=200.0, survived=0))).composites
    assert worst.value == pytest.approx(1.0, abs=1e-9)
    for value in (20.0, 3.0):
        (best,) = decide(bulk(model("b", value, (2.0, 52.0), vdos=0.1, rmse=0.0))).composites
        assert best.value == 0.0
        assert best.part(STRUCTURAL).interval == pytest.approx((0.0, 0.4), abs=1e-9)


def test_a_molecule_has_the_divergence_of_its_distances() -> None:
    whole = results(1, 1).systems[0]
    given = model()
    assert given.scores is not None
    jsd = score(0.3, "jsd", STRUCTURE, part="total", floor=0.1, distribution="h")
    scores = replace(given.scores, scores=(*given.scores.scores, jsd))
    reference = replace(whole.reference, periodic=False)
    system = replace(whole, models=(replace(given, scores=scores),), reference=reference)
    part = decide(system).composites[0].part(STRUCTURAL)
    assert (part.key, part.floor, part.baseline) == ("jsd", 0.1, 1.0)
    assert part.value == pytest.approx(0.2 / 0.9, abs=ROUNDING)


def test_a_part_that_one_model_lacks_enters_no_composite() -> None:
    found = decide(bulk(model("a"), model("b", vdos=None)))
    assert found.purposes == (STRUCTURAL, FORCES, ENDURANCE)
    assert [one.value for one in found.composites] == pytest.approx([0.25, 0.25], abs=ROUNDING)
    (caveat,) = (c for c in found.caveats if c.code == "left-out-of-some")
    assert (caveat.models, caveat.purpose) == (("b",), MOTION)
    assert found.choice(MOTION).models == ("a",)
    assert not found.choice(MOTION).told


def test_a_structure_of_another_surface_takes_no_part() -> None:
    found = decide(bulk(model(facts=(SURFACE,)), model("b", facts=(SURFACE,))))
    assert found.purposes == (MOTION, FORCES, ENDURANCE)
    assert found.choice(STRUCTURAL).models == ()
    (caveat,) = (c for c in found.caveats if c.code == "other-surface")
    assert (caveat.purpose, caveat.why) == (STRUCTURAL, SURFACE)


def test_without_a_stable_frame_the_structure_is_that_of_the_baseline() -> None:
    gone = model("b", None, None, absence=Fact(NO_STABLE_FRAME, {"of": 10}), survived=0.0)
    found = decide(bulk(model("a"), gone))
    assert found.composite("b").part(STRUCTURAL).value == 1.0
    assert found.purposes == ALL
    assert found.choice(STRUCTURAL).models == ("a",)


def test_a_floor_above_the_baseline_leaves_nothing_to_tell() -> None:
    part = decide(bulk(model(floor=120.0))).composites[0].part(STRUCTURAL)
    assert part.value is None
    assert part.absence == Fact("floor-above-baseline")


def test_without_a_curve_of_the_reference_there_is_no_baseline() -> None:
    given = model()
    assert given.scores is not None
    bare = replace(given, scores=replace(given.scores, curves={}))
    assert decide(bulk(bare)).composites[0].part(STRUCTURAL).absence == Fact("no-baseline")


def test_models_with_overlapping_intervals_are_tied_and_the_fastest_of_them_is_named() -> None:
    a = model("a", 30.0, (28.0, 32.0), forces=(49.0, 51.0), cost=30.0)
    b = model("b", 31.0, (29.0, 33.0), forces=(49.0, 51.0), cost=20.0)
    c = model("c", 90.0, (88.0, 92.0), forces=(49.0, 51.0), cost=10.0)
    found = decide(bulk(c, b, a))
    assert found.choice(STRUCTURAL).models == ("a", "b")
    assert found.choice(STRUCTURAL).told
    assert found.choice(COMPOSITE).models == ("a", "b")
    assert found.fastest == "b"
    assert not found.choice(FORCES).told
    assert set(found.choice(FORCES).models) == {"a", "b", "c"}
    assert found.front == ("c", "b", "a")


def test_a_model_that_is_slower_and_no_better_is_not_on_the_front() -> None:
    found = decide(bulk(model("a", 40.0, cost=10.0), model("b", 40.0, cost=11.0),
                        model("c", 50.0, cost=12.0)))  # fmt: skip
    assert found.front == ("a",)
    equal = decide(bulk(model("a"), model("b")))
    assert equal.front == ("a", "b")


def test_a_fast_model_that_broke_is_not_on_the_front_and_behind_the_others() -> None:
    broken = model("b", 21.0, (20.0, 22.0), rmse=1.0, forces=(0.9, 1.1), survived=0.9, cost=1.0)
    found = decide(bulk(model("a"), broken))
    assert (found.composite("b").value or 0) < (found.composite("a").value or 0)
    assert found.front == ("a",)
    assert found.choice(COMPOSITE).models == ("a",)
    assert found.choice(ENDURANCE).models == ("a",)
    assert found.choice(FORCES).models == ("b",)  # on frames of the reference nothing breaks


def test_few_stable_frames_do_not_win() -> None:
    """Rollouts reached their end, but nearly all frames lie behind the loss of stability."""
    lost = Fact(AFTER_LOSS, {"left_out": 95, "of": 100})
    fell = model("b", 28.0, (27.0, 29.0), floor=28.0, facts=(lost,), cost=1.0)
    found = decide(bulk(model("a"), fell))
    assert (found.composite("b").value or 0) < (found.composite("a").value or 0)
    assert found.choice(COMPOSITE).models == ("a",)
    assert found.front == ("a",)


def test_without_a_floor_nothing_is_said() -> None:
    (one,) = decide(bulk(model(floor=None))).composites
    assert one.part(STRUCTURAL).value is None
    assert one.part(STRUCTURAL).absence == Fact("no-floor")


def test_a_negative_control_does_not_enter() -> None:
    perfect = model("control", 20.0, (20.0, 20.0), vdos=0.2, rmse=0.0, cost=0.1, control=SHUFFLED)
    assert decide(bulk(model("a"), perfect)) == decide(bulk(model("a")))


def test_without_a_cost_there_is_no_front() -> None:
    found = decide(bulk(model("a", cost=None), model("b", cost=None)))
    assert (found.front, found.fastest) == ((), None)
    assert "no-cost" in codes(found)
    assert "timed-beside-unknown" not in codes(found)
    # The fastest is not known either where one of those that are tied was not timed.
    assert decide(bulk(model("a"), model("b", cost=None))).fastest is None


def test_models_without_results_are_left_out_and_named() -> None:
    failed = replace(model("b"), state=FAILED, scores=None)
    found = decide(bulk(model("a"), failed))
    assert [one.model for one in found.composites] == ["a"]
    (caveat,) = (c for c in found.caveats if c.code == "without-results")
    assert caveat.models == ("b",)
    whole = replace(results(1, 1), systems=(bulk(failed),))
    assert decisions(whole) == ()


def test_caveats_are_made_of_the_facts_that_are_there() -> None:
    plain = decide(bulk(model("a"), model("b")))
    assert codes(plain) == {"few-models", "few-starts", "timed-beside-unknown"}
    short, shared = Fact("short-reference", {"few": 8}), Fact("shared-starts", {})
    counts = replace(score(1.0, "wf", STRUCTURE).counts, starts=3)
    told = model("a", facts=(short, shared), counts=counts)
    still = score(None, "diffusivity_error", TRANSPORT, part="total",
                  absence=Fact("does-not-diffuse", {}))  # fmt: skip
    assert told.scores is not None
    scores = replace(told.scores, scores=(*told.scores.scores, still))
    elsewhere = score(10.0, "us_per_atom_step", COST, interval=None,
                      facts=(replace(MACHINE, values={**MACHINE.values, "ranks": 8}),))  # fmt: skip
    trained = Model("a", "mace", settings={"checkpoint": "best.ckpt"})
    told = replace(told, scores=scores, costs=(elsewhere,), model=trained)
    found = decide(bulk(told, model("b", counts=counts)))
    assert codes(found) == {
        "few-models", "short-reference", "shared-starts", "no-diffusion", "timed-beside-unknown",
        "timed-elsewhere", "trained-before",
    }  # fmt: skip


@pytest.mark.parametrize("purpose", PURPOSES, ids=lambda purpose: purpose.name)
def test_every_purpose_has_its_metrics_in_the_table(purpose: Any) -> None:
    for kind, key in purpose.metrics.items():
        assert kind in METRICS[key].systems
        assert METRICS[key].better
