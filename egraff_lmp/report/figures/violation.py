"""Energy and force violation: geometric means as bars (Fig. 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from egraff_lmp.report.figures import base
from egraff_lmp.report.figures.base import VIOLATIONS, Material, PageFigure, Row, Values
from egraff_lmp.score.records import RERUN_REFERENCE, TRAJECTORY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANELS = [(key, comparison) for comparison in (TRAJECTORY, RERUN_REFERENCE) for key in VIOLATIONS]


def draw(material: Material) -> Iterator[PageFigure]:
    """A row a comparison, EV left and FV right, a group of bars a cell."""
    found = {panel: material.values(*panel) for panel in _PANELS}
    known = {cell for values in found.values() for cell, _ in values}
    cells = [cell for cell in material.labels if cell in known]
    for ending, group in material.groups(cells):
        data: list[Row] = []
        with base.panels(
            4, 2, 2.3, bottom=0.85, top=0.55, hspace=0.16, wspace=0.17, left=0.75, sharex=True
        ) as (figure, axes):
            for axis, panel in zip(axes, _PANELS, strict=True):
                data += _bars(axis, material, group, panel, found[panel])
            yield base.finish(figure, "fig4-violation", data, material.colours, ending)


def _bars(
    axis: Axes, material: Material, cells: Sequence[str], panel: tuple[str, str], found: Values
) -> list[Row]:
    data: list[Row] = []
    width = 0.8 / len(material.models)
    lowest = 1.0
    for (place, model), (number, cell) in product(enumerate(material.models), enumerate(cells)):
        if (cell, model) not in found:
            continue
        value, interval = found[cell, model]
        low, high = interval or (value, value)
        data.append((cell, model, *panel, value, *(interval or ("", ""))))
        error = [[max(0.0, value - low)], [max(0.0, high - value)]]
        axis.bar(number - 0.4 + (place + 0.5) * width, value, width * 0.92, yerr=error,
                 color=material.colour(model), ecolor=base.INK, error_kw={"lw": 0.8})  # fmt: skip
        if model not in material.controls:
            lowest = min([lowest, *(v for v in (value, low) if v > 0)])
    key, comparison = panel
    axis.set_title(f"{VIOLATIONS[key]}, {comparison}", fontsize=9)
    if not data:
        base.say(axis, "no such comparison here")
    if key == "ev":
        axis.set(yscale="log", ylim=(10 ** np.floor(np.log10(0.99 * lowest)), 2.0))
    else:
        axis.set_ylim(0.0, 1.0)
        base.draw_unrelated(axis)
    axis.set_xticks(range(len(cells)), [material.labels[c] for c in cells], rotation=30,
                    ha="right", fontsize=8)  # fmt: skip
    axis.grid(axis="x", visible=False)
    return data
