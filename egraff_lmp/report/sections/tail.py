"""Curves and figures, what failed, and where the numbers come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from egraff_lmp.report.base import Page
from egraff_lmp.report.sections.scores import GROUPS
from egraff_lmp.report.words import troubles_words


def curves(page: Page) -> Mapping[str, Any] | None:
    """The figures of one system, in the order of the tables of its scores."""
    found = [figure for group in GROUPS for figure in page.figures_of(group.name)]
    return {"figures": found} if found else None


def figures(page: Page) -> Mapping[str, Any] | None:
    """The figures over several systems."""
    return {} if page.figures_of("figures") else None


def troubles(page: Page) -> Mapping[str, Any]:
    """What went wrong on each system; models with one state and reason share a line."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for system, result in page.results:
        if result.troubles:
            place = (system.label, result.state, troubles_words(result.troubles))
            found.setdefault(place, []).append(result.model.name)
    return {"troubles": found}


def provenance(page: Page) -> Mapping[str, Any]:
    """Hardware and versions; all else is in the records of the page."""
    if page.single is not None:
        return {"machine": page.single.machine}
    machines: dict[str, dict[str, None]] = {"written": {page.written: None}}
    for one in page.results.systems:
        for name, value in one.machine.items():
            if name != "written":
                machines.setdefault(name, {})[value] = None
    return {"machine": {name: "; ".join(values) for name, values in machines.items()}}
