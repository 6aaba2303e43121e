"""The paper's tables rebuilt: ours in the paper's form, ours in our own, and what it printed.

A row is a dataset (and condition) of the paper, a column a force field, an entry three numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean
from typing import Any

from egraff_lmp.report.base import Page
from egraff_lmp.report.numbers import DASH, number
from egraff_lmp.report.printed import FOOTNOTES, PRINTED_NAMES, SOURCE, Printed, find, rows_of
from egraff_lmp.report.words import notes, troubles_words
from egraff_lmp.results.record import DONE, Model, ModelResult, PaperRow, System
from egraff_lmp.score.options import EGRAFF, PAPER
from egraff_lmp.score.records import COST, RERUN_REFERENCE, STRUCTURE, TRAJECTORY, Score

FORMS = ("paper form", "egraff form", "printed")


@dataclass(frozen=True)
class Pick:
    """Which of our values stands in a table: `factor` times it, in `unit`."""

    key: str
    comparison: str
    mode: str
    unit: str
    factor: float = 1.0


@dataclass(frozen=True)
class Column:
    """One quantity of a table of the paper; the template says what its two forms are.

    Attributes:
        metric: as in the printed numbers.
        title: what it is.
        paper, egraff: our values in the two forms.
    """

    metric: str
    title: str
    paper: Pick
    egraff: Pick


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper: key, title and its quantities."""

    key: str
    title: str
    columns: tuple[Column, ...]


_ENERGY = Column(
    "energy_mae", "Energy error (MAE)",
    Pick("energy_mae_structure", RERUN_REFERENCE, PAPER, "meV"),
    Pick("energy_mae", RERUN_REFERENCE, EGRAFF, "meV/atom"),
)  # fmt: skip
_FORCE = Column(
    "force_mae", "Force error (MAE)",
    Pick("force_mae", RERUN_REFERENCE, PAPER, "meV/Å"),
    Pick("force_mae", RERUN_REFERENCE, EGRAFF, "meV/Å"),
)  # fmt: skip
_JSD = Column(
    "jsd", "JSD",
    Pick("jsd_raw", STRUCTURE, PAPER, "as printed"),
    Pick("jsd", STRUCTURE, EGRAFF, "bit"),
)  # fmt: skip
_WF = Column(
    "wf", "Wright's factor (WF)",
    Pick("wf_unrooted", STRUCTURE, PAPER, "%"),
    Pick("wf", STRUCTURE, EGRAFF, "%"),
)  # fmt: skip
_EV = Column(
    "ev", "Energy violation (EV)",
    Pick("ev_released", TRAJECTORY, PAPER, "10⁻⁵", 1e5),
    Pick("ev", RERUN_REFERENCE, EGRAFF, "1"),
)  # fmt: skip
_FV = Column(
    "fv", "Force violation (FV)",
    Pick("fv", TRAJECTORY, PAPER, "1"),
    Pick("fv", RERUN_REFERENCE, EGRAFF, "1"),
)  # fmt: skip
_TRAIN = Column(
    "train_time", "Training time",
    Pick("training_time_epoch", COST, PAPER, "min/epoch"),
    Pick("training_time", COST, EGRAFF, "s"),
)  # fmt: skip
_STEPS = Column(
    "inference_time_1000_steps", "Time of 1000 steps",
    Pick("minutes_per_1000_steps", COST, PAPER, "min"),
    Pick("us_per_atom_step", COST, EGRAFF, "µs/atom/step"),
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


def paper(page: Page) -> Mapping[str, Any] | None:
    """The paper's tables rebuilt; one system alone shows them where it stands in one."""
    single = page.single is not None
    tables = rebuilt(page.systems, fields_of(page.models), only_ours=single)
    if single and not tables:
        return None
    elsewhere = [] if single else untouched(page.systems)
    return {"tables": tables, "untouched": elsewhere, "source": SOURCE}


def fields_of(models: Sequence[Model]) -> tuple[Field, ...]:
    """Columns: our models in their order, then the paper's force fields that we did not run.

    Negative controls are left out: the paper has none.
    """
    ours = [
        Field(model.name, PRINTED_NAMES.get(model.forcefield, ""), model.name)
        for model in models
        if model.control is None
    ]
    have = {field.printed for field in ours}
    others = [Field(name, name, None) for name in PRINTED_NAMES.values() if name not in have]
    return (*ours, *others)


def rebuilt(
    systems: Sequence[System], fields: Sequence[Field], only_ours: bool = False
) -> list[dict[str, Any]]:
    """Every table of the paper that one of the systems stands in, ready for the template.

    With `only_ours`, without the rows in which none stands.
    """
    tables = []
    for table in TABLES:
        members = {
            row: found
            for row in rows_of(table.key)
            if (found := [s for s in systems if row in s.paper]) or not only_ours
        }
        if any(members.values()):
            tables.append({
                "key": table.key,
                "title": table.title,
                "footnotes": FOOTNOTES[table.key],
                "parts": [_part(table, column, members, fields) for column in table.columns],
            })  # fmt: skip
    return tables


def untouched(systems: Sequence[System]) -> list[str]:
    """Titles of the tables in which no system stands."""
    named = {row for system in systems for row in system.paper}
    return [table.title for table in TABLES if not named & set(rows_of(table.key))]


def _part(
    table: PaperTable,
    column: Column,
    members: Mapping[PaperRow, Sequence[System]],
    fields: Sequence[Field],
) -> dict[str, Any]:
    lines = []
    for row, systems in members.items():
        entries = []
        for field in fields:
            here = find(table.key, row, field.printed, column.metric) if field.printed else None
            first = _mean(field, systems, column.paper)
            second = _mean(field, systems, column.egraff)
            entries.append({
                "parts": [first, second, _printed(here, field)],
                "sort": first["sort"],
            })  # fmt: skip
        count = f"mean of {len(systems)}" if len(systems) > 1 else ""
        names = [system.name for system in systems]
        lines.append({"label": row.label, "count": count, "cells": names, "entries": entries})
    printed_unit = {"1e-5": "10⁻⁵", "percent": "%", "meV/A": "meV/Å", "as printed": "", "1": ""}
    picked = (column.paper.unit, column.egraff.unit, column.paper.unit)
    units = [printed_unit.get(unit, unit) for unit in picked]
    return {
        "metric": column.metric,
        "title": column.title,
        "fields": fields,
        "forms": list(zip(FORMS, units, strict=True)),
        "rows": lines,
    }


def _mean(field: Field, systems: Sequence[System], pick: Pick) -> dict[str, str]:
    """One of our two numbers: the mean over the systems that have it, or a dash with the reason."""
    if field.model is None:
        return _dash("this force field is not part of this run")
    if not systems:
        return _dash("no system of this run stands for this row")
    values, reasons = [], []
    for system in systems:
        result = system.result(field.model)
        value = None if result is None else result.find(pick.key, pick.comparison, pick.mode)
        if value is None or value.value is None:
            reasons.append(f"{system.name}: {_reason(result, value, pick)}")
        else:
            values.append(value)
    if not values:
        return _dash("; ".join(reasons))
    mean = pick.factor * fmean(value.value or 0.0 for value in values)
    low, high = _interval(values, mean, pick.factor)
    missing = f"; without {'; '.join(reasons)}" if reasons else ""
    hint = f"mean of {len(values)} of {len(systems)} systems{missing}" if len(systems) > 1 else ""
    hint = "; ".join(filter(None, [hint, *(_window(v) for v in values[:1])]))
    aside = "" if low is None or high is None else f"{number(low)}\u202f–\u202f{number(high)}"
    count = f" ({len(values)}/{len(systems)})" if reasons else ""
    return {"text": number(mean) + count, "aside": aside, "sort": repr(mean), "hint": hint}


def _interval(
    values: Sequence[Score], mean: float, factor: float
) -> tuple[float | None, float | None]:
    """Interval of a mean of independent values: their distances add in squares."""
    if any(value.interval is None for value in values):
        return None, None
    below = sqrt(sum(((v.value or 0.0) - v.interval[0]) ** 2 for v in values if v.interval))
    above = sqrt(sum((v.interval[1] - (v.value or 0.0)) ** 2 for v in values if v.interval))
    return mean - factor * below / len(values), mean + factor * above / len(values)


def _window(value: Score) -> str:
    counts = value.counts
    frames = f"{counts.frames} frames" if counts.frames else ""
    starts = f"{counts.starts} starts" if counts.starts else ""
    return ", ".join(filter(None, [frames, starts, *notes(value)[:1]]))


def _reason(result: ModelResult | None, value: Score | None, pick: Pick) -> str:
    if result is None:
        return "not part of the benchmark"
    if value is not None:
        return "; ".join(notes(value))
    why = troubles_words(result.troubles) if result.state != DONE else ""
    return why or "no such value"


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
