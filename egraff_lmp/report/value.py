"""The values of a matrix: one flat record each, as in `scores.json` and `scores.csv`."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from egraff_lmp.report.controls import controls, controls_json

SCHEMA = 1
SCHEMA_FILE = Path(__file__).with_name("scores.schema.json")  # of `to_json`
KIND = "egraff matrix scores"
DONE, FAILED, NOT_RUN = "done", "failed", "not run"


@dataclass(frozen=True)
class Value:
    """One number of one model on one system at one temperature.

    Attributes:
        system, temperature_kelvin, model, forcefield: where it belongs.
        key: row of the table of metrics, or "force_mae", "ms_per_step", "finished_starts", ...
        label: short name for tables.
        unit: of value, interval and floor; "1" for pure numbers.
        comparison: "structure", "trajectory", "rerun-reference", "rerun-oracle", "accuracy",
            "rollouts" or "cost".
        mode: "egraff" or "paper": the form of the formula; "" where there is one form only.
        pair: "total" or a pair of elements for structure, else "".
        value: None where it is not available (`note` says why).
        interval: confidence interval (low, high), or None.
        floor: reference against reference in the same formula, or None.
        window: frames, times or distances that the value covers.
        n_frames: frames of the model used.
        n_frames_reference: reference frames used.
        n_starts: independent rollouts.
        note: what else the reader must know.
        control: "shuffled" or "half-cutoff" for a model broken on purpose, else None.
    """

    system: str
    temperature_kelvin: float
    model: str
    forcefield: str
    key: str
    label: str
    unit: str
    comparison: str
    mode: str = ""
    pair: str = ""
    value: float | None = None
    interval: tuple[float, float] | None = None
    floor: float | None = None
    window: str = ""
    n_frames: int | None = None
    n_frames_reference: int | None = None
    n_starts: int | None = None
    note: str = ""
    control: str | None = None


@dataclass(frozen=True)
class CellSummary:
    """All values of one model in one cell of the matrix.

    Attributes:
        cell: name of the cell's folder.
        title: of the cell.
        system: its system.
        temperature_kelvin: of its rollouts.
        model: name of the model.
        state: "done" (there are scores), "failed" or "not run".
        reason: what failed or broke down on the way, "" if nothing did.
        values: all numbers there are.
        page: address of the cell's own page from the matrix' folder, or None.
        control: as in `Value`.
    """

    cell: str
    title: str
    system: str
    temperature_kelvin: float
    model: str
    state: str
    reason: str
    values: Sequence[Value]
    page: str | None
    control: str | None = None

    def find(self, key: str, comparison: str, mode: str = "", pair: str = "") -> Value | None:
        """The value with these four, or None."""
        for value in self.values:
            if (value.key, value.comparison, value.mode, value.pair) == (
                key, comparison, mode, pair,
            ):  # fmt: skip
                return value
        return None


# Units of the columns of scores.csv; those of value, interval and floor stand in the row itself.
_COLUMN_UNITS = {"temperature_kelvin": "K", "n_frames": "frames", "n_frames_reference": "frames",
                 "n_starts": "starts", "value": "see unit", "interval_low": "see unit",
                 "interval_high": "see unit", "floor": "see unit"}  # fmt: skip


def to_json(name: str, cells: Sequence[CellSummary]) -> dict[str, Any]:
    """The content of `scores.json`; whatever is not finite becomes None, with a note."""
    return {
        "kind": KIND,
        "schema": SCHEMA,
        "name": name,
        "cells": [
            {
                "cell": cell.cell,
                "system": cell.system,
                "temperature_kelvin": cell.temperature_kelvin,
                "model": cell.model,
                "control": cell.control,
                "state": cell.state,
                "reason": cell.reason,
            }
            for cell in cells
        ],
        "scores": [_plain(value) for cell in cells for value in cell.values],
        "controls": controls_json(controls(cells)),
    }


def to_csv(cells: Iterable[CellSummary]) -> str:
    """The content of `scores.csv`: names of the columns, their units, then a row for each value."""
    columns = [field.name for field in fields(Value)]
    place = columns.index("interval")
    columns[place : place + 1] = ["interval_low", "interval_high"]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerow({name: _COLUMN_UNITS.get(name, "") for name in columns})
    for cell in cells:
        for value in cell.values:
            row = _plain(value)
            low, high = row.pop("interval") or (None, None)
            writer.writerow({**row, "interval_low": low, "interval_high": high})
    return stream.getvalue()


def _plain(value: Value) -> dict[str, Any]:
    """Fields of a value as strict JSON has them."""
    row = asdict(value)
    if value.value is not None and not math.isfinite(value.value):
        reason = f"not available: the value is not finite ({value.value})"
        row |= {"value": None, "note": "; ".join(filter(None, (reason, value.note)))}
    if value.interval is not None and not all(map(math.isfinite, value.interval)):
        row["interval"] = None
    if value.floor is not None and not math.isfinite(value.floor):
        row["floor"] = None
    return row
