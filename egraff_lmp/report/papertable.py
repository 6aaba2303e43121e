"""The paper's tables rebuilt: ours in the paper's form, ours in our own, and what it printed.

A row is a dataset (and condition) of the paper, a column a force field, an entry three numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean
from typing import Any

from egraff_lmp.report.numbers import DASH, number
from egraff_lmp.report.printed import (
    FOOTNOTES,
    PRINTED_NAMES,
    PaperRow,
    Printed,
    find,
    rows_of,
)
from egraff_lmp.report.value import DONE, CellSummary, Value

FORMS = ("paper form", "egraff form", "printed")


@dataclass(frozen=True)
class Pick:
    """Which of our values stands in a table: `factor` times it, in `unit`."""

    key: str
    comparison: str
    mode: str
    unit: str
    pair: str = ""
    factor: float = 1.0


@dataclass(frozen=True)
class Column:
    """One quantity of a table of the paper.

    Attributes:
        metric: as in the printed numbers.
        title: what it is.
        paper, egraff: our values in the two forms.
        says: what the forms are and how they differ.
    """

    metric: str
    title: str
    paper: Pick
    egraff: Pick
    says: str


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper: key, title and its quantities."""

    key: str
    title: str
    columns: tuple[Column, ...]


_ENERGY = Column(
    "energy_mae", "Energy error (MAE)",
    Pick("energy_mae", "accuracy", "paper", "meV"),
    Pick("energy_mae", "accuracy", "", "meV/atom"),
    "Paper form: meV of the whole structure; egraff form: meV per atom. The paper does not say "
    "which its meV are; their size (1781 for the 200 atoms of GeTe, 1.4 for a molecule) is that of "
    "whole structures. Ours are taken on held-out frames.",
)  # fmt: skip
_FORCE = Column(
    "force_mae", "Force error (MAE)",
    Pick("force_mae", "accuracy", "", "meV/Å"),
    Pick("force_mae", "accuracy", "", "meV/Å"),
    "A force component on held-out frames; both forms are the same.",
)  # fmt: skip
_JSD = Column(
    "jsd", "JSD",
    Pick("jsd_raw", "structure", "paper", "as printed", "total"),
    Pick("jsd", "structure", "egraff", "bit", "total"),
    "Paper form: mean over bins of divergence terms of raw g(r), which scales with V/N². Egraff "
    "form: divergence of normalised distributions of pair distances, base 2, from 0 to 1.",
)  # fmt: skip
_WF = Column(
    "wf", "Wright's factor (WF)",
    Pick("wf_unrooted", "structure", "paper", "%", "total"),
    Pick("wf", "structure", "egraff", "%", "total"),
    "Paper form: 100 Σ(g − g_ref)²/Σg_ref², without the root. Egraff form: rooted; the 9 % rule "
    "belongs to it alone.",
)  # fmt: skip
_EV = Column(
    "ev", "Energy violation (EV)",
    Pick("ev_released", "trajectory", "paper", "10⁻⁵", factor=1e5),
    Pick("ev", "rerun-reference", "egraff", "1"),
    "Paper form: |Ê − E|/(|Ê| + |E|) of total energies with their arbitrary zero, rollout against "
    "reference at equal times, in 10⁻⁵. Egraff form: Eq. 4 on energies per atom relative to their "
    "mean, the model on held-out reference frames (rerun-reference).",
)  # fmt: skip
_FV = Column(
    "fv", "Force violation (FV)",
    Pick("fv", "trajectory", "paper", "1"),
    Pick("fv", "rerun-reference", "egraff", "1"),
    "Paper form: rollout against reference at equal times, 0.7071 for any model once the two have "
    "separated. Egraff form: the model on held-out reference frames (rerun-reference).",
)  # fmt: skip
_TRAIN = Column(
    "train_time", "Training time",
    Pick("training_time", "cost", "paper", "min/epoch"),
    Pick("training_time", "cost", "", "s"),
    "Paper form: minutes an epoch; egraff form: seconds in all. Ours are on the hardware of this "
    "run, with its number of training frames, and not comparable with the printed ones.",
)  # fmt: skip
_STEPS = Column(
    "inference_time_1000_steps", "Time of 1000 steps",
    Pick("ms_per_step", "cost", "paper", "min"),
    Pick("us_per_atom_step", "cost", "", "µs/atom/step"),
    "Paper form: minutes for 1000 steps; egraff form: µs per atom and step. Ours are LAMMPS on "
    "the ranks of this run, the printed ones ASE on 16 cores with a frame written every step.",
)  # fmt: skip

TABLES = (
    PaperTable("T1", "Table 1: errors of energy and forces", (_ENERGY, _FORCE)),
    PaperTable("T2", "Table 2: structure", (_JSD, _WF)),
    PaperTable("T3", "Table 3: energy and force violation", (_EV, _FV)),
    PaperTable("T4", "Table 4: time", (_TRAIN, _STEPS)),
    PaperTable("T5", "Table 5: higher temperature, energy and force violation", (_EV, _FV)),
    PaperTable("T6", "Table 6: higher temperature, structure", (_JSD, _WF)),
    PaperTable("T7a", "Table 7a: LiPS20, unseen structures and compositions", (_EV, _FV)),
    PaperTable("T7b", "Table 7b: LiPS20, structure", (_JSD, _WF)),
    PaperTable("T18", "Table 18: unseen molecule, energy and force violation", (_EV, _FV)),
    PaperTable("T19", "Table 19: unseen molecule, structure", (_JSD, _WF)),
)


@dataclass(frozen=True)
class Field:
    """A column of a rebuilt table: one of our models, or a force field that the paper alone has.

    Attributes:
        title: name of the model, or the printed one.
        printed: name in the paper, "" where it has none.
        model: name in the matrix, None where it is not part of it.
    """

    title: str
    printed: str
    model: str | None


def fields_of(forcefields: Mapping[str, str], controls: Sequence[str] = ()) -> tuple[Field, ...]:
    """Columns: our models in their order, then the paper's force fields that we did not run.

    Args:
        forcefields: name of a model to its force field.
        controls: models that are broken on purpose: left out, the paper has none.
    """
    ours = [
        Field(model, PRINTED_NAMES.get(key, ""), model)
        for model, key in forcefields.items()
        if model not in controls
    ]
    have = {field.printed for field in ours}
    others = [Field(name, name, None) for name in PRINTED_NAMES.values() if name not in have]
    return (*ours, *others)


def rebuilt(
    cells: Sequence[CellSummary], paper: Mapping[str, Sequence[PaperRow]], fields: Sequence[Field]
) -> list[dict[str, Any]]:
    """Every table of the paper that one of our cells stands in, ready for the template.

    Args:
        cells: one summary for each cell and model.
        paper: name of a cell to the rows that it stands for.
        fields: the columns.
    """
    members = {
        row: [name for name, rows in paper.items() if row in rows]
        for table in TABLES
        for row in rows_of(table.key)
    }
    found = {(cell.cell, cell.model): cell for cell in cells}
    tables = []
    for table in TABLES:
        rows = rows_of(table.key)
        if any(members[row] for row in rows):
            tables.append({
                "key": table.key,
                "title": table.title,
                "footnotes": FOOTNOTES[table.key],
                "parts": [_part(table, c, rows, members, found, fields) for c in table.columns],
            })  # fmt: skip
    return tables


def untouched(paper: Mapping[str, Sequence[PaperRow]]) -> list[str]:
    """Titles of the tables in which no cell stands."""
    named = {row for rows in paper.values() for row in rows}
    return [table.title for table in TABLES if not named & set(rows_of(table.key))]


def _part(
    table: PaperTable,
    column: Column,
    rows: Sequence[PaperRow],
    members: Mapping[PaperRow, Sequence[str]],
    found: Mapping[tuple[str, str], CellSummary],
    fields: Sequence[Field],
) -> dict[str, Any]:
    lines = []
    for row in rows:
        names = members[row]
        entries = []
        for field in fields:
            ours = [found.get((name, field.model or "")) for name in names]
            here = find(table.key, row, field.printed, column.metric) if field.printed else None
            first = _mean(field, names, ours, column.paper)
            second = _mean(field, names, ours, column.egraff)
            entries.append({
                "parts": [first, second, _printed(here, field)],
                "sort": first["sort"],
            })  # fmt: skip
        count = f"mean of {len(names)}" if len(names) > 1 else ""
        lines.append({"label": row.label, "count": count, "cells": names, "entries": entries})
    printed_unit = {"1e-5": "10⁻⁵", "percent": "%", "meV/A": "meV/Å", "as printed": "", "1": ""}
    picked = (column.paper.unit, column.egraff.unit, column.paper.unit)
    units = [printed_unit.get(unit, unit) for unit in picked]
    return {
        "metric": column.metric,
        "title": column.title,
        "says": column.says,
        "fields": fields,
        "forms": list(zip(FORMS, units, strict=True)),
        "rows": lines,
    }


def _mean(
    field: Field, names: Sequence[str], ours: Sequence[CellSummary | None], pick: Pick
) -> dict[str, str]:
    """One of our two numbers: the mean over the cells that have it, or a dash with the reason."""
    if field.model is None:
        return _dash("this force field is not part of this run")
    if not names:
        return _dash("no system of this run stands for this row")
    values, reasons = [], []
    for name, summary in zip(names, ours, strict=True):
        value = None if summary is None else _value(summary, pick)
        if value is None or value.value is None:
            reasons.append(f"{name}: {_reason(summary, value, pick)}")
        else:
            values.append(value)
    if not values:
        return _dash("; ".join(reasons))
    mean = pick.factor * fmean(value.value or 0.0 for value in values)
    low, high = _interval(values, mean, pick.factor)
    missing = f"; without {'; '.join(reasons)}" if reasons else ""
    hint = f"mean of {len(values)} of {len(names)} systems{missing}" if len(names) > 1 else ""
    hint = "; ".join(filter(None, [hint, *(_window(v) for v in values[:1])]))
    aside = "" if low is None or high is None else f"{number(low)}\u202f–\u202f{number(high)}"
    count = f" ({len(values)}/{len(names)})" if reasons else ""
    return {"text": number(mean) + count, "aside": aside, "sort": repr(mean), "hint": hint}


def _interval(
    values: Sequence[Value], mean: float, factor: float
) -> tuple[float | None, float | None]:
    """Interval of a mean of independent values: their distances add in squares."""
    if any(value.interval is None for value in values):
        return None, None
    below = sqrt(sum(((v.value or 0.0) - v.interval[0]) ** 2 for v in values if v.interval))
    above = sqrt(sum((v.interval[1] - (v.value or 0.0)) ** 2 for v in values if v.interval))
    return mean - factor * below / len(values), mean + factor * above / len(values)


def _value(summary: CellSummary, pick: Pick) -> Value | None:
    return summary.find(pick.key, pick.comparison, pick.mode, pick.pair)


def _window(value: Value) -> str:
    frames = f"{value.n_frames} frames" if value.n_frames else ""
    starts = f"{value.n_starts} starts" if value.n_starts else ""
    return ", ".join(filter(None, [frames, starts, value.window]))


def _reason(summary: CellSummary | None, value: Value | None, pick: Pick) -> str:
    if summary is None:
        return "not part of the matrix"
    note = value.note if value is not None else ""
    if not note and summary.state != DONE:
        note = summary.reason
    if not note and pick.comparison == "trajectory":
        note = "no reference frames at equal times: its frames are no time series"
    return note or "no such value"


def _printed(found: Printed | None, field: Field) -> dict[str, str]:
    if found is None:
        reason = "no number in the paper" if field.printed else "not a force field of the paper"
        return _dash(reason)
    aside = "" if found.std is None else f"±\u202f{found.std:g}"
    return {
        "text": f"{found.value:g}" if abs(found.value) < 1e5 else f"{found.value:.0f}",
        "aside": aside, "sort": repr(found.value),
        "hint": "printed" + (", with its standard deviation" if aside else ""),
    }  # fmt: skip


def _dash(reason: str) -> dict[str, str]:
    return {"text": DASH, "aside": "", "sort": "", "hint": reason}
