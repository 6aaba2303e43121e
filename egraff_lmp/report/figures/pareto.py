"""Time of an atom and step against the composite of scores: which force field is worth its time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from egraff_lmp.report.figures import base
from egraff_lmp.report.figures.base import Material, PageFigure, Row
from egraff_lmp.results.decision import Composite, Decision, decisions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Above 1 a model is worse than one that knows nothing, and by how much says nothing.
TOP = 1.2
_COLUMNS = 4
_ROOM = 1.6  # factor between the outermost points and the frame, on the axis of times


def draw(material: Material) -> Iterator[PageFigure]:
    """A panel for each system with costs and composites; negative controls have none."""
    found = {
        one.cell: one for one in decisions(material.results) if any(map(_known, one.composites))
    }
    ordinary = {
        title: colour
        for (model, title), colour in zip(
            material.titles.items(), material.colours.values(), strict=True
        )
        if any(one.model == model for of in found.values() for one in of.composites)
    }
    for ending, group in material.groups(list(found)):
        data: list[Row] = []
        columns = min(_COLUMNS, len(group))
        with base.panels(
            len(group), columns, 2.9 if len(group) == 1 else 2.3, top=0.5, bottom=0.5, hspace=0.42,
            wspace=0.28, width=7.0 if columns == 1 else base.WIDTH_INCHES,
        ) as (figure, axes):  # fmt: skip
            for k, (axis, cell) in enumerate(zip(axes, group, strict=True)):
                data += _panel(axis, material, found[cell])
                axis.set_title(material.labels[cell], fontsize=9)
                if k % columns == 0:
                    axis.set_ylabel("composite (0: perfect)", fontsize=8)
                if k + columns >= len(group):
                    axis.set_xlabel("µs per atom and step", fontsize=8)
                axis.tick_params(labelsize=7.5)
            yield base.finish(figure, "pareto", data, ordinary, ending, top=TOP)


def _known(one: Composite) -> bool:
    cost = one.us_per_atom_step
    return one.value is not None and cost is not None and cost > 0


def _panel(axis: Axes, material: Material, decision: Decision) -> list[Row]:
    """Points with bars, the front, and the line of a model that knows nothing."""
    data: list[Row] = []
    places, spans = {}, []
    for one in filter(_known, decision.composites):
        x, y = float(one.us_per_atom_step or 0), float(one.value or 0)
        low, high = (min(end, TOP) for end in one.interval or (y, y))
        spans.append((low, high))
        places[one.model] = x, min(y, TOP)
        colour, beyond = material.colour(one.model), y > TOP
        axis.plot([x], [min(y, TOP)], marker=base.BEYOND if beyond else "o", ms=6, ls="",
                  color=colour, clip_on=False, zorder=3)  # fmt: skip
        if one.interval is not None:
            axis.plot([x, x], [low, high], color=colour, lw=1.4, zorder=2)
        on_front = int(one.model in decision.front)
        data.append((decision.cell, one.model, x, y, *(one.interval or ("", "")), on_front))
    front = [places[model] for model in decision.front]
    axis.plot(*zip(*front, strict=True), color=base.INK, lw=0.9, ls="--", zorder=1)
    times = [x for x, _ in places.values()]
    axis.set_xlim(min(times) / _ROOM, max(times) * _ROOM)
    base.plain_log(axis, "x")
    highest = max(top for _, top in spans)
    axis.set_ylim(0, min(1.08 * highest, TOP) if highest > 0 else 1.0)
    if axis.get_ylim()[1] > 1:
        axis.axhline(1, color="#8c959f", lw=0.7, ls=":")
    return data
