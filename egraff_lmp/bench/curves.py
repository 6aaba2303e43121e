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
from egraff_lmp.report.record import COMMITTEE
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
    COMMITTEE: VIOLATION,
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


def by_committee(scores: Mapping[str, Any]) -> dict[str, Any]:
    """The scores with their oracle called a committee, so that no page takes it for the truth."""
    rows = {
        name: [
            {**row, "comparison": COMMITTEE} if row["comparison"] == RERUN_ORACLE else row
            for row in scores[name]
        ]
        for name in ("scores", "series")
    }
    return {**scores, **rows}


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


def series_curve(
    scores: Mapping[str, Any], key: str, comparison: str, *, geometric: bool
) -> Curve | None:
    """One quantity in egraff form over time, averaged over starts; None where there is none.

    As `violation_curves`, but with the arithmetic mean where `geometric` is false.
    """
    wanted = (key, "egraff", comparison)
    group = [s for s in scores["series"] if (s["key"], s["mode"], s["comparison"]) == wanted]
    group = [s for s in group if s["values"]]
    return _mean_curve(group, geometric) if group else None


def _mean_curve(group: Sequence[Mapping[str, Any]], geometric: bool = True) -> Curve:
    length = max(len(series["values"]) for series in group)
    window = -(-length // MAX_POINTS)
    starts = np.full((len(group), -(-length // window)), np.nan)
    for row, series in zip(starts, group, strict=True):
        means = _window_means(np.array(series["values"], dtype=np.float64), window, geometric)
        row[: len(means)] = means
    step = group[0]["step_fs"] or 1.0
    x = (np.arange(starts.shape[1]) + 0.5) * window * step - 0.5 * step
    rows = np.log(starts) if geometric else starts
    some = np.isfinite(rows).any(axis=0)
    rows, x = rows[:, some], x[some]
    if not x.size:
        return Curve("", (), ())
    y, low, high = (f(rows, axis=0) for f in (np.nanmean, np.nanmin, np.nanmax))
    if geometric:
        y, low, high = np.exp(y), np.exp(low), np.exp(high)
    band = (low.tolist(), high.tolist()) if len(group) > 1 else ((), ())
    return Curve("", x.tolist(), y.tolist(), *band)


def _window_means(
    values: NDArray[np.float64], window: int, geometric: bool = True
) -> NDArray[np.float64]:
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
