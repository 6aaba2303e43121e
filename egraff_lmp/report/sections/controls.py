"""Which scores can tell the negative controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from egraff_lmp.report.base import Page
from egraff_lmp.report.words import VERDICTS, reason_words, verdict_name, verdict_sentences
from egraff_lmp.results.controls import ControlVerdict
from egraff_lmp.results.ranking import NOT_LAST, TELLS
from egraff_lmp.score.records import STABILITY
from egraff_lmp.score.words import listed


def controls(page: Page) -> Mapping[str, Any] | None:
    """A table for each control, and what could not tell it; None where there is no control."""
    if not page.verdicts:
        return None
    tables = []
    for name in dict.fromkeys(v.control for v in page.verdicts):
        mine = [v for v in page.verdicts if v.control == name]
        found = {(verdict_name(v), v.cell): v for v in mine}
        columns = [s for s in page.results.systems if any(v.cell == s.name for v in mine)]
        rows = [
            {
                "label": label,
                "sees": sees,
                "entries": [_entry(found.get((label, system.name))) for system in columns],
            }
            for label, sees in {verdict_name(v): v.sees for v in mine}.items()
        ]
        labels = [system.label for system in columns]
        tables.append({"name": name, "kind": mine[0].kind, "columns": labels, "rows": rows})
    return {
        "tables": tables,
        "sentences": verdict_sentences(page.verdicts),
        "marks": list(VERDICTS.values()),
    }


def _entry(verdict: ControlVerdict | None) -> dict[str, Any] | None:
    """One field of the table, None where the score is not defined."""
    if verdict is None:
        return None
    ranking = verdict.ranking
    (mark, text), hint = VERDICTS[ranking.verdict], reason_words(ranking.reason)
    tells = ranking.verdict in (TELLS, NOT_LAST)
    if ranking.verdict == NOT_LAST:
        text = f"tells, but {listed(ranking.no_better)} no better"
    if ranking.broke and tells:
        alone = VERDICTS[verdict.alone][1]
        text += ", as it broke"
        hint += f"; the score of what frames there are: {alone}"
        if verdict.comparison != STABILITY and verdict.alone not in (TELLS, NOT_LAST):
            text += f" (by its frames: {alone})"
    return {"mark": mark, "text": text, "hint": hint, "ranking": ranking, "tells": tells}
