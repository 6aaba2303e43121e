"""The papers' tables rebuilt: ours in the paper's form, ours in our own, and what was printed.

A row is a dataset (and condition) of the paper, a column a force field, an entry a few numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from egraff_lmp.report.base import Page
from egraff_lmp.report.numbers import DASH, number, span
from egraff_lmp.report.printed import Column, Paper, PaperTable, Pick, papers
from egraff_lmp.report.setting_words import differences
from egraff_lmp.report.words import notes, troubles_words
from egraff_lmp.results.record import DONE, Model, ModelResult, PaperRow, System
from egraff_lmp.score.options import PAPER
from egraff_lmp.score.records import Score


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
    """The papers' tables rebuilt; one system alone shows them where it stands in one."""
    single, found = page.single is not None, page.results
    shown = []
    for one in papers():
        tables = rebuilt(one, found.systems, found.models, only_ours=single)
        elsewhere = [] if single else untouched(one, found.systems)
        if tables or not single:
            shown.append({"paper": one, "tables": tables, "untouched": elsewhere})
    if single and not shown:
        return None
    return {"papers": shown, "any": any(one["tables"] for one in shown)}


def fields_of(paper: Paper, table: PaperTable, models: Sequence[Model]) -> tuple[Field, ...]:
    """Columns: our models in their order, then the table's force fields that we did not run.

    Negative controls are left out: papers have none.
    """
    ours = [
        Field(model.name, paper.names.get(model.forcefield, ""), model.name)
        for model in models
        if model.control is None
    ]
    have = {field.printed for field in ours}
    others = [Field(name, name, None) for name in paper.models_of(table) if name not in have]
    return (*ours, *others)


def rebuilt(
    paper: Paper, systems: Sequence[System], models: Sequence[Model], only_ours: bool = False
) -> list[dict[str, Any]]:
    """Every table of a paper that one of the systems stands in, ready for the template.

    With `only_ours`, without the rows in which none stands.
    """
    tables = []
    for table in paper.tables:
        members = {
            row: found
            for row in paper.rows_of(table)
            if (found := [s for s in systems if row in s.paper]) or not only_ours
        }
        if any(members.values()):
            fields = fields_of(paper, table, models)
            tables.append({
                "key": table.key,
                "title": table.title,
                "footnotes": table.notes,
                "differs": differences(table, members, paper.hardware),
                "parts": [_part(paper, table, c, members, fields) for c in table.columns],
            })  # fmt: skip
    return tables


def untouched(paper: Paper, systems: Sequence[System]) -> list[str]:
    """Titles of the tables in which no system stands."""
    named = {row for system in systems for row in system.paper}
    return [table.title for table in paper.tables if not named & set(paper.rows_of(table))]


def _part(
    paper: Paper,
    table: PaperTable,
    column: Column,
    members: Mapping[PaperRow, Sequence[System]],
    fields: Sequence[Field],
) -> dict[str, Any]:
    return {
        "metric": column.metric,
        "title": column.title,
        "says": column.says,
        "fields": fields,
        "rows": [
            _row(paper, table, column, row, systems, fields) for row, systems in members.items()
        ],
    }


def _row(
    paper: Paper,
    table: PaperTable,
    column: Column,
    row: PaperRow,
    systems: Sequence[System],
    fields: Sequence[Field],
) -> dict[str, Any]:
    """A row with the names of its lines: our forms, then whoever printed a number in it."""
    told = {p.source for p in paper.numbers
            if (p.table, p.row, p.metric) == (table.key, row, column.metric)}  # fmt: skip
    sources = [source for source in table.sources if source in told] or [""]
    forms = [(f"{mode} form", pick.unit) for mode, pick in column.forms.items()]
    return {
        "label": row.label,
        "count": f"mean of {len(systems)}" if len(systems) > 1 else "",
        "cells": [system.name for system in systems],
        "forms": [*forms, *((source or "printed", column.unit) for source in sources)],
        "entries": [
            {
                "parts": [
                    *(_ours(field, systems, *form) for form in column.forms.items()),
                    *(_printed(paper, table, row, field, column, s) for s in sources),
                ]
            }
            for field in fields
        ],
    }


def _ours(field: Field, systems: Sequence[System], mode: str, pick: Pick) -> dict[str, str]:
    """One of our two numbers: the mean over the systems that have it, or a dash with the reason."""
    kind = "ours" if mode == PAPER else "own"
    if field.model is None:
        return _entry("this force field is not part of this run", kind=kind)
    if not systems:
        return _entry("no system of this run stands for this row", kind=kind)
    scores, reasons, hints = [], [], []
    for system in systems:
        result = system.result(field.model)
        score = None if result is None else result.find(pick.key, pick.comparison, mode, pick.part)
        if score is None or score.value is None:
            reasons.append(f"{system.name}: {_reason(result, score)}")
        else:
            scores.append(score)
    if not scores:
        return _entry("; ".join(reasons), kind=kind)
    mean, interval = _mean(scores, pick.factor)
    if len(systems) > 1:
        hints.append(f"mean of {len(scores)} of {len(systems)} systems")
    if reasons:
        hints.append(f"without {'; '.join(reasons)}")
    hint = "; ".join(filter(None, [*hints, _window(scores[0])]))
    count = f" ({len(scores)}/{len(systems)})" if reasons else ""
    return _entry(hint, number(mean) + count, span(interval), repr(mean), kind)


def _mean(scores: Sequence[Score], factor: float) -> tuple[float, tuple[float, float] | None]:
    """`factor` times the mean of independent values, and its interval.

    The distances of the values from the ends of their intervals add in squares.
    """
    mean = factor * fmean(one.value for one in scores if one.value is not None)
    known = [(one.value, *one.interval) for one in scores if one.interval is not None]
    if len(known) < len(scores):
        return mean, None
    values, low, high = np.array(known, dtype=float).T
    below, above = (factor * np.linalg.norm(end - values) / len(values) for end in (low, high))
    return mean, (float(mean - below), float(mean + above))


def _window(score: Score) -> str:
    counts = score.counts
    frames = f"{counts.frames} frames" if counts.frames else ""
    starts = f"{counts.starts} starts" if counts.starts else ""
    return ", ".join(filter(None, [frames, starts, *notes(score)[:1]]))


def _reason(result: ModelResult | None, score: Score | None) -> str:
    if result is None:
        return "not part of the benchmark"
    if score is not None:
        return "; ".join(notes(score))
    why = troubles_words(result.troubles) if result.state != DONE else ""
    return why or "no such value"


def _printed(
    paper: Paper, table: PaperTable, row: PaperRow, field: Field, column: Column, source: str
) -> dict[str, str]:
    kind = "printed"
    if not field.printed:
        return _entry("not a force field of the paper", kind=kind)
    found = paper.find(table.key, row, field.printed, column.metric, source)
    if found is None:
        return _entry("no number in the paper", kind=kind)
    text = f"{found.value:g}" if abs(found.value) < 1e5 else f"{found.value:.0f}"
    if found.std is None:
        return _entry("printed", text, sort=repr(found.value), kind=kind)
    hint = "printed, with its standard deviation"
    return _entry(hint, text, f"±\u202f{found.std:g}", repr(found.value), kind)


def _entry(
    hint: str, text: str = DASH, aside: str = "", sort: str = "", kind: str = "ours"
) -> dict[str, str]:
    return {"text": text, "aside": aside, "sort": sort, "hint": hint, "kind": kind}
