"""Does force error foretell simulation: a table of rank correlations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from egraff_lmp.report.base import Page
from egraff_lmp.report.correlation_words import (
    VERDICTS,
    correlation_name,
    correlation_sentences,
    field_words,
    hint_words,
    interval_words,
    number_words,
)
from egraff_lmp.results.correlation import (
    FORETELLS,
    Correlation,
    PooledCorrelation,
    correlations,
    pooled,
)


def foretells(page: Page) -> Mapping[str, Any] | None:
    """A row for each score and a column for each system, of several after that of all of them.

    None where no ordinary model has a score of rollouts.
    """
    found = correlations(page.results)
    if not found:
        return None
    together = () if page.single is not None else pooled(page.results, found)
    by_place = {(correlation_name(one), one.cell): one for one in found}
    columns = [s for s in page.results.systems if any(one.cell == s.name for one in found)]
    all_of_them = {correlation_name(one): one for one in together}
    rows = [
        {
            "label": label,
            "pooled": _entry(all_of_them[label]) if together else None,
            "entries": [_entry(by_place.get((label, system.name))) for system in columns],
        }
        for label in dict.fromkeys(map(correlation_name, found))
    ]
    return {
        "columns": [system.label for system in columns],
        "rows": rows,
        "several": bool(together),
        "marks": list(VERDICTS.values()),
        "sentences": correlation_sentences(together or found),
        "controls": any(model.control is not None for model in page.results.models),
    }


def _entry(one: Correlation | PooledCorrelation | None) -> dict[str, Any] | None:
    """One field of the table, None where the score is not defined."""
    if one is None:
        return None
    return {
        "mark": VERDICTS[one.verdict][0],
        "text": field_words(one),
        "interval": "" if one.interval is None else interval_words(one.interval),
        "number": "" if one.rho is None else number_words(one),
        "hint": hint_words(one),
        "tells": one.verdict == FORETELLS,
        "absent": one.rho is None,
    }
