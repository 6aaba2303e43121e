"""The section on controls: which rows there are, what they say, and what a page without says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from egraff_lmp.data.frames import Frames
from egraff_lmp.report.controls import (
    MARKS,
    controls,
    controls_json,
    no_information,
    section,
    sentences,
)
from egraff_lmp.report.matrix import MatrixPage, render_page
from egraff_lmp.report.ranking import CANNOT, NO_INFORMATION, TELLS, VERDICTS
from egraff_lmp.report.value import SCHEMA_FILE, CellSummary, Value, to_csv, to_json
from egraff_lmp.score import score_trajectory
from egraff_lmp.score.table import METRICS

LABELS = {"gete": "gete, 920 K"}
# Of two unrelated parts of a trajectory, in the two digits of the paper's tables.
UNRELATED = (0.70, 0.71)


def value(model: str, key: str, number: float | None, comparison: str, **more: Any) -> Value:
    known = METRICS.get(key)
    defaults: dict[str, Any] = {
        "mode": "" if known is None else "egraff",
        "pair": "total" if comparison == "structure" else "",
        "interval": None if number is None else (0.95 * number, 1.05 * number),
    }
    return Value(
        system="gete", temperature_kelvin=920.0, model=model, forcefield="nequip", key=key,
        label=key, unit="1", comparison=comparison, value=number, **{**defaults, **more},
    )  # fmt: skip


def summary(
    model: str,
    wf: float | None,
    fv: float = 0.3,
    at_equal_times: float = 0.71,
    survived: float = 1.0,
    control: str | None = None,
) -> CellSummary:
    values = (
        value(model, "wf", wf, "structure", floor=6.0),
        value(model, "wf", wf, "structure", floor=6.0, mode="paper"),
        value(model, "wf", wf, "structure", floor=6.0, pair="Ge-Te"),
        value(model, "fv", fv, "rerun-reference", floor=0.701),
        value(model, "fv", at_equal_times, "trajectory", floor=0.703),
        value(model, "ev", 3 * at_equal_times, "trajectory", floor=0.4),
        value(model, "force_mae", 100 * fv, "accuracy"),
        value(model, "survived", survived, "rollouts"),
    )
    return CellSummary("gete", "GeTe", "gete", 920.0, model, "done", "", values, None, control)


GOOD = summary("good", 10.0)
BROKEN = summary("broken", 40.0, fv=0.8, at_equal_times=0.8, control="shuffled")


def verdicts(*cells: CellSummary) -> dict[tuple[str, str], str]:
    return {(v.key, v.comparison): v.ranking.verdict for v in controls(cells)}


def test_without_a_control_there_is_no_section():
    assert controls([GOOD]) == []
    assert section([GOOD], LABELS) is None
    page = render_page(MatrixPage("t", ["good"], LABELS, [GOOD]))
    assert 'id="controls"' not in page
    assert to_json("t", [GOOD])["controls"] == []


def test_every_score_of_the_egraff_form_has_a_verdict():
    assert verdicts(GOOD, BROKEN) == {
        ("wf", "structure"): TELLS,
        ("fv", "rerun-reference"): TELLS,
        ("fv", "trajectory"): NO_INFORMATION,
        ("ev", "trajectory"): NO_INFORMATION,
    }
    assert set(MARKS) == set(VERDICTS)
    assert len(set(MARKS.values())) == len(MARKS)


def test_fv_is_ranked_while_rollouts_follow_the_reference():
    follows = replace(GOOD, values=summary("good", 10.0, at_equal_times=0.3).values)
    found = verdicts(follows, BROKEN)
    assert found["fv", "trajectory"] == found["ev", "trajectory"] == TELLS
    assert no_information([follows, BROKEN]) == ""


def test_a_broken_rollout_is_last_in_what_rollouts_enter_and_only_there():
    perfect = summary("broken", 0.0, fv=0.2, survived=0.1, control="shuffled")
    found = verdicts(GOOD, perfect)
    assert found["wf", "structure"] == TELLS
    assert found["fv", "rerun-reference"] == CANNOT
    (row,) = (v for v in controls([GOOD, perfect]) if v.key == "wf")
    assert row.ranking.broke
    assert row.alone == CANNOT  # its frames alone would have been the best
    shown = section([GOOD, perfect], LABELS)
    assert shown is not None
    assert shown["tables"][0]["rows"][0]["entries"][0]["text"] == (
        "tells, as it broke (by its frames: cannot tell)"
    )


def test_a_control_without_any_score_is_last_if_it_broke():
    assert verdicts(GOOD, summary("broken", None, survived=0.0, control="shuffled"))[
        "wf", "structure"
    ] == TELLS  # fmt: skip


def test_nothing_below_the_floor_is_told():
    assert verdicts(summary("good", 3.0), summary("b", 5.0, control="shuffled"))[
        "wf", "structure"
    ] == CANNOT  # fmt: skip
    # The floor of a rerun is what unrelated frames give: no noise, and no bound.
    assert verdicts(summary("good", 3, fv=0.1), summary("b", 5, fv=0.3, control="shuffled"))[
        "fv", "rerun-reference"
    ] == TELLS  # fmt: skip


def test_sentences_name_what_cannot_tell_and_who_is_no_better():
    bad = summary("bad", 50.0)
    close = summary("close", 10.2, fv=0.8, control="half-cutoff")
    cells = [GOOD, bad, BROKEN, close]
    found = sentences(controls(cells))
    assert any(s.startswith("WF sees that broken is broken in gete, 920 K, where bad is no better")
               for s in found)  # fmt: skip
    assert any(s.startswith("WF cannot tell close in gete, 920 K (bad at") for s in found)
    assert sentences(controls([GOOD, BROKEN])) == []
    (only,) = sentences(controls([GOOD, summary("close", 10.2, fv=0.8, control="half-cutoff")]))
    assert only.startswith("WF has close last in gete, 920 K, but not beyond the intervals")


def test_the_page_marks_controls_and_never_calls_one_the_best():
    # Fast, and of the smallest error: bold if it were no control.
    best = summary("broken", 1.0, fv=0.01, control="shuffled")
    page = render_page(MatrixPage("t", ["good", "broken"], LABELS, [GOOD, best]))
    assert "broken †" in page
    assert page.count('class="ok best"') == 0
    honest = replace(best, control=None)
    assert 'class="ok best"' in render_page(
        MatrixPage("t", ["good", "broken"], LABELS, [GOOD, honest])
    )
    assert "✗" in page
    assert "cannot tell" in page
    assert "carries no information" in page


def test_scores_carry_verdicts_and_controls():
    record = to_json("t", [GOOD, BROKEN])
    assert json.loads(json.dumps(record, allow_nan=False))["controls"] == record["controls"]
    assert record["controls"] == controls_json(controls([GOOD, BROKEN]))
    row = next(r for r in record["controls"] if r["key"] == "wf")
    assert (row["verdict"], row["rank"], row["of"], row["control"]) == (TELLS, 2, 2, "broken")
    assert (row["value"], row["floor"], row["kind"], row["sees"]) == (
        40.0, 6.0, "shuffled", "structure",
    )  # fmt: skip
    assert [cell["control"] for cell in record["cells"]] == [None, "shuffled"]
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    pytest.importorskip("jsonschema").validate(json.loads(json.dumps(record)), schema)
    head = to_csv([replace(BROKEN, values=[replace(BROKEN.values[0], control="shuffled")])])
    assert head.splitlines()[0].endswith(",control")
    assert head.splitlines()[2].endswith(",shuffled")


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
    score = score_trajectory(first, second, mode="egraff", n_resamples=100).find("fv", "trajectory")
    assert score.value is not None
    assert UNRELATED[0] <= round(score.value, 2) <= UNRELATED[1]
    found = value("a segment", "fv", score.value, "trajectory", interval=score.interval,
                  floor=score.floor)  # fmt: skip
    said = no_information([replace(GOOD, values=(found,))])
    assert "carries no information in gete, 920 K" in said
    assert "0.70 to 0.71" in said
    page = render_page(MatrixPage("t", ["good"], LABELS, [replace(GOOD, values=(found,))]))
    assert "carries no information" in page
    assert verdicts(replace(GOOD, values=(found,)), BROKEN)["fv", "trajectory"] == NO_INFORMATION
