"""The figures of a report: matplotlib without a display, as SVG text embedded in the page.

Each function takes records and returns a `data:` address for an `<img>`. Text is drawn as paths,
so a figure looks the same on every machine and needs no font.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from egraff_lmp.report.record import Curve, ModelReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1b1f24"
REFERENCE_COLOUR = "#1b1f24"
# Okabe and Ito's palette: told apart with every common colour vision deficiency, and in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
# Two uncorrelated vectors of equal norm: |a - b| / (|a| + |b|) = sqrt(2) / 2.
UNCORRELATED = 2**-0.5

STYLE: Any = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.edgecolor": "#57606a",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 10,
    "grid.color": "#e4e7eb",
    "grid.linewidth": 0.7,
    "xtick.color": "#57606a",
    "ytick.color": "#57606a",
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "font.family": "DejaVu Sans",
    "svg.fonttype": "path",
    "svg.hashsalt": "egraff_lmp",  # the same numbers give the same bytes
}


def colour_of(index: int) -> str:
    """Colour of the model number `index`, the same in every figure."""
    return COLOURS[index % len(COLOURS)]


def rdf_figure(reference: Mapping[str, Curve], models: Sequence[ModelReport]) -> str | None:
    """g(r) of the reference and of every model, one panel per pair; None without any curve."""
    pairs = [p for p in reference if len(reference[p].x)]
    pairs += [p for m in models for p in m.rdf if p not in pairs]
    pairs = list(dict.fromkeys(pairs))
    if not pairs:
        return None
    with _figure(len(pairs)) as (figure, axes):
        for axis, pair in zip(axes, pairs, strict=False):
            if pair in reference:
                curve = reference[pair]
                axis.fill_between(curve.x, curve.y, color="#d0d7de", alpha=0.55, linewidth=0)
                axis.plot(
                    curve.x, curve.y, color=REFERENCE_COLOUR, lw=2.6, alpha=0.45, label="reference"
                )
            for index, model in enumerate(models):
                if pair in model.rdf:
                    _draw(axis, model.rdf[pair], colour_of(index), model.architecture)
            axis.set_title(pair)
            axis.set_xlabel("r (Å)")
            axis.set_ylabel("g(r)")
            axis.set_ylim(bottom=0)
            axis.axhline(1, color="#8c959f", lw=0.7, ls=":")
        return _finish(figure, axes)


def violation_figure(models: Sequence[ModelReport]) -> str | None:
    """EV(t) and FV(t) of every comparison, one row per comparison; None without any curve."""
    names = dict.fromkeys(
        name for m in models for name in (*m.energy_violation, *m.force_violation)
    )
    if not names:
        return None
    with _figure(2 * len(names)) as (figure, axes):
        for row, name in enumerate(names):
            _violation_panel(axes[2 * row], models, name, "energy")
            _violation_panel(axes[2 * row + 1], models, name, "force")
        return _finish(figure, axes)


def _violation_panel(axis: Axes, models: Sequence[ModelReport], name: str, kind: str) -> None:
    for index, model in enumerate(models):
        curves = model.energy_violation if kind == "energy" else model.force_violation
        if name in curves:
            _draw(axis, curves[name], colour_of(index), model.architecture)
    axis.set_title(f"{'EV' if kind == 'energy' else 'FV'}(t), {name}")
    axis.set_xlabel("t (fs)")
    axis.set_ylabel("energy violation" if kind == "energy" else "force violation")
    # Logarithmic: models differ by factors, and a good one must be seen below the dashed line.
    if kind == "force":
        axis.axhline(UNCORRELATED, color=INK, lw=1, ls="--", label="0.7071: uncorrelated forces")
    if _positive(axis):
        plain_log(axis)
    if kind == "force":
        axis.set_ylim(bottom=min(0.2, axis.get_ylim()[0]), top=1.0)


def learning_figure(models: Sequence[ModelReport]) -> str | None:
    """Errors over epochs, training dashed and validation solid; None without any curve."""
    if not any(m.energy_learning or m.force_learning for m in models):
        return None
    from matplotlib.ticker import MaxNLocator

    with _figure(2) as (figure, axes):
        for index, model in enumerate(models):
            for axis, curves in zip(
                axes, (model.energy_learning, model.force_learning), strict=False
            ):
                for curve in curves:
                    style = "--" if curve.label.startswith("train") else "-"
                    label = ", ".join(filter(None, (model.architecture, curve.label)))
                    _draw(axis, curve, colour_of(index), label, style)
        for axis, unit in zip(axes, ("energy MAE (meV/atom)", "force MAE (meV/Å)"), strict=False):
            axis.set_xlabel("epoch")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            axis.set_ylabel(unit)
            axis.set_title(unit.split(" (")[0])
            if _positive(axis):
                plain_log(axis)
        return _finish(figure, axes)


def temperature_figure(models: Sequence[ModelReport], target_kelvin: float) -> str | None:
    """Temperature of every rollout, one panel per model; None without any curve."""
    shown = [(i, m) for i, m in enumerate(models) if m.temperature]
    if not shown:
        return None
    with _figure(len(shown)) as (figure, axes):
        for axis, (index, model) in zip(axes, shown, strict=False):
            for number, curve in enumerate(model.temperature):
                alpha = max(0.35, 1.0 - 0.25 * number)
                axis.plot(
                    curve.x, curve.y, color=colour_of(index), alpha=alpha, lw=1.1, label=curve.label
                )
            axis.axhline(target_kelvin, color=INK, lw=1, ls="--", label="thermostat")
            axis.set_title(model.architecture)
            axis.set_xlabel("t (fs)")
            axis.set_ylabel("temperature (K)")
            low, high = axis.get_ylim()
            axis.set_ylim(low, high + 0.32 * (high - low))  # room for the legend
        return _finish(figure, axes, own_legends=True)


def _draw(axis: Axes, curve: Curve, colour: str, label: str, style: str = "-") -> None:
    marker = "o" if len(curve.x) == 1 else ""
    axis.plot(curve.x, curve.y, color=colour, ls=style, label=label, marker=marker)
    if len(curve.low):
        axis.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0)


def _positive(axis: Axes) -> bool:
    values = [np.asarray(line.get_ydata(), dtype=float) for line in axis.get_lines()]
    return bool(values) and all(np.any(v > 0) for v in values)


def plain_log(axis: Axes, which: str = "y") -> None:
    """A logarithmic axis that reads 5, 10, 20, 50 where it spans little, else powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    if which == "y":
        axis.set_yscale("log")
    else:
        axis.set_xscale("log")
    ruler = axis.yaxis if which == "y" else axis.xaxis
    low, high = ruler.get_view_interval()
    if high / low > 1e3:
        return
    ruler.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0), numticks=20))
    ruler.set_minor_locator(NullLocator())
    ruler.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


@contextmanager
def _figure(panels: int) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure of two columns (one where there is one panel), closed at the end."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    columns = 1 if panels == 1 else 2
    rows = -(-panels // columns)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.9 * columns, 3.0 * rows + 0.35), layout="constrained")
        FigureCanvasSVG(figure)
        axes = [figure.add_subplot(rows, columns, k + 1) for k in range(panels)]
        yield figure, axes


def _finish(figure: Figure, axes: list[Axes], own_legends: bool = False) -> str:
    """Legend above the panels (or in each), then the figure as a `data:` address."""
    if own_legends:
        for axis in axes:
            axis.legend(loc="upper center", ncols=4, handlelength=1.1, columnspacing=1.0)
    else:
        entries: dict[str, Any] = {}
        for axis in axes:
            handles, labels = axis.get_legend_handles_labels()
            entries.update(zip(labels, handles, strict=True))
        figure.legend(
            list(entries.values()), list(entries), loc="outside upper center", ncols=len(entries)
        )
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
