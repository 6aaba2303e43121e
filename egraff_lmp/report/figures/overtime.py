"""Curves over time, a panel a cell with every model, or a panel a model with every cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from egraff_lmp.report.figures.base import (
    FV_TITLE,
    Material,
    PageFigure,
    canvas,
    finish,
    hide_rest,
    legend,
    numbered,
    table,
)
from egraff_lmp.report.plots import INK, plain_log
from egraff_lmp.report.record import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
        key: of `Traces.over_time`.
        name, title, caption: of the figure.
        ordinate: its label.
        unit: of the values, for the data.
        log: a logarithmic ordinate.
        line: a dashed horizontal line, or None.
    """
    cells = _cells(material, key)
    groups = material.groups(cells)
    for place, group in enumerate(groups, 1):
        columns = min(len(group), 4)
        rows = -(-len(group) // columns)
        data = []
        with canvas(rows, columns, 2.15, top=0.58, hspace=0.42, wspace=0.24, left=0.75,
                    width=max(5.0, 1.2 + 2.5 * columns)) as (figure, axes):  # fmt: skip
            for axis, cell in zip(axes.flat, group, strict=False):
                for model in material.models:
                    curve = _curve(material, cell, model, key)
                    if curve is not None:
                        _line(axis, curve, material.colour(model))
                        data += _rows(cell, model, curve)
                _dress(axis, material.labels[cell], log, line)
            hide_rest(axes.flat, len(group))
            _label(axes, len(group), columns, ordinate)
            extra = []
            if line is not None:
                from matplotlib.lines import Line2D

                extra = [Line2D([], [], color=INK, ls="--", lw=1, label=FV_TITLE)]
            legend(figure, material, extra)
            yield finish(
                figure, numbered(name, place, len(groups)), title, caption, _csv(unit, data)
            )


def draw_by_model(
    material: Material, key: str, name: str, title: str, caption: str, ordinate: str, unit: str
) -> Iterator[PageFigure]:
    """A panel a model, a line a cell, over time in fs; arguments as for `draw_curves`."""
    import matplotlib

    cells = _cells(material, key)
    models = [m for m in material.models if any(_curve(material, c, m, key) for c in cells)]
    if not cells:
        return
    shades = matplotlib.colormaps["turbo"]
    colours = {c: shades(0.05 + 0.9 * k / max(1, len(cells) - 1)) for k, c in enumerate(cells)}
    columns = min(len(models), 3)
    rows = -(-len(models) // columns)
    data = []
    lines = -(-len(cells) // 5)
    with canvas(rows, columns, 2.6, top=0.45 + 0.19 * lines, hspace=0.32, wspace=0.2, left=0.75,
                width=max(6.5, 1.2 + 3.2 * columns), sharey=True) as (figure, axes):  # fmt: skip
        for axis, model in zip(axes.flat, models, strict=False):
            for cell in cells:
                curve = _curve(material, cell, model, key)
                if curve is not None:
                    marker = "o" if len(curve.x) == 1 else ""
                    axis.plot(curve.x, curve.y, color=colours[cell], lw=1.3, marker=marker)
                    data += _rows(cell, model, curve)
            _dress(axis, model, False, None)
        hide_rest(axes.flat, len(models))
        _label(axes, len(models), columns, ordinate)
        from matplotlib.lines import Line2D

        handles = [Line2D([], [], color=colours[c], lw=2, label=material.labels[c]) for c in cells]
        figure.legend(handles=handles, loc="upper center", ncols=min(5, len(cells)), fontsize=7.5,
                      handlelength=1.2, columnspacing=1.2, borderaxespad=0.15)  # fmt: skip
        yield finish(figure, name, title, caption, _csv(unit, data))


def _cells(material: Material, key: str) -> list[str]:
    models = material.models
    return [c for c in material.labels if any(_curve(material, c, m, key) for m in models)]


def _curve(material: Material, cell: str, model: str, key: str) -> Curve | None:
    traces = material.traces.get((cell, model))
    curve = traces.over_time.get(key) if traces is not None else None
    return curve if curve is not None and len(curve.x) else None


def _line(axis: Axes, curve: Curve, colour: str) -> None:
    marker = "o" if len(curve.x) == 1 else ""
    axis.plot(curve.x, curve.y, color=colour, lw=1.3, marker=marker)
    if len(curve.low):
        axis.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.16, lw=0)


def _dress(axis: Axes, title: str, log: bool, line: float | None) -> None:
    axis.set_title(title, fontsize=9)
    axis.tick_params(labelsize=8)
    if line is not None:
        axis.axhline(line, color=INK, ls="--", lw=1)
        low, high = axis.get_ylim()
        axis.set_ylim(min(low, 0.55 * line), max(high, 1.0))
    if log:
        plain_log(axis)


def _label(axes: object, used: int, columns: int, ordinate: str) -> None:
    for place, axis in enumerate(axes.flat):  # type: ignore[attr-defined]
        if place % columns == 0:
            axis.set_ylabel(ordinate, fontsize=9)
        if place + columns >= used:
            axis.set_xlabel("t (fs)", fontsize=9)


def _rows(cell: str, model: str, curve: Curve) -> list[tuple[object, ...]]:
    band: list[tuple[object, object]] = list(zip(curve.low, curve.high, strict=True))
    band = band or [("", "")] * len(curve.x)
    return [(cell, model, x, y, *b) for x, y, b in zip(curve.x, curve.y, band, strict=True)]


def _csv(unit: str, data: list[tuple[object, ...]]) -> str:
    units = {"cell": "", "model": "", "t": "fs", "value": unit, "low": unit, "high": unit}
    return table(units, data)
