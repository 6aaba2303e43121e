"""From JSON and CSV to curves: averages are geometric, lengths may differ, gaps stay gaps."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from egraff_lmp.bench.curves import (
    MAX_POINTS,
    rdf_curves,
    read_columns,
    score_rows,
    thin,
    violation_curves,
)
from egraff_lmp.report import MOTION, STRUCTURE, VIOLATION

ROW = {
    "key": "wf", "mode": "egraff", "comparison": "structure", "pair": "Ge-Te", "value": 7.5,
    "unit": "%", "interval": [6.5, 8.5], "resampled": "3 starts", "floor": 1.5,
    "n_frames_reference": 290, "n_frames": 840, "n_starts": 3, "per_start": [7.0, 7.5, 8.0],
    "n_zero": 0, "n_failed": 2, "window": "r < 9.5 A", "note": "on g(r)",
}  # fmt: skip


def series(values: list[float | None], start: int = 0, key: str = "fv", step: float = 2.0) -> dict:
    return {
        "key": key, "mode": "egraff", "comparison": "trajectory", "start": start,
        "step_fs": step, "values": values,
    }  # fmt: skip


def test_a_row_keeps_value_interval_floor_and_what_was_left_out() -> None:
    (row,) = score_rows({"scores": [ROW]})
    assert (row.metric, row.subject, row.unit) == ("WF", "Ge-Te", "%")
    assert (row.value, row.interval, row.floor) == (7.5, (6.5, 8.5), 1.5)
    assert (row.frames, row.starts) == (840, 3)
    for part in ("on g(r)", "3 starts", "2 frames not finite"):
        assert part in row.note


def test_pure_numbers_have_no_unit_and_missing_values_stay_missing() -> None:
    (row,) = score_rows(
        {"scores": [{**ROW, "key": "fv", "unit": "1", "value": None, "interval": None}]}
    )
    assert row.unit == ""
    assert row.value is None
    assert row.interval is None


@pytest.mark.parametrize(
    ("key", "comparison", "kind"),
    [
        ("rdf_mae", "structure", STRUCTURE), ("fv", "trajectory", VIOLATION),
        ("rmsd", "trajectory", MOTION), ("divergence_time", "trajectory", MOTION),
        ("diffusivity_error", "transport", MOTION), ("stability", "stability", MOTION),
    ],
)  # fmt: skip
def test_every_score_has_a_table(key: str, comparison: str, kind: str) -> None:
    (row,) = score_rows({"scores": [{**ROW, "key": key, "comparison": comparison}]})
    assert row.kind == kind


def test_the_mean_over_starts_is_geometric_and_the_band_spans_them() -> None:
    curves = violation_curves({"series": [series([0.1, 0.4]), series([0.4, 0.4], 1)]}, "fv")
    curve = curves["trajectory"]
    assert list(curve.x) == [0.0, 2.0]
    assert list(curve.y) == pytest.approx([0.2, 0.4])
    assert list(curve.low) == pytest.approx([0.1, 0.4])
    assert list(curve.high) == pytest.approx([0.4, 0.4])


def test_a_start_that_ended_early_counts_while_it_lasted() -> None:
    curve = violation_curves({"series": [series([0.1, 0.1, 0.3]), series([0.4], 1)]}, "fv")[
        "trajectory"
    ]
    assert list(curve.y) == pytest.approx([0.2, 0.1, 0.3])


def test_long_series_are_averaged_in_windows_of_equal_length() -> None:
    n = 10 * MAX_POINTS
    values = [0.1 if k % 2 else 0.4 for k in range(n)]
    curve = violation_curves({"series": [series(values)]}, "fv")["trajectory"]  # type: ignore[arg-type]
    assert len(curve.x) == MAX_POINTS
    assert list(curve.y) == pytest.approx([0.2] * MAX_POINTS)
    assert curve.x[0] == pytest.approx(4.5 * 2.0)
    assert not curve.low


def test_zeros_and_gaps_do_not_make_the_mean_zero_or_missing() -> None:
    curve = violation_curves({"series": [series([0.0, None, 0.3])]}, "fv")["trajectory"]
    assert list(curve.x) == [4.0]
    assert list(curve.y) == pytest.approx([0.3])


def test_only_the_metric_that_was_asked_for() -> None:
    data = {"series": [series([0.1], key="ev"), {**series([0.2]), "mode": "paper"}]}
    assert violation_curves(data, "fv") == {}
    assert list(violation_curves(data, "ev")) == ["trajectory"]


def test_rdf_curves_by_pair() -> None:
    data = {"curves": {"egraff reference": {"r": [1.0, 2.0], "g": {"total": [0.0, 1.0]}}}}
    assert rdf_curves(data, "egraff reference")["total"].y == [0.0, 1.0]
    assert rdf_curves(data, "egraff trajectory") == {}


def test_broken_rows_of_a_log_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "thermo.csv"
    path.write_text("step,temp\n0,300\n10,nonsense\n20\n30,310.5\n")
    assert read_columns(path, ["step", "temp"]) == {"step": [0.0, 30.0], "temp": [300.0, 310.5]}
    assert read_columns(path, ["step", "absent"]) == {"step": [], "absent": []}


def test_thinning_keeps_pairs_together() -> None:
    x = [float(k) for k in range(4000)]
    curve = thin(x, [math.sin(v) for v in x], "one")
    assert len(curve.x) <= 6 * MAX_POINTS
    assert all(y == math.sin(v) for v, y in zip(curve.x, curve.y, strict=True))
