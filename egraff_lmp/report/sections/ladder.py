"""What each score resolves: the rungs of negative controls that it tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from egraff_lmp.report.base import Page
from egraff_lmp.report.ladder_words import (
    VERDICTS,
    cell_words,
    hint_words,
    ladder_sentences,
    resolution_name,
    resolution_words,
    rung_words,
)
from egraff_lmp.results.ladder import BY_SURVIVAL, TOLD, Resolution, RungVerdict, resolutions


def ladder(page: Page) -> Mapping[str, Any] | None:
    """A table for each model with controls on each system; None where there is no such."""
    if not page.rungs:
        return None
    found = resolutions(page.rungs)
    places = dict.fromkeys((one.cell, one.base) for one in page.rungs)
    labels = {system.name: system.label for system in page.results.systems}
    tables = [
        _table(
            f"{base} on {labels[cell]}",
            [one for one in page.rungs if (one.cell, one.base) == (cell, base)],
            [one for one in found if (one.cell, one.base) == (cell, base)],
        )
        for cell, base in places
    ]
    return {"tables": tables, "marks": list(VERDICTS.values())}


def _table(
    title: str, verdicts: Sequence[RungVerdict], found: Sequence[Resolution]
) -> dict[str, Any]:
    columns = {one.control: rung_words(one.kind, one.strength) for one in verdicts}
    by_place = {(resolution_name(one), one.control): one for one in verdicts}
    rows = [
        {
            "label": label,
            "sees": sees,
            "entries": [_entry(by_place[label, control]) for control in columns],
            "resolution": "; ".join(
                resolution_words(one) for one in found if resolution_name(one) == label
            ),
        }
        for label, sees in {resolution_name(one): one.sees for one in verdicts}.items()
    ]
    return {
        "title": title,
        "columns": list(columns.values()),
        "rows": rows,
        "sentences": ladder_sentences(verdicts, found),
    }


def _entry(verdict: RungVerdict) -> dict[str, Any]:
    return {
        "mark": VERDICTS[verdict.verdict][0],
        "text": cell_words(verdict),
        "hint": hint_words(verdict),
        "tells": verdict.verdict == TOLD,
        "absent": verdict.verdict not in (TOLD, BY_SURVIVAL) and verdict.difference is None,
    }
