"""The tables of scores: of one system by comparison, of several systems by metric.

Both iterate over the table of metrics; none of them knows a metric.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_lowercase
from typing import Any

from egraff_lmp.report.base import Page
from egraff_lmp.report.figures.base import colour_of
from egraff_lmp.report.numbers import DASH, number, span
from egraff_lmp.report.sections.head import title_of
from egraff_lmp.report.words import (
    COMPARED,
    UNITS,
    floor_name,
    notes,
    troubles_words,
)
from egraff_lmp.results.record import DONE, ModelResult, System
from egraff_lmp.score.metric import Metric
from egraff_lmp.score.options import EGRAFF, MODES, PAPER
from egraff_lmp.score.records import (
    COMPARISONS,
    COST,
    RERUN_COMMITTEE,
    RERUN_ORACLE,
    RERUN_REFERENCE,
    STRUCTURE,
    TOTAL,
    TRAJECTORY,
    Score,
)
from egraff_lmp.score.table import METRICS


@dataclass(frozen=True)
class Group:
    """Scores that stand in one table of a system: those of `comparisons` in one form.

    Its title and caption are in the template.
    """

    name: str
    comparisons: Sequence[str]
    mode: str = EGRAFF


_ALONG = (RERUN_ORACLE, RERUN_COMMITTEE, TRAJECTORY)
_REST = {STRUCTURE, RERUN_REFERENCE, COST, *_ALONG}
GROUPS = (
    Group("accuracy", (RERUN_REFERENCE,)),
    Group("structure", (STRUCTURE,)),
    Group("rollouts", _ALONG),
    Group("motion", tuple(c for c in COMPARISONS if c not in _REST)),
    Group("cost", (COST,)),
    Group("forms", COMPARISONS, PAPER),
)


# --- one system


@dataclass
class Notes:
    """Footnotes: a mark for each text, in the order of their first use."""

    texts: list[tuple[str, str]] = field(default_factory=list)

    def mark(self, text: str) -> str:
        """The mark of a text, a new one where it is not among them."""
        for mark, known in self.texts:
            if known == text:
                return mark
        k = len(self.texts)
        mark = ascii_lowercase[k % 26] * (1 + k // 26)
        self.texts.append((mark, text))
        return mark


def groups(page: Page) -> Mapping[str, Any] | None:
    """The tables of one system with their figures; a group without any value says so."""
    system = page.single
    if system is None:
        return None
    shown = []
    for group in GROUPS:
        table = _group_table(page, system, group)
        figures = page.figures_of(group.name)
        if table is not None or group.mode == EGRAFF:
            shown.append({"group": group, "table": table, "figures": figures})
    return {"groups": shown}


def _group_table(page: Page, system: System, group: Group) -> dict[str, Any] | None:
    scores = {
        result.model.name: {
            (s.key, s.comparison, s.part): s
            for s in result.values
            if s.comparison in group.comparisons and s.mode == group.mode and s.key in METRICS
        }
        for result in system.models
    }
    shown = [result for result in system.models if scores[result.model.name]]
    if not shown:
        return None
    order = list(METRICS)
    rows = sorted(
        dict.fromkeys(place for found in scores.values() for place in found),
        key=lambda one: (group.comparisons.index(one[1]), order.index(one[0])),
    )
    footnotes = Notes()
    floors = {floor_name(comparison) for _, comparison, _ in rows}
    return {
        "baseline": floors.pop() if len(floors) == 1 else "ref. vs ref.",
        "models": [
            (title_of(one), colour_of(page.results, one.model.name), one.model.control is not None)
            for one in shown
        ],
        "rows": [
            {
                "metric": METRICS[key].label,
                "unit": _unit(scores, (key, comparison, part)),
                "subject": part or comparison,
                "cells": [
                    _cell(scores[one.model.name].get((key, comparison, part)), footnotes)
                    for one in shown
                ],
            }
            for key, comparison, part in rows
        ],
        "subjects": any(part for _, _, part in rows) or len(group.comparisons) > 1,
        "notes": footnotes.texts,
    }  # fmt: skip


def _unit(scores: Mapping[str, Mapping[tuple[str, str, str], Score]],
          place: tuple[str, str, str]) -> str:  # fmt: skip
    unit = next(found[place].unit for found in scores.values() if place in found)
    return UNITS.get(unit, unit)


def _cell(score: Score | None, footnotes: Notes) -> dict[str, str]:
    """One value with its context, as text."""
    if score is None:
        return {"value": DASH, "interval": DASH, "baseline": DASH, "sample": DASH, "marks": ""}
    found = notes(score)
    window = found.pop(0) if score.window is not None else ""
    rest = "; ".join(found)
    sample = number(score.counts.frames) if score.counts.frames else DASH
    if score.counts.starts is not None:
        sample += f" / {number(score.counts.starts)}"
    return {
        "value": number(score.value),
        "interval": span(score.interval) or DASH,
        "baseline": number(score.floor),
        "sample": sample,
        "marks": ",\u2009".join(footnotes.mark(text) for text in (window, rest) if text),
    }


# --- several systems


def headlines(page: Page) -> Mapping[str, Any] | None:
    """The headline metrics of several systems, a table each."""
    if page.single is not None:
        return None
    tables = [
        found
        for metric in METRICS.values()
        for comparison in metric.headline
        if (found := _table(page, metric, comparison, EGRAFF, "")) is not None
    ]
    return {"tables": tables, "controls": any(m.control is not None for m in page.models)}


def more(page: Page) -> Mapping[str, Any] | None:
    """Every other value of several systems; those of pairs of elements stand on their pages."""
    if page.single is not None:
        return None
    known = {
        (s.key, s.comparison, s.mode, s.part.replace(TOTAL, ""))
        for _, result in page.results
        for s in result.values
        if s.value is not None and (s.part in ("", TOTAL) or "-" not in s.part)
    }
    tables = [
        found
        for metric in METRICS.values()
        for comparison in COMPARISONS
        for mode in MODES
        for part in sorted({p for k, c, m, p in known
                            if (k, c, m) == (metric.key, comparison, mode)})
        if part or mode == PAPER or comparison not in metric.headline
        if (found := _table(page, metric, comparison, mode, part)) is not None
    ]  # fmt: skip
    return {"tables": tables} if tables else None


def _table(
    page: Page, metric: Metric, comparison: str, mode: str, part: str
) -> dict[str, Any] | None:
    """One score of every model on every system, None without any value."""
    rows: list[dict[str, Any]] = []
    unit, floors = metric.unit, False
    for system in page.systems:
        found = [system.result(model.name) for model in page.models]
        scores = [
            None if one is None else one.find(metric.key, comparison, mode, part) for one in found
        ]
        floor = next((s.floor for s in scores if s is not None and s.floor is not None), None)
        floors = floors or floor is not None
        unit = next((s.unit for s in scores if s is not None), unit)
        best = _best(page, metric, scores)
        rows.append({
            "label": system.label, "page": page.link(system), "floor": number(floor),
            "floor_sort": "" if floor is None else repr(floor),
            "entries": [
                {**_entry(one, score), "best": best is not None and score is best}
                for one, score in zip(found, scores, strict=True)
            ],
        })  # fmt: skip
    if not any(entry["sort"] for row in rows for entry in row["entries"]):
        return None
    words = (COMPARED.get(comparison, ""), part, "paper form" if mode == PAPER else "")
    key = (metric.key, comparison, mode if mode != EGRAFF else "", part)
    return {
        "key": "-".join(filter(None, key)),
        "title": ", ".join(filter(None, (metric.title or metric.label, *words))),
        "unit": UNITS.get(unit, unit),
        "says": f"{metric.doc[:1].upper()}{metric.doc[1:]}.",
        "models": [(model.name, model.control is not None) for model in page.models],
        "floor": floor_name(comparison) if floors else "",
        "rows": rows,
    }


def _best(page: Page, metric: Metric, scores: Iterable[Score | None]) -> Score | None:
    """The best ordinary model; none where there is nothing to compare or all are equal."""
    known = [
        (score.value, score)
        for model, score in zip(page.models, scores, strict=True)
        if score is not None and score.value is not None and model.control is None
    ]
    if len({value for value, _ in known}) < 2 or not metric.better:
        return None
    choose = min if metric.better == "lower" else max
    return choose(known, key=lambda one: one[0])[1]


def _entry(result: ModelResult | None, score: Score | None) -> dict[str, Any]:
    """One field of a table: its text, what it is sorted by, and what to say on it."""
    entry = {"text": DASH, "aside": "", "sort": "", "state": "absent", "hint": ""}
    if result is None:
        return {**entry, "hint": "not part of the benchmark"}
    troubles = troubles_words(result.troubles)
    if score is None or score.value is None:
        state = result.state if result.state != DONE else "missing"
        why = "; ".join(notes(score)) if score is not None else ""
        text = DASH if state == "missing" else state
        return {**entry, "text": text, "state": state, "hint": why or troubles or "no result"}
    hints = notes(score)
    if score.counts.frames:
        hints.insert(0, f"{score.counts.frames} frames")
    if troubles:
        hints.append(troubles)
    of_starts = score.unit == "starts"
    return {
        "text": f"{score.value:.0f} of {score.counts.starts}" if of_starts else number(score.value),
        "aside": span(score.interval),
        "sort": repr(score.value),
        "state": "broken" if troubles else "ok",
        "hint": "; ".join(hints),
    }
