"""What every section of a page is given."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from egraff_lmp.report.figures.base import PageFigure, colours_of
from egraff_lmp.results.controls import ControlVerdict, verdicts
from egraff_lmp.results.decision import Decision, decisions
from egraff_lmp.results.ladder import RungVerdict, rung_verdicts
from egraff_lmp.results.record import Model, Results, System


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        results: what it shows.
        figures: already drawn.
        folder: where the page will lie; None knows no links to other files.
        files: address of the folder with the figures' files, "" where there are none.
        tables: address of the folder of scores.csv and scores.json with its slash, "" beside it.
        written: when, for a reader.
    """

    results: Results
    figures: Sequence[PageFigure] = ()
    folder: Path | None = None
    files: str = ""
    tables: str = ""
    written: str = field(
        default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="seconds")
    )

    @property
    def single(self) -> System | None:
        """The one system of the page, None where there are several."""
        systems = self.results.systems
        return systems[0] if len(systems) == 1 else None

    @cached_property
    def verdicts(self) -> tuple[ControlVerdict, ...]:
        """On the scores of the negative controls."""
        return verdicts(self.results)

    @cached_property
    def decisions(self) -> tuple[Decision, ...]:
        """Which force field, on each system with results."""
        return decisions(self.results)

    @cached_property
    def rungs(self) -> tuple[RungVerdict, ...]:
        """On the scores of the controls that are made of a model."""
        return rung_verdicts(self.results)

    def colour(self, model: Model) -> str:
        """Of a model, as in the figures."""
        return colours_of(self.results)[model.name]

    def figures_of(self, section: str) -> list[PageFigure]:
        """The figures that stand in a section."""
        return [figure for figure in self.figures if figure.section == section]

    def link(self, system: System) -> str | None:
        """Address of a system's own page, None where there is none."""
        if system.page is None or self.folder is None:
            return None
        return quote(Path(os.path.relpath(system.page, self.folder)).as_posix())


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        name: of its template in `sections/`.
        title: in the navigation, "" where it does not stand there.
        context: what its template is filled with, beside the page; None where it has nothing to
            show.
        single: whether it is for pages of one system, or else of several; None is for both.
    """

    name: str
    title: str
    context: Callable[[Page], Mapping[str, Any] | None] = lambda page: {}
    single: bool | None = None
