"""The values of seeded scorings are those that were recorded before metrics shared one estimator.

`data/same_numbers.jsonl` was written at commit dac3617: for each of `scored_systems.cases`, its
`score_trajectory(case.reference, case.rollouts, reruns=case.reruns,
temperatures=case.temperatures or None, ends=[Violation(frame, "x"), ...] or None, mode="both",
**case.choices)`, one line for each score with its value, interval, floor, values of single rollouts
and counts. It is not to be written anew by later code, but where a form was changed by design:
floors of structure are what a perfect model reads with rollouts of the same size; g(r), h(r), p(r)
and the forms of Fu et al. leave out frames behind the loss of stability; `rdf_mae_eq3` and `h_mae`
in the paper's form have the range and bins of Fu et al.; windows of the stability slide. Values of
the forms of EGraFFBench are those of dac3617.

Distances were float32 there: of the perfect lattices that some of the cases begin with, whose
neighbours are 4 A apart, it put some below that edge of a bin and most above. That code was given
float64 for the record, and 1e-9 of a bin to put all of them above; nothing else was touched.

`REDEFINED` values are another quantity since: a diffusivity has a window of its own on each side,
and none where nothing diffuses. Its form of the paper is what it was.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scored_systems import Case, cases

from egraff_lmp.score import Fact, Rerun, Rollout, RunEnd, Scores, score_trajectory

pytest.importorskip("MDAnalysis")

RECORDED = Path(__file__).with_name("data") / "same_numbers.jsonl"
RTOL = 1e-9
REDEFINED = {("diffusivity_error", "egraff")}
COUNTS = {
    "n_frames": "frames", "n_frames_reference": "frames_reference", "n_starts": "starts",
    "n_zero": "zero", "n_failed": "failed",
}  # fmt: skip


def scored(case: Case) -> Scores:
    """The case by today's code."""
    n = len(case.rollouts)
    rollouts = [
        Rollout(
            frames, kelvin, None if end is None else RunEnd(end, Fact("lammps", {"message": ""}))
        )
        for frames, kelvin, end in zip(
            case.rollouts, case.temperatures or (None,) * n, case.ends or (None,) * n, strict=True
        )
    ]
    reruns = {name: Rerun(*pair) for name, pair in case.reruns.items()}
    return score_trajectory(case.reference, rollouts, reruns=reruns, mode="both", **case.choices)


def recorded() -> dict[str, list[dict[str, Any]]]:
    """Rows of the record by case."""
    found = defaultdict(list)
    for line in RECORDED.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found[row.pop("case")].append(row)
    return found


@pytest.mark.parametrize("name", list(cases()))
def test_values_are_those_that_were_recorded(name: str) -> None:
    scores = scored(cases()[name])
    rows = recorded()[name]
    assert rows
    for row in rows:
        if (row["key"], row["mode"]) in REDEFINED:
            continue
        where = f"{name}: {row['key']} {row['mode']} {row['comparison']} {row['pair']}"
        score = scores.find(row["key"], row["comparison"], row["pair"], row["mode"])
        assert (score.value is None) == (row["value"] is None), where
        if row["value"] is None:
            assert score.absence is not None, where
            continue
        for field in ("value", "interval", "floor", "per_start"):
            ours, theirs = getattr(score, field), row[field]
            assert (ours is None) == (theirs is None), f"{where} {field}"
            if theirs is not None:
                ours, theirs = (np.array(x, dtype=float) for x in (ours, theirs))
                np.testing.assert_allclose(ours, theirs, RTOL, 1e-14, err_msg=f"{where} {field}")
        for old, new in COUNTS.items():
            assert getattr(score.counts, new) == row[old], f"{where} {new}"
