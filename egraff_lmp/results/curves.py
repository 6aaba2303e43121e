"""Curves of figures from the record of a scoring: averages over starts, thinned to what is seen."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.results.record import Curve
from egraff_lmp.score.options import EGRAFF
from egraff_lmp.score.records import Scores, Series

MAX_POINTS = 80  # of an average over time
MAX_BINS = 250  # of a distribution, in a panel of 200 pixels
REFERENCE, ROLLOUTS = "egraff reference", "egraff rollouts"


def distribution(scores: Scores | None, side: str, part: str, bins: int = 10**9) -> Curve | None:
    """g(r) or h(r) of `REFERENCE` or `ROLLOUTS`, x in A, at most `bins` points; None without."""
    curves = None if scores is None else scores.curves.get(side)
    if curves is None or part not in curves.g or not len(curves.r):
        return None
    every = -(-len(curves.r) // bins)
    return Curve(curves.r[::every].tolist(), curves.g[part][::every].tolist())


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
    window = -(-max(len(one.values) for one in group) // MAX_POINTS)
    means = [_window_means(one.values, window, geometric) for one in group]
    rows = np.full((len(group), max(map(len, means))), np.nan)
    for row, mean in zip(rows, means, strict=True):
        row[: len(mean)] = mean
    step = group[0].step_fs or 1.0
    x = (np.arange(rows.shape[1]) + 0.5) * window * step - 0.5 * step
    rows = np.log(rows) if geometric else rows
    some = np.isfinite(rows).any(axis=0)
    if not some.any():
        return None
    rows, x = rows[:, some], x[some]
    y, low, high = (f(rows, axis=0) for f in (np.nanmean, np.nanmin, np.nanmax))
    if geometric:
        y, low, high = np.exp(y), np.exp(low), np.exp(high)
    band = (low.tolist(), high.tolist()) if len(group) > 1 else ((), ())
    return Curve(x.tolist(), y.tolist(), *band)


def _window_means(values: NDArray[np.float64], window: int, geometric: bool) -> NDArray[np.float64]:
    """Means over consecutive windows; NaN where there is nothing to average.

    The geometric mean is of the positive entries, the arithmetic one of the finite ones.
    """
    padded = np.full(-(-len(values) // window) * window, np.nan)
    good = np.isfinite(values) & ((values > 0) if geometric else True)
    padded[: len(values)][good] = np.log(values[good]) if geometric else values[good]
    rows = padded.reshape(-1, window)
    count = np.isfinite(rows).sum(axis=1)
    means = np.nansum(rows, axis=1) / np.maximum(count, 1)
    return np.where(count > 0, np.exp(means) if geometric else means, np.nan)


def read_columns(path: Path, x: str, *ys: str) -> tuple[Curve, ...]:
    """Columns of a CSV file over another one, a curve each.

    Rows where one of them is empty or no number are left out; without rows, without the file, or
    without one of the columns, there is no curve.
    """
    rows = []
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                try:
                    rows.append([float(row[name]) for name in (x, *ys)])
                except (TypeError, ValueError):
                    continue
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
