"""Tables of scores: one row a metric, models side by side, footnotes instead of repeated text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from string import ascii_lowercase

from egraff_lmp.report.numbers import DASH, number
from egraff_lmp.report.plots import colour_of
from egraff_lmp.report.record import MOTION, STRUCTURE, VIOLATION, ModelReport, Score


@dataclass(frozen=True)
class Cell:
    """One value with its context, as text."""

    value: str = DASH
    interval: str = DASH
    baseline: str = DASH
    sample: str = DASH
    marks: str = ""


@dataclass(frozen=True)
class Row:
    """One metric of one subject: a cell for each model."""

    metric: str
    subject: str
    unit: str
    cells: list[Cell]


@dataclass
class ScoreTable:
    """A table ready for the template.

    Attributes:
        baseline: title of the column with reference against reference.
        models: (name, colour) of each group of columns.
        rows: see `Row`.
        notes: (mark, text) of the footnotes.
    """

    baseline: str
    models: list[tuple[str, str]]
    rows: list[Row] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)

    def mark(self, text: str) -> str:
        """The mark of a footnote, a new one for a text that is not among them."""
        if not text:
            return ""
        for mark, known in self.notes:
            if known == text:
                return mark
        k = len(self.notes)
        mark = ascii_lowercase[k % 26] * (1 + k // 26)
        self.notes.append((mark, text))
        return mark


def structure_table(models: Sequence[ModelReport]) -> ScoreTable | None:
    """WF, JSD, MAE of g(r) or h(r), free energies in `egraff` form; None without any."""
    return _table(models, lambda s: s.mode == "egraff" and s.kind == STRUCTURE, "floor")


def violation_table(models: Sequence[ModelReport]) -> ScoreTable | None:
    """EV and FV in `egraff` form; None without any."""
    return _table(models, lambda s: s.mode == "egraff" and s.kind == VIOLATION, "unrelated")


def motion_table(models: Sequence[ModelReport]) -> ScoreTable | None:
    """RMSD, divergence time, diffusivity and stability in `egraff` form; None without any."""
    return _table(models, lambda s: s.mode == "egraff" and s.kind == MOTION, "ref. vs ref.")


def paper_table(models: Sequence[ModelReport]) -> ScoreTable | None:
    """Everything in the forms of the paper; None without any."""
    return _table(models, lambda s: s.mode == "paper", "ref. vs ref.")


def _table(
    models: Sequence[ModelReport], wanted: Callable[[Score], bool], baseline: str
) -> ScoreTable | None:
    shown = [
        (model, colour_of(k), [s for s in model.scores if wanted(s)])
        for k, model in enumerate(models)
    ]
    shown = [item for item in shown if item[2]]
    if not shown:
        return None
    table = ScoreTable(baseline, [(m.architecture, colour) for m, colour, _ in shown])
    keys = dict.fromkeys((s.metric, s.subject, s.unit) for _, _, scores in shown for s in scores)
    for key in keys:
        cells = []
        for _, _, scores in shown:
            found = [s for s in scores if (s.metric, s.subject, s.unit) == key]
            cells.append(_cell(table, found[0]) if found else Cell())
        table.rows.append(Row(*key, cells))
    return table


def _cell(table: ScoreTable, score: Score) -> Cell:
    marks = [table.mark(text) for text in (score.window, score.note)]
    interval = DASH
    if score.interval is not None:
        interval = "\u202f–\u202f".join(number(v) for v in score.interval)
    sample = number(score.frames)
    if score.starts is not None:
        sample += f" / {number(score.starts)}"
    return Cell(
        value=number(score.value),
        interval=interval,
        baseline=number(score.floor),
        sample=sample,
        marks=",\u2009".join(filter(None, marks)),
    )
