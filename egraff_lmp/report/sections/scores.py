"""The tables of scores: of one system by comparison, of several systems by metric.

Both iterate over the table of metrics; none of them knows a metric.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Any

from egraff_lmp.report.base import Page
from egraff_lmp.report.words import floor_name, notes, troubles_words
from egraff_lmp.results.controls import leading
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


def groups(page: Page) -> Mapping[str, Any]:
    """The tables of one system; a group without any value says so."""
    found = [(group, _group_table(page.results.systems[0], group)) for group in GROUPS]
    return {"groups": [one for one in found if one[1] is not None or one[0].mode == EGRAFF]}


def _group_table(system: System, group: Group) -> dict[str, Any] | None:
    found: dict[tuple[str, str, str], dict[str, Score]] = {}
    for result in system.models:
        for score in result.values:
            belongs = score.comparison in group.comparisons and score.mode == group.mode
            if belongs and score.key in METRICS:
                place = (score.comparison, score.key, score.part)
                found.setdefault(place, {})[result.model.name] = score
    if not found:
        return None
    shown = [one for one in system.models if any(one.model.name in row for row in found.values())]
    order = list(METRICS)
    rows = sorted(
        found.items(), key=lambda row: (group.comparisons.index(row[0][0]), order.index(row[0][1]))
    )
    floors = {floor_name(comparison) for comparison, _, _ in found}
    footnotes: dict[str, str] = {}
    return {
        "baseline": floors.pop() if len(floors) == 1 else "ref. vs ref.",
        "results": shown,
        "rows": [
            {
                "metric": METRICS[key],
                "unit": next(iter(scores.values())).unit,
                "subject": part or comparison,
                "cells": [_cell(scores.get(one.model.name), footnotes) for one in shown],
            }
            for (comparison, key, part), scores in rows
        ],
        "subjects": any(part for _, _, part in found) or len(group.comparisons) > 1,
        "footnotes": footnotes,
    }


def _cell(score: Score | None, footnotes: dict[str, str]) -> tuple[Score | None, str]:
    """A value, and the marks of what a reader must know of it, new ones put into `footnotes`."""
    found = [] if score is None else notes(score)
    window = [found.pop(0)] if score is not None and score.window is not None else []
    texts = [*window, *filter(None, ["; ".join(found)])]
    for text in texts:
        k = len(footnotes)
        footnotes.setdefault(text, ascii_lowercase[k % 26] * (1 + k // 26))
    return score, ",\u2009".join(footnotes[text] for text in texts)


# --- several systems


def headlines(page: Page) -> Mapping[str, Any]:
    """The headline metrics of several systems, a table each."""
    wanted = ((m, comparison, EGRAFF, "") for m in METRICS.values() for comparison in m.headline)
    return {"tables": list(_tables(page, wanted))}


def more(page: Page) -> Mapping[str, Any] | None:
    """Every other value of several systems; those of pairs of elements stand on their pages."""
    known = {
        (s.key, s.comparison, s.mode, s.part.replace(TOTAL, ""))
        for _, result in page.results
        for s in result.values
        if s.value is not None and (s.part in ("", TOTAL) or "-" not in s.part)
    }
    wanted = (
        (metric, comparison, mode, part)
        for metric in METRICS.values()
        for comparison in COMPARISONS
        for mode in MODES
        for part in sorted({p for *place, p in known if place == [metric.key, comparison, mode]})
        if part or mode == PAPER or comparison not in metric.headline
    )
    tables = list(_tables(page, wanted))
    return {"tables": tables} if tables else None


def _tables(page: Page, wanted: Iterable[tuple[Metric, str, str, str]]) -> Iterator[dict[str, Any]]:
    """One score of every model on every system, a table each; none without any value."""
    for metric, comparison, mode, part in wanted:
        rows: list[dict[str, Any]] = []
        unit = metric.unit
        for system in page.results.systems:
            results = [system.result(model.name) for model in page.results.models]
            scores = [
                None if one is None else one.find(metric.key, comparison, mode, part)
                for one in results
            ]
            known = [score for score in scores if score is not None]
            unit = next((score.unit for score in known), unit)
            best = leading(system, metric.key, comparison, mode, part)
            rows.append({
                "system": system,
                "floor": next((s.floor for s in known if s.floor is not None), None),
                "entries": [
                    _entry(*one, best) for one in zip(results, scores, strict=True)
                ],
            })  # fmt: skip
        if any(entry["score"] for row in rows for entry in row["entries"]):
            floors = any(row["floor"] is not None for row in rows)
            yield {
                "metric": metric, "comparison": comparison, "mode": mode, "part": part,
                "unit": unit, "floor": floor_name(comparison) if floors else "", "rows": rows,
            }  # fmt: skip


def _entry(result: ModelResult | None, score: Score | None, best: Sequence[str]) -> dict[str, Any]:
    """One field of a table: its score, where there is one, its state, and what to say on it."""
    if result is None:
        return {"score": None, "state": "absent", "hint": "not part of the benchmark"}
    troubles = troubles_words(result.troubles)
    hints = [] if score is None else notes(score)
    if score is None or score.value is None:
        state = "missing" if result.state == DONE else result.state
        return {"score": None, "state": state, "hint": "; ".join(hints) or troubles or "no result"}
    frames = [f"{score.counts.frames} frames"] if score.counts.frames else []
    return {
        "score": score,
        "state": "broken" if troubles else "ok",
        "hint": "; ".join(filter(None, [*frames, *hints, troubles])),
        "best": result.model.name in best,
    }
