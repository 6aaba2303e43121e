"""Sentences of the summary: stability with its reason, and a force violation that says nothing."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from synthetic import full_report, model

from egraff_lmp.report import MOTION, VIOLATION, Score, render
from egraff_lmp.report.findings import findings
from egraff_lmp.report.tables import motion_table

ENDED = (
    "1 of 2 rollouts reached their end (a lower bound); rollout 2 at 400 fs: 60 of 64 atoms left "
    "at step 200; g(r) of 60 frames of the reference is up to 0.2 A from its mean"
)


def endurance(note: str) -> Score:
    return Score("stable for", "stability", "egraff", "fs", 512.0, note=note, kind=MOTION)


def force_violation(value: float | None) -> Score:
    return Score(
        "FV", "trajectory", "egraff", "", value, None, 0.7041, "all", 350, 3, kind=VIOLATION
    )


def sentences(*scores: Score) -> str:
    one = model("nequip", "NequIP", "message passing", 0.02, scores=scores, accuracy=None)
    text = " ".join(findings(full_report(models=(one,))))
    return text.replace("\u202f", " ").replace("\u00a0", " ")


def test_the_first_violation_and_its_reason() -> None:
    text = sentences(endurance(ENDED))
    assert "for 512 fs on average; rollout 2 at 400 fs: 60 of 64 atoms left at step 200." in text
    earlier = ENDED.replace("rollout 2 at 400 fs", "rollout 1 at 700 fs: hot; rollout 2 at 400 fs")
    assert "on average; rollout 2 at 400 fs: 60 of 64" in sentences(endurance(earlier))
    text = sentences(endurance("2 of 2 rollouts reached their end (a lower bound)"))
    assert "None of its rollouts violated a criterion of stability in 512 fs." in text


def test_a_decorrelated_reference_is_said_to_tell_nothing() -> None:
    text = sentences(force_violation(0.7068))
    assert text.count("carries no information about the model") == 1
    assert "0.7068" in text
    assert "unrelated frames give 0.7071 (two halves of the reference: 0.7041)." in text
    assert "no information" not in sentences(force_violation(0.3), endurance("2 of 2"))
    assert "no information" not in sentences(force_violation(None), endurance("2 of 2"))


def test_rows_of_motion_stand_in_a_table_of_their_own() -> None:
    diffusivity = Score(
        "|D - D_ref|", "Li", "egraff", "Å²/ps", 0.0123, (0.0101, 0.0145), 0.0077,
        "lags of 40 to 120 fs", 1400, 3, "D = 0.57 (0.5..0.734) A^2/ps", kind=MOTION,
    )  # fmt: skip
    one = model("nequip", "NequIP", "", 0.02, scores=(diffusivity, endurance(ENDED)))
    table = motion_table([one])
    assert table is not None
    assert [row.metric for row in table.rows] == ["|D - D_ref|", "stable for"]
    page = render(full_report(models=(one,))).replace("\u202f", " ")
    for text in ("0.0123", "0.0101 – 0.0145", "0.00770", "lags of 40 to 120 fs", "D = 0.57", ENDED):
        assert text in page, text
