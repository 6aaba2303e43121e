"""Figures, what failed, what the numbers cannot say, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from egraff_lmp.report.base import Page
from egraff_lmp.report.numbers import number
from egraff_lmp.report.sections.head import title_of
from egraff_lmp.report.words import no_information, stage_words, troubles_words


def heat_map(page: Page) -> Mapping[str, Any] | None:
    """The headline metrics of several systems at one glance."""
    return None if page.single is not None else {"drawn": page.figures_of("map")}


def figures(page: Page) -> Mapping[str, Any] | None:
    """The figures over several systems."""
    drawn = page.figures_of("figures")
    return {"drawn": drawn} if drawn else None


def troubles(page: Page) -> Mapping[str, Any] | None:
    """What went wrong on each system; models with one state and reason share a line."""
    if page.single is not None:
        return None  # the summary of the system says so
    found: dict[tuple[str, str, str], list[str]] = {}
    for system, result in page.results:
        if result.troubles:
            place = (system.label, result.state, troubles_words(result.troubles))
            found.setdefault(place, []).append(result.model.name)
    return {
        "troubles": [
            {"label": label, "models": ", ".join(models), "state": state, "reason": reason}
            for (label, state, reason), models in found.items()
        ]
    }


def limits(page: Page) -> Mapping[str, Any]:
    """What the numbers cannot say: of the benchmark, then of each system."""
    return {
        "system": page.single,
        "remarks": page.results.remarks,
        "no_information": no_information(page.results) if not page.verdicts else "",
        "systems": [(one.label, one.settings["remarks"]) for one in page.systems],
    }


def provenance(page: Page) -> Mapping[str, Any]:
    """Hardware, versions, hashes, stages and configuration."""
    system = page.single
    if system is not None:
        models = [(title_of(one), one.card, one.training) for one in system.models]
        stages = [(s.name, stage_words(s), number(s.seconds), s.key) for s in system.stages]
        return {"system": system, "machine": system.machine, "models": models, "stages": stages}
    machines: dict[str, dict[str, None]] = {"written": {page.written: None}}
    for one in page.systems:
        for name, value in one.machine.items():
            if name != "written":
                machines.setdefault(name, {})[value] = None
    machine = {name: "; ".join(values) for name, values in machines.items()}
    return {"system": None, "machine": machine, "models": [], "stages": []}
