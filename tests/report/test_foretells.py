"""The section on force errors and simulations, its words, and the findings of several systems."""

from __future__ import annotations

from dataclasses import replace

from synthetic_results import results, trained_apart

from egraff_lmp.report.base import Page
from egraff_lmp.report.correlation_words import (
    REASONS,
    SHORT,
    VERDICTS,
    correlation_sentences,
    field_words,
    hint_words,
    rho_words,
)
from egraff_lmp.report.page import render
from egraff_lmp.report.sections.findings import findings_of_systems
from egraff_lmp.report.sections.foretells import foretells
from egraff_lmp.results import correlation
from egraff_lmp.results.correlation import Correlation, PooledCorrelation
from egraff_lmp.score.records import Fact

NAMES = ("nequip", "allegro", "mace", "botnet", "equiformer", "torchmdnet")
WF = Correlation("cell", "gete", 920.0, "wf", "structure", "total", NAMES, (), 0.943,
                 (0.3, 1.0), (0.6, 1.0), correlation.FORETELLS, None)  # fmt: skip
VALUES = {"models": 3, "least": 4, "floor": 4.0, "groups": 2, "kelvin": 498.0, "error": 31.0,
          "stated": 300.0}  # fmt: skip


def lacking(code: str) -> Correlation:
    return replace(WF, rho=None, interval=None, verdict=correlation.NOTHING,
                   reason=Fact(code, VALUES))  # fmt: skip


def test_every_verdict_and_reason_has_words() -> None:
    assert set(VERDICTS) == set(correlation.VERDICTS)
    assert len({mark for mark, _ in VERDICTS.values()}) == len(VERDICTS)
    for code in REASONS:
        assert hint_words(lacking(code))
    # Where only the interval is missing, the mean stands in the field.
    assert set(SHORT) == set(REASONS) - {"few-groups"}
    assert all(field_words(lacking(code)) for code in SHORT)


def test_a_sentence_says_what_the_interval_allows() -> None:
    worse = replace(WF, key="rmsd", comparison="trajectory", part="", rho=-0.943,
                    interval=(-1.0, -0.3), verdict=correlation.MISLEADS)  # fmt: skip
    wide = replace(WF, key="jsd", rho=0.5, interval=(-0.4, 0.9), verdict=correlation.NOT_SHOWN)
    assert correlation_sentences([WF, worse, wide]) == [
        "A smaller force error foretells a better value of “WF”: ρ = +0.94 (+0.30 to +1.00) over 6 "
        "models.",
        "A smaller force error goes with a worse value of “RMSD at equal times”: ρ = −0.94 (−1.00 "
        "to −0.30) over 6 models.",
        "The force error does not foretell “JSD” beyond chance: ρ = +0.50 (−0.40 to +0.90) over 6 "
        "models.",
    ]
    assert rho_words(0.0) == "+0.00"


def test_scores_without_an_answer_share_their_reason() -> None:
    few = lacking("few-models")
    assert correlation_sentences([few, replace(few, key="jsd"), lacking("at-floor")]) == [
        "There is no answer for WF and JSD: 3 ordinary models have both values, and 4 are needed.",
        "There is no answer for WF: all 3 models are at or below the floor, 4.",
    ]


def test_over_systems_it_is_a_mean() -> None:
    mean = PooledCorrelation("wf", "structure", "total", (("a", "d"), ("b",), ("c",)), 0.5,
                             (0.1, 0.9), correlation.FORETELLS, None)  # fmt: skip
    assert correlation_sentences([mean]) == [
        "A smaller force error foretells a better value of “WF”: mean ρ = +0.50 (+0.10 to +0.90) "
        "over 4 systems with 3 sets of trained models."
    ]


def test_the_hint_names_noise_and_broken_rollouts() -> None:
    hint = hint_words(replace(WF, broke=("mace", "botnet")))
    assert "by the noise of the values alone +0.60 to +1.00" in hint
    assert "rollouts of mace and botnet broke" in hint


def test_a_page_of_one_system_has_a_column_of_it() -> None:
    found = foretells(Page(results(1, 6)))
    assert found is not None
    assert found["columns"] == ["system0, 300 K"]
    assert not found["several"]
    wf = next(row for row in found["rows"] if row["label"] == "WF")
    assert wf["pooled"] is None
    # Three of the six lie below the largest of their floors, and are tied.
    assert wf["entries"][0]["text"] == "+0.94"
    assert wf["entries"][0]["number"] == "6 models"
    page = render(results(1, 6))
    assert 'id="foretells"' in page
    assert "all systems, mean ρ" not in page
    assert 'id="findings"' not in page


def test_a_page_of_several_has_all_of_them_first() -> None:
    found = foretells(Page(trained_apart(results(4, 6))))
    assert found is not None
    assert len(found["columns"]) == 4
    wf = next(row for row in found["rows"] if row["label"] == "WF")
    assert wf["pooled"]["number"] == "4 systems with 4 sets of trained models"
    assert [entry["number"] for entry in wf["entries"]] == ["5 models", *["6 models"] * 3]
    page = render(results(4, 6))
    assert "all systems, mean ρ" in page
    assert "Negative controls are left out" not in page
    assert "Negative controls are left out" in render(results(4, 6, 1))


def test_too_few_models_say_so_in_every_field() -> None:
    found = foretells(Page(results(1, 3)))
    assert found is not None
    texts = {entry["text"] for row in found["rows"] for entry in row["entries"]}
    assert "3 of at least 4 models" in texts
    assert all(entry["absent"] for row in found["rows"] for entry in row["entries"])


def test_several_systems_have_their_findings_without_controls() -> None:
    whole = results(3, 3, 1)
    found = findings_of_systems(Page(whole))
    assert found is not None
    assert [system.name for system, _ in found["systems"]] == ["cell0", "cell1", "cell2"]
    sentences = found["systems"][1][1]
    assert any(one.startswith("NequIP: ") for one in sentences)
    assert not any("BOTNet" in one for one in sentences)
    page = render(whole)
    assert page.index('id="map"') < page.index('id="findings"') < page.index('id="headlines"')
    nothing = tuple(replace(one, models=()) for one in whole.systems)
    assert findings_of_systems(Page(replace(whole, systems=nothing))) is None
