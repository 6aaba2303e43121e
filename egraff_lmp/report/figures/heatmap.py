"""All headline metrics at one glance: a panel each, a tile for each model and system."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.report.figures import base
from egraff_lmp.report.figures.base import Material, PageFigure
from egraff_lmp.report.numbers import number
from egraff_lmp.report.words import UNITS
from egraff_lmp.score.table import METRICS

# Dark tiles take white text: luminance below this, of the colour map's 0 to 1.
_DARK = 0.55
_UNITS = {"cell": "", "model": "", "key": "", "value": "as in scores.csv"}


def draw(material: Material) -> Iterator[PageFigure]:
    """The figure, none without any value.

    Colours are on a logarithmic scale from the smallest to the largest value of the ordinary
    models; a tile without a result is hatched.
    """
    panels, data = [], []
    for metric in METRICS.values():
        if metric.better != "lower" or not metric.headline:
            continue
        values = np.full((len(material.labels), len(material.models)), np.nan)
        for i, system in enumerate(material.labels):
            for j, model in enumerate(material.models):
                found = material.value(system, model, metric.key, metric.headline[0])
                if found is not None:
                    values[i, j] = found[0]
                    data.append((system, model, metric.key, found[0]))
        if np.isfinite(values).any():
            unit = UNITS.get(metric.unit, metric.unit)
            panels.append((f"{metric.label} ({unit})" if unit else metric.label, values))
    if not panels:
        return
    import matplotlib  # optional
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows, columns = list(material.labels.values()), _columns(material)
    ordinary = np.array([model not in material.controls for model in material.models])
    across = min(2, len(panels))
    down = -(-len(panels) // across)
    labels = 0.085 * max(map(len, rows))
    width = across * (labels + 0.9 * len(columns) + 0.4)
    with matplotlib.rc_context({"font.family": "DejaVu Sans"}):
        figure = Figure(
            figsize=(max(5.0, width), down * (0.36 * len(rows) + 1.0)), dpi=120,
            layout="constrained",
        )  # fmt: skip
        FigureCanvasAgg(figure)
        for place, (title, values) in enumerate(panels, 1):
            _panel(figure.add_subplot(down, across, place), title, rows, columns, values, ordinary)
        yield base.finish(
            figure, "map", "All at one glance",
            "Colours are on a logarithmic scale over the ordinary models within each panel, light "
            "is small. Hatched: no result. ▲: a negative control (†) beyond that scale. For all of "
            "them, small is good.",
            base.table(_UNITS, data), "map",
        )  # fmt: skip


def _columns(material: Material) -> list[str]:
    return [f"{model} †" if model in material.controls else model for model in material.models]


def _panel(
    axis: Any, title: str, rows: Sequence[str], columns: Sequence[str],
    values: NDArray[np.float64], ordinary: NDArray[np.bool_],
) -> None:  # fmt: skip
    import matplotlib  # optional

    colours = matplotlib.colormaps["viridis_r"]
    shades, largest = _shades(values, ordinary)
    axis.set_facecolor("#eef0f2")
    axis.patch.set_hatch("////")
    axis.patch.set_edgecolor("#b8bec5")
    axis.imshow(np.ma.masked_invalid(shades), cmap=colours, vmin=0, vmax=1, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            red, green, blue, _ = colours(float(shades[i, j]))
            ink = "white" if 0.3 * red + 0.59 * green + 0.11 * blue < _DARK else "#1b1f24"
            text = number(float(value)) + (" ▲" if value > largest else "")
            axis.text(j, i, text, ha="center", va="center", color=ink, fontsize=8)
    axis.set_title(title, fontsize=10, loc="left", fontweight="bold")
    axis.set_xticks(range(len(columns)), columns, fontsize=8)
    axis.set_yticks(range(len(rows)), rows, fontsize=8)
    axis.set_xticks(np.arange(len(columns) - 1) + 0.5, minor=True)
    axis.set_yticks(np.arange(len(rows) - 1) + 0.5, minor=True)
    axis.grid(which="minor", color="white", lw=1.5)
    axis.tick_params(which="both", length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)


def _shades(
    values: NDArray[np.float64], ordinary: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], float]:
    """Values mapped to 0 (smallest) to 1 (largest of the ordinary columns), and that largest.

    The scale is logarithmic; zeros are smallest, what is beyond is 1.
    """
    ruler = values[:, ordinary] if np.isfinite(values[:, ordinary]).any() else values
    positive = ruler[np.isfinite(ruler) & (ruler > 0)]
    if not positive.size:
        return np.where(np.isfinite(values), 0.0, np.nan), float("inf")
    low, high = float(positive.min()), float(positive.max())
    span = np.log(high / low) or 1.0
    logs = np.log(np.maximum(values, low) / low) / span
    return np.where(np.isfinite(values), np.clip(logs, 0, 1), np.nan), high
