"""The head of the page, the cards and findings of one system, and what was run on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from egraff_lmp.report.base import Page
from egraff_lmp.report.figures.base import colour_of
from egraff_lmp.report.findings import findings
from egraff_lmp.report.numbers import DASH, NBSP, number
from egraff_lmp.report.words import COMPARED, UNITS, trouble_words
from egraff_lmp.results.record import ModelResult
from egraff_lmp.score.records import COMPARISONS, RERUN_ORACLE, STRUCTURE, TRAJECTORY, Score
from egraff_lmp.score.table import METRICS
from egraff_lmp.score.words import counted, listed

# An exact answer on the model's own frames says more than any other comparison, and one at equal
# times says least.
_BEST_FIRST = (
    RERUN_ORACLE,
    *(c for c in COMPARISONS if c not in (RERUN_ORACLE, TRAJECTORY)),
    TRAJECTORY,
)


def title_of(result: ModelResult) -> str:
    """A model for a reader: its name, and its architecture where that is known and another."""
    name = result.model.name
    if result.card is None:
        return name
    known = "".join(filter(str.isalnum, result.card.architecture.lower()))
    same = known.startswith("".join(filter(str.isalnum, name.lower())))
    return result.card.architecture if same else f"{name}: {result.card.architecture}"


def header(page: Page) -> Mapping[str, Any]:
    """Title, what was run, and the way to other pages and files."""
    system = page.single
    states = [result.state for _, result in page.results]
    names = () if system is None else tuple(title_of(one) for one in system.models)
    return {
        "system": system,
        "names": listed(names) if names else "No models",
        "minutes": sum(s.seconds for s in system.stages) / 60 if system is not None else 0,
        "states": Counter(states),
        "linked": [(one.label, page.link(one)) for one in page.systems],
        "controls": sum(model.control is not None for model in page.models),
    }


def summary(page: Page) -> Mapping[str, Any] | None:
    """A card for each model, what the numbers mean, and what failed."""
    system = page.single
    if system is None:
        return None
    names = [title_of(one) for one in system.models]
    return {
        "cards": [_card(page, one) for one in system.models],
        "findings": findings(system.models, names),
        "troubles": [
            (name, trouble_words(trouble))
            for name, one in zip(names, system.models, strict=True)
            for trouble in one.troubles
        ],
    }


def _card(page: Page, result: ModelResult) -> dict[str, Any]:
    return {
        "name": title_of(result),
        "model": result,
        "colour": colour_of(page.results, result.model.name),
        "lines": [
            _line(result, metric.key) for metric in METRICS.values() if metric.headline
        ],
    }  # fmt: skip


def _line(result: ModelResult, key: str) -> tuple[str, str, str]:
    """Name, value and an aside of a headline metric: of its best comparison that has a value."""
    metric = METRICS[key]
    found = (result.find(key, comparison) for comparison in _BEST_FIRST)
    score = next((one for one in found if one is not None and one.value is not None), None)
    name = metric.title or metric.label
    if score is None:
        return name, DASH, "no result"
    if score.comparison in COMPARED:
        name += f", {score.comparison}"
    return name, text_of(score), _aside(score)


def _aside(score: Score) -> str:
    machine = score.fact("machine")
    ranks = machine.values.get("ranks") if machine is not None else None
    if isinstance(ranks, int):
        return counted(ranks, "rank")
    if score.floor is not None and score.comparison == STRUCTURE:
        return f"floor {number(score.floor)}"
    return ""


def text_of(score: Score) -> str:
    """A value with its unit; a number of starts as a part of all."""
    if score.value is not None and score.unit == "starts":
        return f"{score.value:.0f} of {score.counts.starts}"
    unit = UNITS.get(score.unit, score.unit)
    return f"{number(score.value)}{NBSP}{unit}" if unit else number(score.value)


def setup(page: Page) -> Mapping[str, Any] | None:
    """What was run: reference and protocol of one system."""
    return None if page.single is None else {"system": page.single}
