"""Every curve of the scores: the reference in grey, a line a model, a panel a part or a system.

Which curves make a figure, and how they are called, is in `curves.json`; numbers and units are
those of the records (`score.records.Curves`), so that a new curve needs one line there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from egraff_lmp.report.figures import base
from egraff_lmp.report.figures.base import Material, PageFigure, Row
from egraff_lmp.report.words import unit_of
from egraff_lmp.results.curves import line
from egraff_lmp.results.record import Curve, System
from egraff_lmp.score.records import REFERENCE, ROLLOUTS, TOTAL, Curves
from egraff_lmp.score.words import listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_PANELS = 12  # of one figure; its data have the other parts, too
# Atoms that fell onto each other have curves of many tens, beside which no other can be seen.
CUT = 2.5
TRACE = 2e-3  # of the highest point of a curve: less is no more than the width of a line


@dataclass(frozen=True)
class Kind:
    """Curves that make one figure.

    Attributes:
        figure: name of the figure, and of its words.
        symbols: names of curves to what is drawn, the first that there is being taken.
        over: what it is drawn over.
        parts: the symbol of pairs and elements, "" where it is that of the total.
        level: the value that says nothing, by the name of the curve.
        log: whether both axes are logarithmic.
        trim: whether the axis ends where all curves have become zero.
    """

    figure: str
    symbols: Mapping[str, str]
    over: str
    parts: str = ""
    level: Mapping[str, float] = field(default_factory=dict)
    log: bool = False
    trim: bool = False

    def of(self, system: System, model: str, side: str) -> Curves | None:
        """The curves of one side of a model's scoring."""
        result = system.result(model)
        scores = None if result is None else result.scores
        return None if scores is None else scores.drawn(side, *self.symbols)

    def reference(self, system: System) -> Curves | None:
        """Those of the reference, which are the same for all models of one benchmark."""
        found = (self.of(system, one.model.name, REFERENCE) for one in system.models)
        return next((one for one in found if one is not None), None)

    def rollouts(self, system: System) -> dict[str, Curves]:
        """Those of the rollouts of every model that has some."""
        found = {one.model.name: self.of(system, one.model.name, ROLLOUTS) for one in system.models}
        return {model: one for model, one in found.items() if one is not None}

    def labels(self, curves: Curves, part: str) -> tuple[str, str]:
        """Of both axes, with their units."""
        symbol = self.parts if self.parts and part != TOTAL else self.symbols[curves.name]
        pairs = ((self.over, curves.x_unit), (symbol, curves.y_unit))
        x, y = (f"{name} ({u})" if (u := unit_of(unit)) else name for name, unit in pairs)
        return x, y


_known: list[dict[str, Any]] = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
KINDS = tuple(Kind(**one) for one in _known)


def draw_parts(material: Material) -> Iterator[PageFigure]:
    """Of one system: a figure for each kind of curve, a panel for each part."""
    (system,) = material.results.systems
    for kind in KINDS:
        reference, rollouts = kind.reference(system), kind.rollouts(system)
        first = reference or next(iter(rollouts.values()), None)
        if first is None:
            continue
        parts = [part for part in first.y if first.y[part].any()] or list(first.y)
        shown = parts[:MAX_PANELS]
        columns = min(2 if len(shown) <= 4 else 3, len(shown))
        data: list[Row] = []
        with base.panels(len(shown), columns, 2.7 if columns < 3 else 2.2, top=0.5, left=0.8,
                         hspace=0.45) as (figure, axes):  # fmt: skip
            for axis, part in zip(axes, shown, strict=True):
                draw_panel(axis, material, kind, first, reference, rollouts, part)
                x, y = kind.labels(first, part)
                axis.set(title=part, xlabel=x, ylabel=y)
            for part in parts:
                data += rows(part, reference, rollouts)
            units = {"x": first.x_unit, "value": first.y_unit}
            yield base.finish(
                figure, kind.figure, data, material.legend, units=units,
                note=_note(material, system, rollouts, len(parts) - len(shown)),
            )  # fmt: skip


def draw_systems(material: Material) -> Iterator[PageFigure]:
    """Of several systems: the totals, a row a system, a column a kind of curve."""
    found = {
        system.name: system for system in material.results.systems
        if any(kind.rollouts(system) for kind in KINDS)
    }  # fmt: skip
    kinds = [kind for kind in KINDS if any(kind.rollouts(one) for one in found.values())]
    for ending, group in material.groups(list(found)):
        data: list[Row] = []
        with base.canvas(
            len(group), len(kinds), 1.75, left=0.75, top=0.58, hspace=0.62, wspace=0.38,
            width=min(12.0, max(5.0, 0.9 + 2.4 * len(kinds))),
        ) as (figure, axes):  # fmt: skip
            for line_of, name in zip(axes, group, strict=True):
                for axis, kind in zip(line_of, kinds, strict=True):
                    data += _total(axis, material, kind, found[name])
                line_of[0].set_title(material.labels[name], fontsize=8.5, pad=3)
            yield base.finish(figure, "curves", data, material.legend, ending)


def _total(axis: Axes, material: Material, kind: Kind, system: System) -> list[Row]:
    """One panel of a system; its rows say their units."""
    reference, rollouts = kind.reference(system), kind.rollouts(system)
    first = reference or next(iter(rollouts.values()), None)
    axis.tick_params(labelsize=7.5)
    if first is None or not rollouts:
        axis.set_xlabel(kind.over, fontsize=8)
        axis.set_ylabel(next(iter(kind.symbols.values())), fontsize=8)
        base.say(axis, "no result")
        return []
    draw_panel(axis, material, kind, first, reference, rollouts, TOTAL)
    x, y = kind.labels(first, TOTAL)
    axis.set_xlabel(x, fontsize=8)
    axis.set_ylabel(y, fontsize=8)
    head = (system.name, first.name, first.x_unit, first.y_unit)
    return [(*head, *row[1:]) for row in rows(TOTAL, reference, rollouts)]


def draw_panel(
    axis: Axes,
    material: Material,
    kind: Kind,
    first: Curves,
    reference: Curves | None,
    rollouts: Mapping[str, Curves],
    part: str,
) -> None:
    """The reference filled, or dashed where both axes are logarithmic, and a line a model."""
    truth = line(reference, part)
    if truth is not None and kind.log:
        axis.plot(truth.x, truth.y, color=base.INK, lw=1.6, ls="--", label="reference")
    elif truth is not None:
        axis.fill_between(truth.x, truth.y, color="#d0d7de", lw=0, label="reference")
    lines = {model: line(curves, part) for model, curves in rollouts.items()}
    if kind.log:
        base.draw_lines(axis, lines, material, log=True)
        base.plain_log(axis, "x")
        return
    if first.name in kind.level:
        axis.axhline(kind.level[first.name], color="#8c959f", lw=0.7, ls=":")
    low, high = _span(truth, [one for m, one in lines.items() if m not in material.controls])
    base.draw_lines(axis, lines, material, top=high)
    axis.set_ylim(low, high)
    if kind.trim:
        ends = [_end(one) for one in (truth, *lines.values()) if one is not None]
        axis.set_xlim(right=max(ends))


def rows(part: str, reference: Curves | None, rollouts: Mapping[str, Curves]) -> list[Row]:
    """Rows of a figure's data: part, whose, x and y."""
    sides = {"reference": reference, **rollouts}
    found = {whose: line(curves, part) for whose, curves in sides.items()}
    return [
        (part, whose, x, y)
        for whose, one in found.items()
        if one is not None
        for x, y in zip(one.x, one.y, strict=True)
    ]


def _end(curve: Curve) -> float:
    """Two points behind the last one that can be told from zero."""
    seen = [k for k, y in enumerate(curve.y) if y > TRACE * max(curve.y)]
    return curve.x[min(len(curve.x) - 1, max(seen, default=0) + 2)]


def _span(truth: Curve | None, ordinary: Sequence[Curve | None]) -> tuple[float, float | None]:
    """Of the ordinate: all of the reference, and of the models up to `CUT` times its height."""
    own = list(truth.y) if truth is not None else []
    theirs = [y for one in ordinary if one is not None for y in one.y]
    if not own and not theirs:
        return 0.0, None
    high = max(own + theirs)
    if own and max(own) > 0:
        high = min(high, CUT * max(own))
    return 1.05 * min([0.0, *own]), 1.05 * high or None


def _note(
    material: Material, system: System, rollouts: Mapping[str, Curves], more: int
) -> Sequence[str]:
    """Who has no such curve although it was scored, and how many parts are not drawn."""
    scored = [one.model.name for one in system.models if one.scores is not None]
    absent = [material.titles[model] for model in scored if model not in rollouts]
    notes = []
    if absent:
        notes.append(f"There is no such curve of {listed(tuple(absent))}.")
    if more:
        notes.append(f"The data hold {more} more parts than are drawn.")
    return notes
