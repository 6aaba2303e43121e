"""From the JSON of a score, a training log and a thermo file to the curves and rows of the report.

Plain dicts and arrays in, records of `egraff_lmp.report` out: nothing here runs anything.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.report import MOTION, STRUCTURE, VIOLATION, Curve, Score
from egraff_lmp.score.records import (
    RERUN_ORACLE,
    RERUN_REFERENCE,
    STABILITY,
    TRAJECTORY,
    TRANSPORT,
)
from egraff_lmp.score.table import DEVIATION_INPUTS, METRICS

MAX_POINTS = 80
_UNITS = {"1": "", "A": "Å", "A^2/ps": "Å²/ps", "eV rad": "eV·rad"}
# Comparison of a score to the table of the report that it stands in.
_KINDS = {
    STRUCTURE: STRUCTURE,
    TRAJECTORY: VIOLATION,
    RERUN_REFERENCE: VIOLATION,
    RERUN_ORACLE: VIOLATION,
    TRANSPORT: MOTION,
    STABILITY: MOTION,
}


def score_rows(scores: Mapping[str, Any]) -> tuple[Score, ...]:
    """Rows of the table of scores from the JSON of `Scores`."""
    return tuple(_row(item) for item in scores["scores"])


def _row(item: Mapping[str, Any]) -> Score:
    notes = [item["note"]]
    if item["interval"] is not None and item["resampled"]:
        notes.append(f"interval over {item['resampled']}")
    if item["n_zero"]:
        notes.append(f"{item['n_zero']} frames of exact agreement left out")
    if item["n_failed"]:
        notes.append(f"{item['n_failed']} frames not finite")
    metric = METRICS.get(item["key"])
    kind = _KINDS.get(item["comparison"], item["comparison"])
    if metric is not None and metric.input in DEVIATION_INPUTS:
        kind = MOTION  # at equal times as EV and FV are, but of positions
    return Score(
        metric=metric.label if metric else item["key"],
        subject=item["pair"] or item["comparison"],
        mode=item["mode"],
        unit=_UNITS.get(item["unit"], item["unit"]),
        value=item["value"],
        interval=None if item["interval"] is None else (item["interval"][0], item["interval"][1]),
        floor=item["floor"],
        window=item["window"],
        frames=item["n_frames"],
        starts=item["n_starts"],
        note="; ".join(note for note in notes if note),
        kind=kind,
    )


def rdf_curves(scores: Mapping[str, Any], name: str) -> dict[str, Curve]:
    """g(r) by pair of the curve set `name` ("egraff reference"), x in A; empty if there is none."""
    curve = scores["curves"].get(name)
    if curve is None:
        return {}
    return {pair: Curve("", curve["r"], values) for pair, values in curve["g"].items()}


def split_series(scores: Mapping[str, Any], lengths: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """The scores with some series cut into their rollouts.

    A rerun is scored as one long sequence of frames, the rollouts one after the other.

    Args:
        scores: JSON of `Scores`.
        lengths: comparison to the frames of each rollout in it.
    """
    series = []
    for item in scores["series"]:
        cut = lengths.get(item["comparison"])
        if cut is None or sum(cut) != len(item["values"]):
            series.append(item)
            continue
        first = 0
        for start, length in enumerate(cut):
            series.append(
                {**item, "start": start, "values": item["values"][first : first + length]}
            )
            first += length
    return {**scores, "series": series}


def violation_curves(scores: Mapping[str, Any], key: str) -> dict[str, Curve]:
    """EV(t) ("ev") or FV(t) ("fv") by comparison, averaged over starts.

    The geometric mean over starts and over windows of equal length, at most `MAX_POINTS` of them;
    the band spans the starts. x in fs from the first frame compared.
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for series in scores["series"]:
        if series["key"] == key and series["mode"] == "egraff":
            found.setdefault(series["comparison"], []).append(series)
    return {name: _mean_curve(group) for name, group in found.items() if group[0]["values"]}


def _mean_curve(group: Sequence[Mapping[str, Any]]) -> Curve:
    length = max(len(series["values"]) for series in group)
    window = -(-length // MAX_POINTS)
    starts = np.full((len(group), -(-length // window)), np.nan)
    for row, series in zip(starts, group, strict=True):
        means = _window_means(np.array(series["values"], dtype=np.float64), window)
        row[: len(means)] = means
    step = group[0]["step_fs"] or 1.0
    x = (np.arange(starts.shape[1]) + 0.5) * window * step - 0.5 * step
    logs = np.log(starts)
    some = np.isfinite(logs).any(axis=0)
    logs, x = logs[:, some], x[some]
    if not x.size:
        return Curve("", (), ())
    y, low, high = (np.exp(f(logs, axis=0)) for f in (np.nanmean, np.nanmin, np.nanmax))
    band = (low.tolist(), high.tolist()) if len(group) > 1 else ((), ())
    return Curve("", x.tolist(), y.tolist(), *band)


def _window_means(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Geometric means of the positive entries of consecutive windows; NaN where there is none."""
    logs = np.full(-(-len(values) // window) * window, np.nan)
    good = np.isfinite(values) & (values > 0)
    logs[: len(values)][good] = np.log(values[good])
    rows = logs.reshape(-1, window)
    count = np.isfinite(rows).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, np.exp(np.nansum(rows, axis=1) / np.maximum(count, 1)), np.nan)


def read_columns(path: Path, names: Sequence[str]) -> dict[str, list[float]]:
    """Columns of a CSV file as floats; rows where one of them is empty or no number are left out.

    Missing columns give empty lists.
    """
    columns: dict[str, list[float]] = {name: [] for name in names}
    with open(path, newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            try:
                values = [float(row[name]) for name in names]
            except (KeyError, TypeError, ValueError):
                continue
            for name, value in zip(names, values, strict=True):
                columns[name].append(value)
    return columns


def thin(x: Sequence[float], y: Sequence[float], label: str) -> Curve:
    """A curve of at most about 5 `MAX_POINTS` points: every n-th."""
    every = max(1, len(x) // (5 * MAX_POINTS))
    return Curve(label, list(x)[::every], list(y)[::every])
