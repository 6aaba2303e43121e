"""Verdicts on negative controls: which there are, what they say, and what a page without says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from score_frames import score_frames
from synthetic_results import of_models, results, score, with_scores

from egraff_lmp.data.frames import Frames
from egraff_lmp.report.base import Page
from egraff_lmp.report.page import render
from egraff_lmp.report.sections.controls import controls as section
from egraff_lmp.report.words import (
    REASONS,
    no_information,
    reason_words,
    verdict_sentences,
)
from egraff_lmp.report.words import VERDICTS as WORDS
from egraff_lmp.results.controls import verdicts
from egraff_lmp.results.ranking import CANNOT, NO_INFORMATION, TELLS, VERDICTS
from egraff_lmp.results.record import Model, ModelResult, NegativeControl, Results
from egraff_lmp.score.records import (
    RERUN_REFERENCE,
    STRUCTURE,
    SURVIVAL,
    TRAJECTORY,
    Fact,
    Score,
)

# Of two unrelated parts of a trajectory, in the two digits of the paper's tables.
UNRELATED = (0.70, 0.71)


def value(key: str, number: float | None, comparison: str, **more: Any) -> Score:
    spread = None if number is None else (0.95 * number, 1.05 * number)
    part = "total" if comparison == STRUCTURE else ""
    return score(number, key, comparison, **{"part": part, "interval": spread, **more})


def model(
    name: str, wf: float | None, fv: float = 0.3, at_equal_times: float = 0.71,
    survived: float = 1.0, control: str | None = None,
) -> ModelResult:  # fmt: skip
    kind = None if control is None else NegativeControl(control)
    whole = results(1, 1).systems[0].models[0]
    assert whole.scores is not None
    values = (
        value("wf", wf, STRUCTURE, floor=6.0),
        value("wf_unrooted", wf, STRUCTURE, floor=6.0, mode="paper"),
        value("wf", wf, STRUCTURE, floor=6.0, part="Ge-Te"),
        value("fv", fv, RERUN_REFERENCE, floor=0.701),
        value("fv", at_equal_times, TRAJECTORY, floor=0.703),
        value("ev", 3 * at_equal_times, TRAJECTORY, floor=0.4),
        value("survived", survived, SURVIVAL),
    )
    return replace(
        whole, model=Model(name, "nequip", kind), costs=(),
        scores=replace(whole.scores, scores=values),
    )  # fmt: skip


def benchmark(*models: ModelResult) -> Results:
    whole = results(1, 1)
    system = replace(whole.systems[0], name="gete", system="gete", temperature_kelvin=920.0,
                     models=models)  # fmt: skip
    return replace(whole, models=tuple(one.model for one in models), systems=(system,))


GOOD = model("good", 10.0)
BROKEN = model("broken", 40.0, fv=0.8, at_equal_times=0.8, control="shuffled")


def told(*models: ModelResult) -> dict[tuple[str, str], str]:
    return {(v.key, v.comparison): v.ranking.verdict for v in verdicts(benchmark(*models))}


def sentences(*models: ModelResult) -> list[str]:
    return verdict_sentences(verdicts(benchmark(*models)))


def test_without_a_control_there_is_no_section() -> None:
    assert verdicts(benchmark(GOOD)) == ()
    assert section(Page(benchmark(GOOD))) is None
    assert 'id="controls"' not in render(benchmark(GOOD))


def test_every_score_of_the_egraff_form_has_a_verdict() -> None:
    assert told(GOOD, BROKEN) == {
        ("wf", STRUCTURE): TELLS,
        ("fv", RERUN_REFERENCE): TELLS,
        ("fv", TRAJECTORY): NO_INFORMATION,
        ("ev", TRAJECTORY): NO_INFORMATION,
    }
    assert set(WORDS) == set(VERDICTS)
    assert len({mark for mark, _ in WORDS.values()}) == len(WORDS)


def test_positions_at_equal_times_are_ranked_where_forces_tell_nothing() -> None:
    """Rollouts that part from the reference do so later or earlier, unlike unrelated forces."""
    good, broken = (
        with_scores(one, value("rmsd", number, TRAJECTORY, floor=0.5))
        for one, number in ((GOOD, 0.6), (BROKEN, 0.9))
    )
    found = told(good, broken)
    assert found["fv", TRAJECTORY] == NO_INFORMATION
    assert found["rmsd", TRAJECTORY] == TELLS


def test_metrics_of_the_table_are_judged_by_what_they_claim_to_see() -> None:
    found = verdicts(results(1, 3, 1))
    assert {(v.key, v.sees) for v in found} >= {
        ("wf", "structure"), ("force_mae", "forces"), ("energy_mae", "energies"),
        ("fv_growth", "dynamics"),
    }  # fmt: skip
    assert not {"ms_per_step", "finished_starts"} & {v.key for v in found}


def test_fv_is_ranked_while_rollouts_follow_the_reference() -> None:
    follows = model("good", 10.0, at_equal_times=0.3)
    found = told(follows, BROKEN)
    assert found["fv", TRAJECTORY] == found["ev", TRAJECTORY] == TELLS
    assert no_information(benchmark(follows, BROKEN)) == ""


def test_a_broken_rollout_is_last_in_what_rollouts_enter_and_only_there() -> None:
    perfect = model("broken", 0.0, fv=0.2, survived=0.1, control="shuffled")
    found = told(GOOD, perfect)
    assert found["wf", STRUCTURE] == TELLS
    assert found["fv", RERUN_REFERENCE] == CANNOT
    (row,) = (v for v in verdicts(benchmark(GOOD, perfect)) if v.key == "wf")
    assert row.ranking.broke
    assert "10 % of their time, those of good for 100 %" in reason_words(row.ranking.reason)
    assert row.alone == CANNOT  # its frames alone would have been the best
    shown = section(Page(benchmark(GOOD, perfect)))
    assert shown is not None
    assert shown["tables"][0]["rows"][0]["entries"][0]["text"] == (
        "tells, as it broke (by its frames: cannot tell)"
    )


def test_a_control_without_any_score_is_last_if_it_broke() -> None:
    dead = model("broken", None, survived=0.0, control="shuffled")
    assert told(GOOD, dead)["wf", STRUCTURE] == TELLS


def test_nothing_below_the_floor_is_told() -> None:
    found = told(model("good", 3.0), model("b", 5.0, control="shuffled"))
    assert found["wf", STRUCTURE] == CANNOT
    # The floor of a rerun is what unrelated frames give: no noise, and no bound.
    found = told(model("good", 3, fv=0.1), model("b", 5, fv=0.3, control="shuffled"))
    assert found["fv", RERUN_REFERENCE] == TELLS


def test_the_floor_of_a_control_with_few_frames_hides_nothing() -> None:
    """Its own floor is high where it broke early; that of the others decides."""
    few = model("few", 30.0, control="shuffled")
    assert few.scores is not None
    raised = tuple(
        replace(one, floor=40.0) if one.comparison == STRUCTURE else one
        for one in few.scores.scores
    )
    few = replace(few, scores=replace(few.scores, scores=raised))
    assert told(GOOD, few)["wf", STRUCTURE] == TELLS


def test_every_reason_has_words() -> None:
    values = {"control": "c", "best": "b", "value": 1.0, "best_value": 2.0, "floor": 3.0,
              "survived": 0.1, "best_survived": 1.0, "kelvin": 498.0, "error": 31.0,
              "stated": 300.0}  # fmt: skip
    assert all(reason_words(Fact(code, values)) for code in REASONS)


def test_sentences_name_what_cannot_tell_and_who_is_no_better() -> None:
    bad = model("bad", 50.0)
    close = model("close", 10.2, fv=0.8, control="half-cutoff")
    found = sentences(GOOD, bad, BROKEN, close)
    assert any(s.startswith("WF sees that broken is wrong in gete, 920 K, where bad is no better")
               for s in found)  # fmt: skip
    assert any(s.startswith("WF cannot tell close in gete, 920 K (bad at") for s in found)
    assert sentences(GOOD, BROKEN) == []
    (only,) = sentences(GOOD, close)
    assert only.startswith("WF has close last in gete, 920 K, but not beyond the intervals")


def test_the_page_marks_controls_and_never_calls_one_the_best() -> None:
    whole = results(2, 2, 1)
    # Of the smallest numbers: bold if it were no control.
    swapped = of_models(whole, lambda s, one: replace(one, model=whole.models[0]) if one.model is
                        whole.models[1] else replace(one, model=whole.models[1]))  # fmt: skip
    page = render(swapped)
    assert "allegro †" in page
    assert ' best"' not in page
    honest = replace(whole.models[1], control=None)
    plain = of_models(swapped, lambda s, one: replace(one, model=honest) if one.model.control
                      else one)  # fmt: skip
    assert ' best"' in render(replace(plain, models=(whole.models[0], honest)))
    assert "✗" in page
    assert "cannot tell" in page


def test_one_system_shows_the_verdicts_on_its_controls() -> None:
    page = render(benchmark(GOOD, BROKEN))
    assert 'id="controls"' in page
    assert "broken †" in page or "NequIP †" in page
    assert "carries no information" in page


# --- real data


@pytest.mark.parametrize(
    ("part", "number"),
    [("acac/data/test", 650), ("Data_lips/data/val", 1000), ("GeTe/data/val", 300)],
)
def test_fv_of_unrelated_parts_of_real_data_is_said_to_carry_no_information(
    published: Callable[..., Frames], part: str, number: int
) -> None:
    # The first half of each against the second half, frame by frame.
    first = published(part, slice(0, number // 2), timestep_fs=1.0)
    second = published(part, slice(number // 2, number), timestep_fs=1.0)
    found = score_frames(first, [second], mode="egraff", n_resamples=100).find("fv", TRAJECTORY)
    assert found.value is not None
    assert UNRELATED[0] <= round(found.value, 2) <= UNRELATED[1]
    assert GOOD.scores is not None
    real = replace(GOOD, scores=replace(GOOD.scores, scores=(found,)))
    said = no_information(benchmark(real))
    assert "carries no information in gete, 920 K" in said
    assert "0.70 to 0.71" in said
    assert "carries no information" in render(benchmark(real))
    assert told(real, BROKEN)["fv", TRAJECTORY] == NO_INFORMATION


def test_structure_has_no_verdict_where_no_model_can_have_it():
    """The reference was not drawn from the surface of its forces: its g(r) judges nobody."""
    fact = Fact("other-surface", {"kelvin": -2791.0, "error": 53.0, "stated": 300.0})

    def off(result: ModelResult) -> ModelResult:
        assert result.scores is not None
        values = tuple(
            replace(one, facts=(fact,)) if one.comparison == STRUCTURE else one
            for one in result.scores.scores
        )
        return replace(result, scores=replace(result.scores, scores=values))

    found = verdicts(benchmark(off(GOOD), off(BROKEN)))
    by = {(v.key, v.comparison): v for v in found}
    assert by["wf", STRUCTURE].ranking.verdict == NO_INFORMATION
    assert "-2791 +- 53 K, stated 300 K" in reason_words(by["wf", STRUCTURE].ranking.reason)
    assert by["fv", RERUN_REFERENCE].ranking.verdict == TELLS  # what no structure enters stays
