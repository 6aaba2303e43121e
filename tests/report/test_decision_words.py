"""The first screen in words: what is told follows the numbers, and what is not told is said."""

from __future__ import annotations

from dataclasses import replace

import pytest
from decided_systems import bulk, model
from synthetic_results import SHUFFLED, results

from egraff_lmp.report.decision_words import (
    CAVEATS,
    PURPOSES,
    caveat_sentences,
    caveat_words,
    choice_words,
    reason_of,
    scale_words,
    sentences,
)
from egraff_lmp.report.page import SECTIONS, render
from egraff_lmp.results.decision import (
    COMPOSITE,
    ENDURANCE,
    FORCES,
    MOTION,
    STRUCTURAL,
    Caveat,
    Choice,
    decide,
)
from egraff_lmp.results.decision import PURPOSES as ROWS
from egraff_lmp.results.record import ModelResult, Results
from egraff_lmp.score.records import OTHER_SURFACE, Fact

SURFACE = Fact(OTHER_SURFACE, {"kelvin": 498.0, "error": 31.0, "stated": 300.0})
NARROW = (49.0, 51.0)


def said(*models: ModelResult) -> str:
    return plain(" ".join(sentences(decide(bulk(*models)))))


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u00a0", " ")


def test_what_is_chosen() -> None:
    assert choice_words(Choice(FORCES, (), 0)) == "–"
    assert choice_words(Choice(FORCES, ("a",), 1)) == "a alone"
    assert choice_words(Choice(FORCES, ("a",), 3)) == "a"
    assert choice_words(Choice(FORCES, ("b", "a"), 3)) == "tied: b, a"
    assert choice_words(Choice(FORCES, ("b", "a", "c"), 3)) == "not told apart"


def test_a_winner_a_tie_and_no_difference() -> None:
    best = model("a", 24.0, (23.0, 25.0), forces=NARROW, cost=30.0)
    near = model("b", 25.0, (24.0, 26.0), forces=NARROW, cost=20.0)
    far = model("c", 90.0, (88.0, 92.0), forces=NARROW, cost=10.0)
    text = said(best, far)
    assert "a has the smallest composite, 0.138 (" in text
    assert "told apart from all other models." in text
    assert (
        "Of its parts, that of structure tells models apart, those of motion, forces and endurance "
        "do not." in text
    )
    assert "from the fastest to the best: c and a." in text
    text = said(best, near, far)
    assert "and b is not told apart from it. The fastest of these is b: 20.0 µs" in text
    text = said(best, near)
    assert "No model is told apart from the best one by the composite." in text
    assert "None of its parts tells models apart." in text


def test_one_model_is_compared_with_none() -> None:
    text = said(model("a"))
    assert text.startswith("a alone has results; its composite is 0.250")
    assert "Pareto" not in text


def test_broken_rollouts_are_told() -> None:
    assert "whole for this part of their time: b 40 %." in said(
        model("a"), model("b", survived=0.4)
    )


def test_without_a_part_in_common_there_is_no_composite() -> None:
    found = decide(bulk(model("a")))
    bare = replace(
        found,
        choices=tuple(Choice(one.purpose, (), 0) for one in found.choices),
    )
    assert sentences(bare) == ["There is no composite: no purpose has a value of every model."]


def test_scales_are_told_with_their_units() -> None:
    one = decide(bulk(model())).composites[0]
    assert scale_words([one.part(STRUCTURAL)]) == "WF: 0 at 20.0 %, 1 at 100 %"
    assert scale_words([one.part(MOTION)]) == "VDOS JSD: 0 at 0.200 bit, 1 at 1.00 bit"
    assert scale_words([one.part(FORCES)]) == "force RMSE: 0 at 0 meV/Å, 1 at 200 meV/Å"
    assert "0 at 100 % of their time whole" in scale_words([one.part(ENDURANCE)])


def test_floors_that_differ_are_told_from_the_least_to_the_largest() -> None:
    found = decide(bulk(model("a"), model("b", floor=30.0))).composites
    text = plain(scale_words([one.part(STRUCTURAL) for one in found]))
    assert text == "WF: 0 at 20.0 – 30.0 %, 1 at 100 %"


def test_without_a_value_there_is_no_scale() -> None:
    one = decide(bulk(model(vdos=None))).composites[0]
    assert scale_words([one.part(MOTION)]) == "VDOS JSD"


def test_why_there_is_no_part() -> None:
    part = decide(bulk(model(vdos=None))).composites[0].part(MOTION)
    assert reason_of(part) == "there is no such score"
    part = decide(bulk(model(facts=(SURFACE,)))).composites[0].part(STRUCTURAL)
    assert "498 +- 31 K" in reason_of(part)
    assert reason_of(decide(bulk(model())).composites[0].part(FORCES)) == ""


@pytest.mark.parametrize("code", CAVEATS)
def test_every_caveat_is_a_sentence(code: str) -> None:
    for models in (("a",), ("a", "b")):
        text = caveat_words(Caveat(code, models, MOTION, 2))
        assert text[0].isupper()
        assert "{" not in text


def test_numbers_and_names_agree_with_their_verbs() -> None:
    assert "only 1 force field was compared" in caveat_words(Caveat("few-models", number=1))
    assert "only 3 force fields were compared" in caveat_words(Caveat("few-models", number=3))
    assert "there are only 2 rollouts" in caveat_words(Caveat("few-starts", number=2))
    assert "a and b have no value" in caveat_words(Caveat("left-out-of-some", ("a", "b"), MOTION))


def test_a_caveat_of_one_system_has_its_reason_and_of_several_its_places() -> None:
    odd, even = (decide(bulk(model(facts=facts))) for facts in ((SURFACE,), ()))
    (sentence,) = (s for s in caveat_sentences([("x", odd)]) if "surface" in s)
    assert "498 +- 31 K" in sentence
    several = caveat_sentences([("x, 300 K", odd), ("y, 300 K", even)])
    (sentence,) = (s for s in several if "surface" in s)
    assert sentence.startswith("x, 300 K: which model has the right structure")
    assert len([s for s in several if "only 1 force field" in s]) == 1


def test_every_purpose_has_words() -> None:
    assert list(PURPOSES) == [*(row.name for row in ROWS), COMPOSITE]


def page_of(systems: int, *models: ModelResult) -> str:
    whole = results(systems, 1)
    found: Results = replace(
        whole,
        models=tuple(one.model for one in models),
        systems=tuple(replace(one, models=models) for one in whole.systems),
    )
    return plain(render(found))


@pytest.mark.parametrize("systems", [1, 2])
def test_the_decision_stands_first_and_leaves_controls_out(systems: int) -> None:
    text = page_of(systems, model("a"), model("fake", control=SHUFFLED))
    assert text.index('id="decision"') < min(
        text.index(f'id="{name}"') for name in ("limits", "summary" if systems == 1 else "map")
    )
    section = text[text.index('<section id="decision">') : text.index("Negative controls take")]
    assert "a alone" in section
    assert "fake" not in section
    assert "What this evidence does not allow to say" in section


def test_curves_stand_before_tables() -> None:
    names = [section.name for section in SECTIONS]
    for first, then in (("decision", "summary"), ("summary", "curves"), ("curves", "groups"),
                        ("figures", "headlines"), ("figures", "setup")):  # fmt: skip
        assert names.index(first) < names.index(then)


def test_without_results_there_is_no_such_section() -> None:
    whole = results(1, 1)
    system = replace(whole.systems[0], models=())
    assert 'id="decision"' not in render(replace(whole, models=(), systems=(system,)))
