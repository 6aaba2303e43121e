"""Curves of figures from the record of a scoring: averages over starts, thinned to what is seen."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from egraff_lmp.results.record import Curve
from egraff_lmp.score.options import EGRAFF
from egraff_lmp.score.records import Curves, Scores, Series

MAX_POINTS = 80  # of an average over time
MAX_BINS = 250  # of a distribution, in a panel of 200 pixels
DISTRIBUTIONS = ("g", "h")  # of pair distances, of bulk and of a molecule


def line(curves: Curves | None, part: str, points: int = MAX_BINS) -> Curve | None:
    """One part of a curve, at most `points` of it, all of them finite; None where there is none."""
    if curves is None or part not in curves.y:
        return None
    good = np.isfinite(curves.x) & np.isfinite(curves.y[part])
    x, y = curves.x[good], curves.y[part][good]
    if not len(x):
        return None
    every = -(-len(x) // points)
    return Curve(x[::every].tolist(), y[::every].tolist())


def distribution(scores: Scores | None, side: str, part: str, bins: int = 10**9) -> Curve | None:
    """g(r) or h(r) of `REFERENCE` or `ROLLOUTS`, x in A, at most `bins` points; None without."""
    return line(None if scores is None else scores.drawn(side, *DISTRIBUTIONS), part, bins)


def over_time(
    scores: Scores | None, key: str, comparison: str, *, geometric: bool = True
) -> Curve | None:
    """One quantity in `egraff` form over time in fs, averaged over starts; None without any.

    The geometric (else arithmetic) mean over starts and over windows of equal length, at most
    `MAX_POINTS` of them; the band spans the starts.
    """
    wanted = (key, EGRAFF, comparison)
    group = [
        one
        for one in (scores.series if scores is not None else ())
        if (one.key, one.mode, one.comparison) == wanted and len(one.values)
    ]
    return _mean(group, geometric) if group else None


def root(curve: Curve | None) -> Curve | None:
    """Square root of a curve and its band."""
    if curve is None:
        return None
    y, low, high = (np.sqrt(np.maximum(v, 0)).tolist() for v in (curve.y, curve.low, curve.high))
    return Curve(curve.x, y, low, high)


def _mean(group: Sequence[Series], geometric: bool) -> Curve | None:
    into, back = (np.log, np.exp) if geometric else (np.positive, np.positive)
    longest = max(len(one.values) for one in group)
    window = -(-longest // MAX_POINTS)
    values = np.full((len(group), -(-longest // window), window), np.nan)
    for row, one in zip(values, group, strict=True):
        row.reshape(-1)[: len(one.values)] = one.values
    # The geometric mean is of the positive entries, the arithmetic one of the finite ones.
    values[~(np.isfinite(values) & ((values > 0) | (not geometric)))] = np.nan
    count = np.isfinite(values).sum(axis=2)
    means = back(np.nansum(into(values), axis=2) / np.maximum(count, 1))
    rows = into(np.where(count > 0, means, np.nan))
    some = np.isfinite(rows).any(axis=0)
    if not some.any():
        return None
    step = group[0].step_fs or 1.0
    x = (np.arange(rows.shape[1]) + 0.5) * window * step - 0.5 * step
    rows, x = rows[:, some], x[some]
    mean, low, high = (back(f(rows, axis=0)).tolist() for f in (np.nanmean, np.nanmin, np.nanmax))
    return Curve(x.tolist(), mean, *((low, high) if len(group) > 1 else ()))


def read_columns(path: Path, x: str, *ys: str) -> tuple[Curve, ...]:
    """Columns of a CSV file over another one, a curve each.

    Rows where one of them is empty or no number are left out; without rows, without the file, or
    without one of the columns, there is no curve.
    """
    rows = []
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                with suppress(TypeError, ValueError):
                    rows.append([float(row[name]) for name in (x, *ys)])
    except (OSError, KeyError, ValueError):
        return ()
    if not rows:
        return ()
    first, *rest = (list(column) for column in zip(*rows, strict=True))
    return tuple(Curve(first, column) for column in rest)


def thin(curve: Curve) -> Curve:
    """A curve of at most about 5 `MAX_POINTS` points: every n-th."""
    every = max(1, len(curve.x) // (5 * MAX_POINTS))
    return Curve(curve.x[::every], curve.y[::every])
