"""Curves over time, a panel a cell with every model, or a panel a model with every cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from egraff_lmp.report.figures import base
from egraff_lmp.report.figures.base import Material, PageFigure
from egraff_lmp.results.record import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curves = dict[str, dict[str, Curve]]  # of a system, then of a model


def draw_curves(
    material: Material,
    key: str,
    name: str,
    title: str,
    caption: str,
    ordinate: str,
    *,
    unit: str = "1",
    log: bool = False,
    line: float | None = None,
) -> Iterator[PageFigure]:
    """A panel a cell, a line a model, over time in fs.

    Args:
        material: what there is.
        key: as of `Material.curve`.
        name, title, caption: of the figure.
        ordinate: its label.
        unit: of the values, for the data.
        log: a logarithmic ordinate.
        line: a dashed horizontal line, or None.
    """
    found = _curves(material, key)
    groups = material.groups(list(found))
    for place, group in enumerate(groups, 1):
        columns = min(len(group), 4)
        rows = -(-len(group) // columns)
        data = []
        with base.canvas(rows, columns, 2.15, top=0.58, hspace=0.42, wspace=0.24, left=0.75,
                    width=max(5.0, 1.2 + 2.5 * columns)) as (figure, axes):  # fmt: skip
            for axis, cell in zip(axes.flat, group, strict=False):
                base.draw_lines(
                    axis, found[cell], material, log=log, top=None if line is None else 1.0
                )
                for model, curve in found[cell].items():
                    data += base.curve_rows(curve, cell, model)
                _dress(axis, material.labels[cell], line)
            base.hide_rest(axes.flat, len(group))
            _label(axes, len(group), columns, ordinate)
            base.legend(figure, material, [base.dashed(base.FV_TITLE)] if line is not None else [])
            yield base.finish(
                figure, base.numbered(name, place, len(groups)), title, caption, _csv(unit, data)
            )


def draw_by_model(
    material: Material, key: str, name: str, title: str, caption: str, ordinate: str, unit: str
) -> Iterator[PageFigure]:
    """A panel a model, a line a cell, over time in fs; arguments as for `draw_curves`."""
    import matplotlib  # optional

    found = _curves(material, key)
    cells = list(found)
    models = [m for m in material.models if any(m in curves for curves in found.values())]
    if not cells:
        return
    shades = matplotlib.colormaps["turbo"]
    colours = {c: shades(0.05 + 0.9 * k / max(1, len(cells) - 1)) for k, c in enumerate(cells)}
    columns = min(len(models), 3)
    rows = -(-len(models) // columns)
    data = []
    lines = -(-len(cells) // 5)
    with base.canvas(rows, columns, 2.6, top=0.45 + 0.19 * lines, hspace=0.32, wspace=0.2,
                left=0.75,
                width=max(6.5, 1.2 + 3.2 * columns), sharey=True) as (figure, axes):  # fmt: skip
        ordinary = [max(found[c][m].y) for c in cells for m in found[c]
                    if m not in material.controls]  # fmt: skip
        top = 1.05 * max(ordinary, default=0.0)
        for axis, model in zip(axes.flat, models, strict=False):
            for cell in (c for c in cells if model in found[c]):
                curve = found[cell][model]
                marker = "o" if len(curve.x) == 1 else ""
                axis.plot(curve.x, curve.y, color=colours[cell], lw=1.3, marker=marker)
                over = [x for x, y in zip(curve.x, curve.y, strict=True) if y > top > 0]
                if over:  # a negative control that leaves the scale of the others
                    axis.plot(
                        over[:1], [top], marker=base.BEYOND, color=colours[cell], clip_on=False
                    )
                data += base.curve_rows(curve, cell, model)
            _dress(axis, f"{model} †" if model in material.controls else model, None)
        if top > 0:
            axes[0, 0].set_ylim(top=top)
        base.hide_rest(axes.flat, len(models))
        _label(axes, len(models), columns, ordinate)
        from matplotlib.lines import Line2D  # optional

        handles = [Line2D([], [], color=colours[c], lw=2, label=material.labels[c]) for c in cells]
        figure.legend(handles=handles, loc="upper center", ncols=min(5, len(cells)), fontsize=7.5,
                      handlelength=1.2, columnspacing=1.2, borderaxespad=0.15)  # fmt: skip
        yield base.finish(figure, name, title, caption, _csv(unit, data))


def _curves(material: Material, key: str) -> Curves:
    found = {
        cell: {m: curve for m in material.models if (curve := material.curve(cell, m, key))}
        for cell in material.labels
    }
    return {cell: curves for cell, curves in found.items() if curves}


def _dress(axis: Axes, title: str, line: float | None) -> None:
    axis.set_title(title, fontsize=9)
    axis.tick_params(labelsize=8)
    if line is not None:
        axis.axhline(line, color=base.INK, ls="--", lw=1)
        low, high = axis.get_ylim()
        axis.set_ylim(min(low, 0.55 * line), max(high, 1.0))


def _label(axes: object, used: int, columns: int, ordinate: str) -> None:
    for place, axis in enumerate(axes.flat):  # type: ignore[attr-defined]
        if place % columns == 0:
            axis.set_ylabel(ordinate, fontsize=9)
        if place + columns >= used:
            axis.set_xlabel("t (fs)", fontsize=9)


def _csv(unit: str, data: list[tuple[object, ...]]) -> str:
    units = {"cell": "", "model": "", "t": "fs", "value": unit, "low": unit, "high": unit}
    return base.table(units, data)
