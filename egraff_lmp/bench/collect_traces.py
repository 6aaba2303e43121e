"""From the folders of a matrix to the curves of its figures: what is on disk, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from egraff_lmp.bench.curves import rdf_curves, series_curve
from egraff_lmp.bench.matrix import CellConfig
from egraff_lmp.bench.model import Model
from egraff_lmp.bench.run import SUMMARY
from egraff_lmp.report.record import Curve
from egraff_lmp.report.traces import Traces
from egraff_lmp.score.records import TRAJECTORY, TRANSPORT

# Points of a distribution; what is finer is thinned, as a panel is 200 pixels wide.
_MAX_POINTS = 250


def collect_traces(cells: Sequence[CellConfig], out: Path) -> list[Traces]:
    """The curves of every cell and model that has some.

    Args:
        cells: those whose results belong to their configs.
        out: folder of the matrix; cell NAME lies in out/NAME.
    """
    found = []
    for cell in cells:
        try:
            record = json.loads((out / cell.name / SUMMARY).read_text(encoding="utf-8"))
            stages = {stage["name"]: stage for stage in record["stages"]}
        except (OSError, ValueError, KeyError, TypeError):
            continue  # the table of scores says so
        found += [_traces(cell, model, stages, out / cell.name) for model in cell.config.models]
    return found


def _traces(
    cell: CellConfig, model: Model, stages: Mapping[str, Mapping[str, Any]], folder: Path
) -> Traces:
    scores = _scores(stages.get(f"score-{model.name}"), folder)
    timestep = cell.config.rollout.timestep_fs
    lasted = [
        stage["value"]["n_steps"] * timestep
        for k in range(len(cell.config.rollout.starts))
        if (stage := stages.get(f"rollout-{model.name}-{k + 1}")) and stage["state"] == "done"
    ]
    traces = Traces(
        cell.name, model.name, lasted_fs=tuple(lasted), asked_fs=cell.config.steps * timestep
    )
    if scores is None:
        return traces
    curve = scores["curves"].get("egraff trajectory") or {}
    return replace(
        traces,
        distribution=str(curve.get("kind") or "g"),
        reference=_total(scores, "egraff reference"),
        rollout=_total(scores, "egraff trajectory"),
        over_time=_over_time(scores),
    )


def _scores(stage: Mapping[str, Any] | None, folder: Path) -> Mapping[str, Any] | None:
    if stage is None or stage["state"] != "done":
        return None
    try:
        text = (folder / stage["files"]["scores"]["path"]).read_text(encoding="utf-8")
        scores = json.loads(text)
        return scores if {"curves", "series"} <= set(scores) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _total(scores: Mapping[str, Any], name: str) -> Curve | None:
    curve = rdf_curves(scores, name).get("total")
    if curve is None or not len(curve.x):
        return None
    every = -(-len(curve.x) // _MAX_POINTS)
    return Curve("", curve.x[::every], curve.y[::every])


def _over_time(scores: Mapping[str, Any]) -> dict[str, Curve]:
    wanted = {
        "ev": series_curve(scores, "ev", TRAJECTORY, geometric=True),
        "fv": series_curve(scores, "fv", TRAJECTORY, geometric=True),
        "rmsd": series_curve(scores, "rmsd", TRAJECTORY, geometric=False),
        "displacement": _root(series_curve(scores, "msd", TRANSPORT, geometric=False)),
    }
    return {key: curve for key, curve in wanted.items() if curve is not None and len(curve.x)}


def _root(curve: Curve | None) -> Curve | None:
    """Square root of a curve and its band."""
    if curve is None:
        return None
    y, low, high = (np.sqrt(np.maximum(v, 0)).tolist() for v in (curve.y, curve.low, curve.high))
    return Curve(curve.label, curve.x, y, low, high)
