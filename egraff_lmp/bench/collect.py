"""From the folders of a matrix to its table of scores: what is on disk, and nothing else.

Every cell is read from the `bench.json` that its run wrote, so that cells may be run in any order,
by any number of jobs, and the table be made at any time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from egraff_lmp.bench.matrix import CellConfig
from egraff_lmp.bench.model import Model
from egraff_lmp.bench.run import SUMMARY
from egraff_lmp.report.numbers import counted
from egraff_lmp.report.ranking import SURVIVED
from egraff_lmp.report.value import DONE, FAILED, NOT_RUN, CellSummary, Value
from egraff_lmp.score.bootstrap import MIN_STARTS, bootstrap_interval
from egraff_lmp.score.table import METRICS

ACCURACY = "accuracy"
COST = "cost"
ROLLOUTS = "rollouts"
PAPER = "paper"  # the unit and normalisation of the paper's tables
_ACCURACY = (
    ("energy_mae", "energy MAE", "energy_mae_mev_per_atom", "meV/atom"),
    ("energy_rmse", "energy RMSE", "energy_rmse_mev_per_atom", "meV/atom"),
    ("force_mae", "force MAE", "force_mae_mev_per_angstrom", "meV/A"),
    ("force_rmse", "force RMSE", "force_rmse_mev_per_angstrom", "meV/A"),
    ("force_rms_reference", "rms force of the reference", "force_scale_mev_per_angstrom", "meV/A"),
)


def collect(
    cells: Sequence[CellConfig], out: Path, refused: Mapping[str, str] | None = None
) -> list[CellSummary]:
    """One summary for each cell and model.

    Args:
        cells: of the matrix.
        out: its folder; cell NAME lies in out/NAME.
        refused: cells that could not even begin, with the reason.
    """
    found = []
    for cell in cells:
        record, reason = _record(cell, out)
        reason = (refused or {}).get(cell.name, reason)
        state = FAILED if cell.name in (refused or {}) else NOT_RUN
        for model in cell.config.models:
            if record is None or state == FAILED:
                found.append(_summary(cell, model, state, reason, (), False))
            else:
                found.append(_finished(cell, model, record, out))
    return found


def _record(cell: CellConfig, out: Path) -> tuple[dict[str, Any] | None, str]:
    path = out / cell.name / SUMMARY
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        same = record["config"] == json.loads(cell.config.model_dump_json())
    except FileNotFoundError:
        return None, "not run yet, or not to its end"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return None, f"{SUMMARY} cannot be read: {error}"
    if not same:
        return None, "run with other settings; not yet with these"
    return record, ""


def _finished(cell: CellConfig, model: Model, record: Mapping[str, Any], out: Path) -> CellSummary:
    stages = {stage["name"]: stage for stage in record["stages"]}
    values: list[Value] = []
    lives: dict[int, float] = {}
    score = stages.get(f"score-{model.name}")
    reasons = _reasons(cell, model, stages)
    if score is not None and score["state"] == "done":
        path = out / cell.name / score["files"]["scores"]["path"]
        try:
            scores = json.loads(path.read_text(encoding="utf-8"))["scores"]
            values += [_score(cell, model, item) for item in scores]
            lives = _lives(scores, score["value"].get("scored"))
        except (OSError, ValueError, KeyError) as error:
            reasons.append(f"{path.name} of {score['name']} cannot be read: {error}")
    values += _accuracy(cell, model, stages)
    values += _rollouts(cell, model, stages, lives)
    values += _cost(cell, model, stages)
    state = DONE if any(v.key in METRICS for v in values) else FAILED
    return _summary(cell, model, state, " ".join(reasons), values, True)


def _summary(
    cell: CellConfig, model: Model, state: str, reason: str, values: Sequence[Value], page: bool
) -> CellSummary:
    return CellSummary(
        cell=cell.name,
        title=cell.config.title,
        system=cell.system,
        temperature_kelvin=cell.temperature_kelvin,
        model=model.name,
        state=state,
        reason=reason,
        values=tuple(values),
        page=f"{cell.name}/report.html" if page else None,
        control=model.control,
    )


def _reasons(cell: CellConfig, model: Model, stages: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Why something of this model is missing or broke down; what was only blocked is left out."""
    numbers = range(1, len(cell.config.rollout.starts) + 1)
    names = [
        "reference",
        f"train-{cell.config.trained(model).name}",
        *(f"{stage}-{model.name}" for stage in ("deploy", "check")),
        *(f"rollout-{model.name}-{k}" for k in numbers),
        *(f"{stage}-{model.name}" for stage in ("oracle", "score")),
    ]
    reasons = []
    for name in names:
        stage = stages.get(name)
        if stage is None:
            continue
        if stage["state"] == "failed":
            reasons.append(f"{name}: {stage['reason']}")
        elif name.startswith("rollout-") and stage["value"].get("status", "finished") != "finished":
            what = f"{stage['value']['reason']} after {stage['value']['n_steps']} steps"
            reasons.append(f"{name}: {what}.")
    return reasons


def _value(cell: CellConfig, model: Model, **fields: Any) -> Value:
    return Value(
        system=cell.system,
        temperature_kelvin=cell.temperature_kelvin,
        model=model.name,
        forcefield=model.forcefield,
        control=model.control,
        **fields,
    )


def _score(cell: CellConfig, model: Model, item: Mapping[str, Any]) -> Value:
    metric = METRICS.get(item["key"])
    return _value(
        cell,
        model,
        key=item["key"],
        label=metric.label if metric else item["key"],
        mode=item["mode"],
        comparison=item["comparison"],
        pair=item["pair"],
        value=item["value"],
        unit=item["unit"],
        interval=None if item["interval"] is None else tuple(item["interval"]),
        floor=item["floor"],
        window=item["window"],
        n_frames=item["n_frames"],
        n_frames_reference=item["n_frames_reference"],
        n_starts=item["n_starts"],
        note=item["note"],
    )


def _accuracy(
    cell: CellConfig, model: Model, stages: Mapping[str, Mapping[str, Any]]
) -> list[Value]:
    check = stages.get(f"check-{model.name}")
    if check is None or check["state"] != "done":
        return []
    value = check["value"]
    common = {
        "comparison": ACCURACY, "window": value["window"], "n_frames": value["frames"],
        "n_frames_reference": value["frames"],
    }  # fmt: skip
    found = [
        _value(cell, model, key=key, label=label, value=value[name], unit=unit, **common)
        for key, label, name, unit in _ACCURACY
    ]
    atoms = stages["reference"]["value"]["n_atoms"]
    whole = value["energy_mae_mev_per_atom"] * atoms
    return [
        *found,
        _value(cell, model, key="energy_mae", label="energy MAE of the structure", mode=PAPER,
               value=whole, unit="meV", **common),
    ]  # fmt: skip


def _lives(scores: Sequence[Mapping[str, Any]], scored: Sequence[int] | None) -> dict[int, float]:
    """Number of a rollout to the time in fs at which it stopped being physical, as scored."""
    times: Sequence[float] = next(
        (s["per_start"] for s in scores if s["key"] == "stability" and s["mode"] == "egraff"), ()
    )
    return dict(zip(range(len(times)) if scored is None else scored, times, strict=False))


def _survived(
    cell: CellConfig, done: Sequence[Mapping[str, Any]], lives: Mapping[int, float], periodic: bool
) -> tuple[float, tuple[float, float] | None]:
    """Part of the time asked for that all rollouts together were whole, in [0, 1].

    Its interval is over the starts, None where they are too few.

    A rollout ends where LAMMPS stopped it, a molecule also where its first bond broke: a
    thermostat can keep the pieces of a molecule at their temperature. The criterion of the bulk
    is g(r), which is a score of its own, and not taken here.
    """
    step = cell.config.rollout.timestep_fs
    times = [value["n_steps"] * step for value in done]
    if not periodic:
        times = [min(time, lives.get(number, time)) for number, time in enumerate(times)]
    asked = len(cell.config.rollout.starts)
    # A time in floating point may miss the end by a rounding error; without a rollout it is 0.
    parts = np.zeros(asked)
    parts[: len(times)] = [min(1.0, round(t / (cell.config.steps * step), 9)) for t in times]
    interval = None
    if asked >= MIN_STARTS:
        interval = bootstrap_interval(
            lambda weights: float(weights @ parts / weights.sum()), [np.arange(asked)],
            bounds=(0.0, 1.0), seed=cell.config.seed,
        )  # fmt: skip
    return round(float(parts.mean()), 9), interval


def _rollouts(
    cell: CellConfig,
    model: Model,
    stages: Mapping[str, Mapping[str, Any]],
    lives: Mapping[int, float],
) -> list[Value]:
    """How many rollouts reached their end, how long the shortest lasted, and all of them.

    `lives` as of `_lives`.
    """
    asked = len(cell.config.rollout.starts)
    found = [stages.get(f"rollout-{model.name}-{k + 1}") for k in range(asked)]
    done = [stage["value"] for stage in found if stage is not None and stage["state"] == "done"]
    if not done:
        return []
    finished = sum(value["status"] == "finished" for value in done)
    shortest = min(value["n_steps"] for value in done) * cell.config.rollout.timestep_fs
    periodic = stages["reference"]["value"].get("periodic", True)
    survived, interval = _survived(cell, done, lives, periodic)
    window = f"{asked} rollouts of {cell.config.steps} steps"
    common = {"comparison": ROLLOUTS, "window": window, "n_starts": asked}
    return [
        _value(cell, model, key="finished_starts", label="rollouts that reached their end",
               value=float(finished), unit="starts", **common),
        _value(cell, model, key="shortest_rollout", label="shortest rollout",
               value=shortest, unit="fs", **common),
        _value(cell, model, key=SURVIVED, label="part of the rollouts before they broke",
               value=survived, interval=interval, unit="1", **common),
    ]  # fmt: skip


def _cost(cell: CellConfig, model: Model, stages: Mapping[str, Mapping[str, Any]]) -> list[Value]:
    """Wall times; they depend on the machine and its load, and on nothing else here."""
    values = []
    train = stages.get(f"train-{model.name}")
    if train is not None and train["state"] == "done":
        epochs, seconds = train["value"]["epochs"], train["value"]["wall_seconds"]
        common: dict[str, Any] = {"comparison": COST, "window": f"{epochs} epochs"}
        values.append(
            _value(cell, model, key="training_time", label="training", value=seconds, unit="s",
                   **common)
        )  # fmt: skip
        if epochs:
            values.append(
                _value(cell, model, key="training_time", label="training, an epoch", mode=PAPER,
                       value=seconds / 60 / epochs, unit="min/epoch", **common)
            )  # fmt: skip
    timed = []
    for k in range(len(cell.config.rollout.starts)):
        stage = stages.get(f"rollout-{model.name}-{k + 1}")
        if stage is not None and stage["state"] == "done" and stage["value"]["ms_per_step"]:
            timed.append(stage["value"])
    steps = sum(value["n_steps"] for value in timed)
    if steps:
        mean = sum(value["ms_per_step"] * value["n_steps"] for value in timed) / steps
        first = timed[0]
        window = f"{steps} steps on {counted(first['ranks'], 'rank')}"
        if "threads" in first:
            window += f" of {counted(first['threads'], 'thread')}"
        if first.get("hardware"):
            window += f", {first['hardware']}"
        if train is not None and train["state"] == "done" and train["value"].get("precision"):
            window += f", {train['value']['precision']}"
        common = {"comparison": COST, "window": window, "n_starts": len(timed)}
        values.append(
            _value(cell, model, key="ms_per_step", label="time of a step", value=mean,
                   unit="ms/step", **common)
        )  # fmt: skip
        values.append(
            _value(cell, model, key="ms_per_step", label="time of 1000 steps", mode=PAPER,
                   value=mean / 60, unit="min", **common)
        )  # fmt: skip
        atoms = stages["reference"]["value"]["n_atoms"]
        values.append(
            _value(cell, model, key="us_per_atom_step", label="time of a step and atom",
                   value=1000 * mean / atoms, unit="us/atom/step", **common)
        )  # fmt: skip
    return values
