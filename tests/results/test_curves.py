"""From records and CSV to curves: averages are geometric, lengths may differ, gaps stay gaps."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from synthetic_results import scores_of

from egraff_lmp.results.curves import (
    MAX_POINTS,
    distribution,
    over_time,
    read_columns,
    root,
    thin,
)
from egraff_lmp.results.record import Curve
from egraff_lmp.score.records import REFERENCE, ROLLOUTS, TRAJECTORY, Curves, Series


def series(values: list[float], start: int = 0, key: str = "fv", mode: str = "egraff") -> Series:
    return Series(key, mode, TRAJECTORY, start, 2.0, np.array(values))


def curve(*found: Series, geometric: bool = True) -> Curve | None:
    return over_time(scores_of(0, 0, series=found), "fv", TRAJECTORY, geometric=geometric)


def test_the_mean_over_starts_is_geometric_and_the_band_spans_them() -> None:
    found = curve(series([0.1, 0.4]), series([0.4, 0.4], 1))
    assert found is not None
    assert list(found.x) == [0.0, 2.0]
    assert list(found.y) == pytest.approx([0.2, 0.4])
    assert list(found.low) == pytest.approx([0.1, 0.4])
    assert list(found.high) == pytest.approx([0.4, 0.4])
    plain = curve(series([0.1, 0.4]), series([0.4, 0.4], 1), geometric=False)
    assert plain is not None
    assert list(plain.y) == pytest.approx([0.25, 0.4])


def test_a_start_that_ended_early_counts_while_it_lasted() -> None:
    found = curve(series([0.1, 0.1, 0.3]), series([0.4], 1))
    assert found is not None
    assert list(found.y) == pytest.approx([0.2, 0.1, 0.3])


def test_long_series_are_averaged_in_windows_of_equal_length() -> None:
    values = [0.1 if k % 2 else 0.4 for k in range(10 * MAX_POINTS)]
    found = curve(series(values))
    assert found is not None
    assert len(found.x) == MAX_POINTS
    assert list(found.y) == pytest.approx([0.2] * MAX_POINTS)
    assert found.x[0] == pytest.approx(4.5 * 2.0)
    assert not found.low


def test_zeros_and_gaps_do_not_make_the_mean_zero_or_missing() -> None:
    found = curve(series([0.0, math.nan, 0.3]))
    assert found is not None
    assert list(found.x) == [4.0]
    assert list(found.y) == pytest.approx([0.3])
    assert curve(series([math.nan, 0.0])) is None


def test_only_what_was_asked_for() -> None:
    assert curve(series([0.1], key="ev"), series([0.2], mode="paper"), series([])) is None
    assert over_time(None, "fv", TRAJECTORY) is None


def test_distributions_by_side_and_part_are_thinned() -> None:
    r = np.arange(1000) * 0.01
    both = tuple(Curves("g", r, "A", {"total": r + k}, "1", 5, side=side)
                 for k, side in enumerate((REFERENCE, ROLLOUTS)))  # fmt: skip
    scores = scores_of(0, 0, curves=both)
    found = distribution(scores, ROLLOUTS, "total", 250)
    assert found is not None
    assert len(found.x) == 250
    assert list(found.y) == [x + 1 for x in found.x]
    assert distribution(scores, ROLLOUTS, "Cd-Te") is None
    assert distribution(scores_of(0, 0, curves=()), REFERENCE, "total") is None
    assert distribution(None, REFERENCE, "total") is None


def test_a_root_is_of_the_band_too() -> None:
    assert root(Curve([1], [4.0], [1.0], [9.0])) == Curve([1], [2.0], [1.0], [3.0])
    assert root(None) is None


def test_broken_rows_of_a_log_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "thermo.csv"
    path.write_text("step,temp\n0,300\n10,nonsense\n20\n30,310.5\n")
    assert read_columns(path, "step", "temp") == (Curve([0.0, 30.0], [300.0, 310.5]),)
    assert read_columns(path, "step", "absent") == ()
    assert read_columns(tmp_path / "absent.csv", "step", "temp") == ()
    path.write_text("step,temp\n")
    assert read_columns(path, "step", "temp") == ()


def test_thinning_keeps_pairs_together() -> None:
    x = [float(k) for k in range(4000)]
    found = thin(Curve(x, [math.sin(v) for v in x]))
    assert len(found.x) <= 6 * MAX_POINTS
    assert all(y == math.sin(v) for v, y in zip(found.x, found.y, strict=True))
