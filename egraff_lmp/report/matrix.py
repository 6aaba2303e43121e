"""The summary page of a matrix: one table a headline score, a heat map, links to the cells' pages.

Self-contained: no network, figures embedded; a few lines of script sort the tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from egraff_lmp.fileio import write_text
from egraff_lmp.report.controls import no_information, section
from egraff_lmp.report.figures import Material, PageFigure, draw_all, write_files
from egraff_lmp.report.numbers import DASH, number
from egraff_lmp.report.papertable import fields_of, rebuilt, untouched
from egraff_lmp.report.printed import SOURCE, PaperRow
from egraff_lmp.report.templates import check_installed, fill
from egraff_lmp.report.traces import Traces
from egraff_lmp.report.value import DONE, FAILED, CellSummary, Value

_TEMPLATE = "matrix.html.j2"
_UNITS = {"1": "", "meV/A": "meV/Å"}


@dataclass(frozen=True)
class Headline:
    """A score that the summary shows.

    Attributes:
        key, comparison, mode, pair: which value it is.
        title: of its table.
        says: what it means, for the caption.
        best: "low", "high" or "" (no better or worse).
        floor: name of the floor, "" where there is none.
    """

    key: str
    comparison: str
    mode: str
    pair: str
    title: str
    says: str
    best: str = "low"
    floor: str = ""


_FLOOR = "floor"
_UNRELATED = "unrelated"
HEADLINES = (
    Headline(
        "wf", "structure", "egraff", "total", "Wright's factor of g(r)",
        "Difference of the total g(r) (h(r) for molecules) from the reference; below 9 % counts as "
        "agreement. Floor: first half of the held-out frames against the second half.",
        floor=_FLOOR,
    ),
    Headline(
        "jsd", "structure", "egraff", "total", "JSD of pair distances",
        "Jensen-Shannon divergence, base 2, of the distributions of pair distances: 0 is equal, 1 "
        "has nothing in common. Floor: first half of the held-out frames against the second half.",
        floor=_FLOOR,
    ),
    Headline(
        "ev", "rerun-reference", "egraff", "", "Energy violation on reference frames",
        "The model evaluated on held-out frames. Unrelated: the same formula between unrelated "
        "frames of the reference, which a model that knows nothing would give; 0 is exact.",
        floor=_UNRELATED,
    ),
    Headline(
        "fv", "rerun-reference", "egraff", "", "Force violation on reference frames",
        "The model evaluated on held-out frames; 0 is exact, 0.7071 is no relation at all. "
        "Unrelated: the same formula between unrelated frames of the reference.",
        floor=_UNRELATED,
    ),
    Headline(
        "force_mae", "accuracy", "", "", "Force error (MAE)",
        "Mean absolute error of a force component on held-out frames.",
    ),
    Headline(
        "ms_per_step", "cost", "", "", "Time of a step",
        "Wall time of the MD loop, dumps included, on a machine that may have had other work; "
        "systems differ in their number of atoms.",
    ),
    Headline(
        "finished_starts", "rollouts", "", "", "Stability: rollouts that reached their end",
        "Of all starts; the others lost atoms, became infinite or left the bounds of temperature.",
        best="high",
    ),
)  # fmt: skip
# What the heat map shows: one panel each, with a title that fits above few columns.
_PICTURED = {"wf": "WF", "fv": "FV (rerun)", "force_mae": "force MAE", "ms_per_step": "time"}


@dataclass(frozen=True)
class MatrixPage:
    """What the page shows.

    Attributes:
        title: of the page.
        models: names, in the order of the columns.
        labels: name of a cell to the title of its row, in the order of the rows.
        cells: one summary for each cell and model.
        limits: sentences on what the numbers cannot say.
        remarks: name of a cell to sentences on its data.
        config: the matrix as YAML.
        seed: of everything random, or several as text.
        forcefields: name of a model to its force field.
        paper: name of a cell to the rows of the paper's tables that it stands for.
        traces: curves of cells and models for the figures.
        tables: address of the folder of scores.csv and scores.json, "" beside the page.
        files: address of the folder with the figures' files.
    """

    title: str
    models: Sequence[str]
    labels: Mapping[str, str]
    cells: Sequence[CellSummary]
    limits: Sequence[str] = ()
    remarks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    config: str = ""
    seed: int | str = 0
    forcefields: Mapping[str, str] = field(default_factory=dict)
    paper: Mapping[str, Sequence[PaperRow]] = field(default_factory=dict)
    traces: Sequence[Traces] = ()
    tables: str = ""
    files: str = ""

    def of(self, cell: str, model: str) -> CellSummary | None:
        """The summary of one model in one cell, None where it does not run there."""
        return next((c for c in self.cells if (c.cell, c.model) == (cell, model)), None)

    def control_of(self, model: str) -> str | None:
        """How a model was broken on purpose, None for an ordinary one."""
        return next((c.control for c in self.cells if c.model == model), None)

    def page_of(self, cell: str) -> str | None:
        """Address of a cell's own page, None where there is none yet."""
        return next((c.page for c in self.cells if c.cell == cell and c.page), None)


def write_page(page: MatrixPage, path: str | Path, figures: bool = True) -> Path:
    """Write the page atomically, with its figures' files in STEM-files beside it.

    Args:
        page: what it shows.
        path: where it goes.
        figures: False leaves out the figures over all cells, which take seconds.
    """
    path = Path(path)
    check_installed()
    drawn: Sequence[PageFigure] = ()
    if figures:
        drawn = draw_all(_material(page))
        page = replace(page, files=f"{path.stem}-files")
        write_files(drawn, path.with_name(page.files))
    write_text(path, render_page(page, drawn))
    return path


def _material(page: MatrixPage) -> Material:
    return Material(
        labels=page.labels,
        models=page.models,
        summaries={(cell.cell, cell.model): cell for cell in page.cells},
        traces={(t.cell, t.model): t for t in page.traces},
    )


def render_page(page: MatrixPage, figures: Sequence[PageFigure] = ()) -> str:
    """The page as text, with figures that are already drawn.

    Raises:
        EgraffError: jinja2 or matplotlib is not installed.
    """
    check_installed()
    from egraff_lmp.report.heatmap import Panel, heat_map

    tables = [_table(page, headline) for headline in HEADLINES]
    panels = [
        Panel(_titled(_PICTURED[headline.key], table), table["values"])
        for headline, table in zip(HEADLINES, tables, strict=True)
        if headline.key in _PICTURED
    ]
    rows = [page.labels[cell] for cell in page.labels]
    broken = [model for model in page.models if page.control_of(model)]
    return fill(
        _TEMPLATE,
        page=page,
        what=_what(page),
        tables=tables,
        paper_tables=rebuilt(page.cells, page.paper, fields_of(page.forcefields, broken)),
        untouched=untouched(page.paper),
        source=SOURCE,
        figures=figures,
        controls=section(page.cells, page.labels),
        no_information=no_information(page.cells),
        troubles=_troubles(page),
        heat_map=heat_map(rows, page.models, panels),
        written=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        provenance=_provenance(),
    )


def _what(page: MatrixPage) -> str:
    done = sum(cell.state == DONE for cell in page.cells)
    failed = sum(cell.state == FAILED for cell in page.cells)
    waiting = len(page.cells) - done - failed
    controls = sum(bool(page.control_of(model)) for model in page.models)
    models = f"{len(page.models) - controls} force fields"
    models += f" and {controls} that are broken on purpose" if controls else ""
    text = (
        f"{models} on {len(page.labels)} pairs of system and temperature: "
        f"{done} of {len(page.cells)} cells have scores"
    )
    text += f", {failed} failed" if failed else ""
    text += f", {waiting} have not been run" if waiting else ""
    return text + "."


def _troubles(page: MatrixPage) -> list[dict[str, str]]:
    """What went wrong in each cell; models with one state and reason (not run yet) share a line."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for cell in page.cells:
        if cell.reason:
            found.setdefault((cell.cell, cell.state, cell.reason), []).append(cell.model)
    return [
        {"label": page.labels[cell], "models": ", ".join(models), "state": state, "reason": reason}
        for (cell, state, reason), models in found.items()
    ]


def _table(page: MatrixPage, headline: Headline) -> dict[str, Any]:
    """Rows of one headline score, ready for the template, and its values for the picture."""
    rows, values, unit = [], [], ""
    for cell, label in page.labels.items():
        entries, floor, numbers = [], None, []
        for model in page.models:
            summary = page.of(cell, model)
            value = None
            if summary is not None:
                value = summary.find(
                    headline.key, headline.comparison, headline.mode, headline.pair
                )
            if value is not None:
                unit = value.unit
                floor = value.floor if floor is None else floor
            entries.append({**_entry(summary, value), "control": page.control_of(model)})
            numbers.append(None if value is None else value.value)
        best = _best(
            [n for n, m in zip(numbers, page.models, strict=True) if not page.control_of(m)],
            headline,
        )
        for entry, this in zip(entries, numbers, strict=True):
            entry["best"] = best is not None and this == best and not entry["control"]
        values.append(numbers)
        rows.append({
            "label": label, "page": page.page_of(cell), "entries": entries,
            "floor": number(floor), "floor_sort": "" if floor is None else repr(floor),
        })  # fmt: skip
    return {
        "key": headline.key,
        "title": headline.title,
        "unit": _UNITS.get(unit, unit),
        "says": headline.says,
        "floor": headline.floor,
        "rows": rows,
        "values": values,
    }


def _best(numbers: Sequence[float | None], headline: Headline) -> float | None:
    """The best of a row; none where there is nothing to compare or all are equal."""
    known = [n for n in numbers if n is not None]
    if len(set(known)) < 2 or headline.best not in ("low", "high"):
        return None
    return min(known) if headline.best == "low" else max(known)


def _entry(summary: CellSummary | None, value: Value | None) -> dict[str, Any]:
    """One cell of a table: its text, what it is sorted by, and what to say on it."""
    entry = {"text": DASH, "aside": "", "sort": "", "state": "absent", "hint": ""}
    if summary is None:
        return {**entry, "hint": "not part of the matrix"}
    if value is None or value.value is None:
        state = summary.state if summary.state != DONE else "missing"
        return {
            **entry,
            "text": DASH if state == "missing" else state,
            "state": state,
            "hint": (value.note if value is not None else "") or summary.reason or "no result",
        }
    hints = [value.window, value.note, summary.reason]
    if value.n_frames:
        hints.insert(0, f"{value.n_frames} frames")
    finished = value.key == "finished_starts"
    return {
        "text": f"{value.value:.0f} of {value.n_starts}" if finished else number(value.value),
        "aside": "\u202f–\u202f".join(number(v) for v in value.interval or ()),
        "sort": repr(value.value),
        "state": "broken" if summary.reason else "ok",
        "hint": "; ".join(hint for hint in hints if hint),
    }


def _titled(name: str, table: Mapping[str, Any]) -> str:
    return f"{name} ({table['unit']})" if table["unit"] else name


def _provenance() -> list[tuple[str, str]]:
    from egraff_lmp.runs.machine import hardware, versions

    machine = hardware()
    found = versions()
    return [
        ("page written on", f"{machine['processor'] or machine['machine']}, "
                            f"{machine['cores']} cores, {machine['system']}"),
        ("versions", ", ".join(f"{name} {found[name]}" for name in sorted(found, key=str.lower))),
    ]  # fmt: skip
