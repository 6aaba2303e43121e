"""The section on what each score resolves, and its words."""

from __future__ import annotations

from dataclasses import replace

from synthetic_results import of_models, results

from egraff_lmp.report.base import Page
from egraff_lmp.report.ladder_words import (
    KINDS,
    REASONS,
    VERDICTS,
    cell_words,
    hint_words,
    ladder_sentences,
    resolution_words,
    rung_words,
)
from egraff_lmp.report.page import render
from egraff_lmp.report.sections.ladder import ladder as section
from egraff_lmp.results import ladder
from egraff_lmp.results.difference import Difference
from egraff_lmp.results.ladder import Resolution, RungVerdict
from egraff_lmp.results.record import ModelResult, NegativeControl, Results, System
from egraff_lmp.score.records import Fact

VALUES = {"floor": 4.0, "kelvin": 498.0, "error": 31.0, "stated": 300.0}
VERDICT = RungVerdict(
    "cell", "gete", 920.0, "mace", "mace-noise-3", "noise", 0.03, "wf", "structure", "total",
    "structure", 12.0, 10.0, Difference(2.0, (1.0, 3.0), "starts"), 1.0, 1.0, True, False,
    ladder.TOLD, Fact("worse"),
)  # fmt: skip
NAMES = ("mace-noise-1", "mace-noise-3", "mace-noise-10")
RESOLUTION = Resolution(
    "cell", "gete", 920.0, "mace", "wf", "structure", "total", "structure", "noise", NAMES,
    "mace-noise-3", 0.03, (), "mace-noise-3", 0.03,
)  # fmt: skip


def with_rungs(systems: int = 1) -> Results:
    """Three models: one, and two of noise; the numbers grow with the model."""
    whole = results(systems, 3)
    names = {m.name: NegativeControl("noise", whole.models[0].name, s)
             for m, s in zip(whole.models[1:], (0.03, 0.1), strict=True)}  # fmt: skip

    def control(system: System, one: ModelResult) -> ModelResult:
        return replace(one, model=replace(one.model, control=names.get(one.model.name)))

    models = tuple(replace(m, control=names.get(m.name)) for m in whole.models)
    return replace(of_models(whole, control), models=models)


def test_rungs_have_words():
    assert rung_words("noise", 0.03) == "3 % noise"
    assert rung_words("frames", 0.25) == "25 % frames"
    assert rung_words("r-max", 4.0) == "cutoff 4 Å"
    assert rung_words("shuffled", None) == "shuffled weights"
    assert set(KINDS) == set(ladder.KINDS)


def test_every_verdict_and_reason_has_words():
    assert set(VERDICTS) == set(ladder.RUNG_VERDICTS)
    assert len({mark for mark, _ in VERDICTS.values()}) == len(VERDICTS)
    for code in REASONS:
        assert hint_words(replace(VERDICT, reason=Fact(code, VALUES)))


def test_a_field_gives_value_and_survival():
    assert cell_words(VERDICT) == "told"
    assert hint_words(VERDICT) == (
        "mace-noise-3 12, mace 10; worse by 2 (1 to 3); by value: worse, beyond the noise"
    )
    broke = replace(VERDICT, survived=0.1, by_survival=True)
    assert cell_words(broke) == "told; it broke, too"
    assert "by survival: told, whole for 10 % and 100 % of the time" in hint_words(broke)
    alone = replace(broke, by_value=False, verdict=ladder.BY_SURVIVAL)
    assert cell_words(alone) == "told by survival only"


def test_a_resolution_has_words():
    assert resolution_words(RESOLUTION) == "3 % noise"
    assert resolution_words(replace(RESOLUTION, missed=("mace-noise-10",))) == (
        "3 % noise, not mace-noise-10"
    )
    none = replace(RESOLUTION, weakest=None, strength=None)
    assert resolution_words(none) == "no weight noise (3 % noise by survival)"
    assert resolution_words(replace(none, weakest_seen=None)) == "no weight noise"
    shuffled = replace(none, kind="shuffled", strength_seen=None)
    assert resolution_words(shuffled) == "no shuffled weights (by survival)"


def test_sentences_say_what_is_told_what_is_not_and_what_misleads():
    weak = replace(VERDICT, control="mace-noise-1", strength=0.01, by_value=False,
                   verdict=ladder.NOT_TOLD, reason=Fact("better"))  # fmt: skip
    assert ladder_sentences([weak, VERDICT], [RESOLUTION]) == [
        "By value, WF tells 3 % noise, but nothing weaker.",
        "WF is better for 1 % noise than for mace, beyond the noise: it misleads here.",
    ]
    first = replace(RESOLUTION, weakest="mace-noise-1", strength=0.01)
    assert ladder_sentences([VERDICT], [first]) == ["By value, WF tells 1 % noise."]
    none = replace(RESOLUTION, weakest=None, strength=None)
    assert ladder_sentences([VERDICT], [none]) == ["By value, WF tells no weight noise."]
    unknown = replace(VERDICT, verdict=ladder.NO_VALUE, difference=None, by_value=False)
    assert ladder_sentences([unknown], [none]) == []


def test_the_page_has_a_row_for_each_score_and_a_column_for_each_rung():
    whole = with_rungs()
    found = section(Page(whole))
    assert found is not None
    (table,) = found["tables"]
    assert table["columns"] == ["3 % noise", "10 % noise"]
    assert {"WF", "force MAE on reference frames"} <= {row["label"] for row in table["rows"]}
    assert all(len(row["entries"]) == 2 for row in table["rows"])
    force = next(r for r in table["rows"] if r["label"] == "force MAE on reference frames")
    assert force["resolution"] in ("3 % noise", "10 % noise", "no weight noise")
    page = render(whole)
    assert 'id="ladder"' in page
    assert 'id="controls"' not in page  # rungs are not ranked among the models
    assert "resolution, by value" in page


def test_several_systems_have_a_table_each_and_a_page_without_rungs_none():
    found = section(Page(with_rungs(2)))
    assert found is not None
    assert len(found["tables"]) == 2
    assert section(Page(results(1, 2))) is None
    assert 'id="ladder"' not in render(results(1, 2))
