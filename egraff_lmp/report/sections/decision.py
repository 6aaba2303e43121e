"""The first screen: which force field for which purpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from egraff_lmp.report.base import Page
from egraff_lmp.report.decision_words import (
    FASTEST,
    PURPOSES,
    caveat_sentences,
    choice_words,
    cost_words,
    reason_of,
    scale_words,
    sentences,
    value_words,
)
from egraff_lmp.report.numbers import DASH
from egraff_lmp.results.decision import COMPOSITE, Decision
from egraff_lmp.score.words import listed

Entry = tuple[str, str]  # the text of a field, and what stands under the pointer
ROWS = {**{purpose: title for purpose, (title, _) in PURPOSES.items()}, FASTEST: FASTEST}


def decision(page: Page) -> Mapping[str, Any] | None:
    """The table of purposes, the sentences, and what is not told; None without any result."""
    found, single = page.decisions, page.single is not None
    if not found:
        return None
    labels = {system.name: system.label for system in page.results.systems}
    named = [(labels[one.cell], one) for one in found]
    columns = _of_one(found[0]) if single else _of_several(named)
    return {
        "columns": list(columns),
        "rows": [
            {
                "title": title,
                "scale": _scale(found[0], purpose) if single else "",
                "entries": [entries[purpose] for entries in columns.values()],
            }
            for purpose, title in ROWS.items()
        ],
        "said": sentences(found[0])
        if single
        else [f"{label}: {' '.join(sentences(one))}" for label, one in named],
        "caveats": caveat_sentences(named),
    }


def _of_one(found: Decision) -> dict[str, dict[str, Entry]]:
    """What is chosen, then the parts of every model."""
    columns = {"best": _chosen(found)}
    for one in found.composites:
        parts = {part.purpose: (value_words(part), reason_of(part)) for part in one.parts}
        whole = {COMPOSITE: (value_words(one), "")}
        columns[one.model] = {**parts, **whole, FASTEST: (cost_words(one), "")}
    return columns


def _of_several(named: Sequence[tuple[str, Decision]]) -> dict[str, dict[str, Entry]]:
    """What is chosen on every system."""
    return {label: _chosen(found) for label, found in named}


def _chosen(found: Decision) -> dict[str, Entry]:
    entries = {}
    for choice in found.choices:
        values = [
            (one.model, one if choice.purpose == COMPOSITE else one.part(choice.purpose))
            for one in found.composites
        ]
        told = "; ".join(f"{model} {value_words(of)}" for model, of in values)
        entries[choice.purpose] = choice_words(choice), told
    return {**entries, FASTEST: (found.fastest or DASH, "")}


def _scale(found: Decision, purpose: str) -> str:
    """What a row is made of, on one system."""
    if purpose == COMPOSITE:
        return f"mean of {listed(found.purposes)}" if found.purposes else ""
    parts = [one.part(purpose) for one in found.composites if purpose != FASTEST]
    return scale_words(parts) if parts else ""
