"""Curves over time or epochs, a panel a cell with every model, or a panel a model with every cell.

Energy and force violation (Fig. 5), RMSD and displacement by cell (Fig. 8) and model (Fig. 9).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from egraff_lmp.report.figures import base
from egraff_lmp.report.figures.base import Material, PageFigure, Row
from egraff_lmp.results.record import Curve
from egraff_lmp.score.violation import UNCORRELATED

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_violation(material: Material) -> Iterator[PageFigure]:
    """EV(t) in figures of their own and FV(t) in others."""
    yield from _by_cell(material, "ev", "fig5-ev", "EV")
    yield from _by_cell(material, "fv", "fig5-fv", "FV")


def draw_deviation(material: Material) -> Iterator[PageFigure]:
    """Both quantities by cell, then by model."""
    for key, ordinate in (("rmsd", "RMSD (Å)"), ("displacement", "displacement (Å)")):
        yield from _by_cell(material, key, f"fig8-{key}", ordinate)
        yield from _by_model(material, key, f"fig9-{key}", ordinate)


def draw_learning(material: Material) -> Iterator[PageFigure]:
    """Validation errors of forces over epochs, by cell."""
    found: dict[str, dict[str, Curve]] = {}
    for system, one in material.results:
        if one.training is not None and one.training.force is not None:
            found.setdefault(system.name, {})[one.model.name] = one.training.force
    axes = ("epoch", "force MAE (meV/Å)")
    yield from _panels(material, found, "learning-systems", axes, log=True)


def _by_cell(material: Material, key: str, name: str, ordinate: str) -> Iterator[PageFigure]:
    """A panel a cell, a line a model, over time in fs."""
    found = {c: curves for c in material.labels if (curves := material.curves(c, key))}
    labels = ("t (fs)", ordinate)
    yield from _panels(material, found, name, labels, log=key == "ev", unrelated=key == "fv")


def _panels(
    material: Material,
    found: Mapping[str, Mapping[str, Curve]],
    name: str,
    labels: tuple[str, str],
    log: bool = False,
    unrelated: bool = False,
) -> Iterator[PageFigure]:
    """A panel a cell, a line a model; `unrelated` draws the violation of unrelated forces."""
    for ending, cells in material.groups(list(found)):
        columns = min(len(cells), 4)
        data: list[Row] = []
        with base.panels(
            len(cells), columns, 2.15, top=0.58, hspace=0.42, wspace=0.24, left=0.75,
            width=max(5.0, 1.2 + 2.5 * columns),
        ) as (figure, axes):  # fmt: skip
            for axis, cell in zip(axes, cells, strict=True):
                data += base.draw_lines(
                    axis, found[cell], material, cell, log=log, top=1.0 if unrelated else None
                )
                if unrelated:
                    base.draw_unrelated(axis)
                    low, high = axis.get_ylim()
                    axis.set_ylim(min(low, 0.55 * UNCORRELATED), max(high, 1.0))
            _label(axes, [material.labels[cell] for cell in cells], columns, labels)
            yield base.finish(figure, name, data, material.legend, ending)


def _by_model(material: Material, key: str, name: str, ordinate: str) -> Iterator[PageFigure]:
    """A panel a model, a line a cell, over time in fs."""
    import matplotlib  # optional

    found = {c: curves for c in material.labels if (curves := material.curves(c, key))}
    if not found:
        return
    models = [m for m in material.models if any(m in curves for curves in found.values())]
    shades = matplotlib.colormaps["turbo"]
    colours = {c: shades(0.05 + 0.9 * k / max(1, len(found) - 1)) for k, c in enumerate(found)}
    columns = min(len(models), 3)
    data: list[Row] = []
    with base.panels(
        len(models), columns, 2.6, top=0.58, hspace=0.32, wspace=0.2, left=0.75, sharey=True,
        width=max(6.5, 1.2 + 3.2 * columns),
    ) as (figure, axes):  # fmt: skip
        # A negative control may leave the scale of the others.
        ordinary = [max(curve.y) for curves in found.values() for m, curve in curves.items()
                    if m not in material.controls]  # fmt: skip
        top = 1.05 * max(ordinary, default=0.0)
        for axis, model in zip(axes, models, strict=True):
            for cell in (c for c in found if model in found[c]):
                curve = found[cell][model]
                base.draw_line(axis, Curve(curve.x, curve.y), colours[cell], top or np.inf)
                data += base.curve_rows(curve, cell, model)
        axes[0].set_ylim(top=top or None)
        titles = [material.titles[model] for model in models]
        _label(axes, titles, columns, ("t (fs)", ordinate))
        legend = {material.labels[c]: colour for c, colour in colours.items()}
        yield base.finish(figure, name, data, legend)


def _label(
    axes: Sequence[Axes], titles: Sequence[str], columns: int, labels: tuple[str, str]
) -> None:
    for place, (axis, title) in enumerate(zip(axes, titles, strict=True)):
        axis.set_title(title, fontsize=9)
        axis.tick_params(labelsize=8)
        if place % columns == 0:
            axis.set_ylabel(labels[1], fontsize=9)
        if place + columns >= len(titles):
            axis.set_xlabel(labels[0], fontsize=9)
