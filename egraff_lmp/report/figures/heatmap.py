"""All headline metrics at one glance: a panel each, a tile for each model and system."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.report.figures import base
from egraff_lmp.report.figures.base import Material, PageFigure, Row
from egraff_lmp.report.numbers import number
from egraff_lmp.report.words import unit_of
from egraff_lmp.score.table import METRICS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Dark tiles take white text: luminance below this, of the colour map's 0 to 1.
_DARK = 0.55


def draw(material: Material) -> Iterator[PageFigure]:
    """The figure, none without any value.

    Colours are on a logarithmic scale from the smallest to the largest value of the ordinary
    models; a tile without a result is hatched.
    """
    panels: list[tuple[str, NDArray[np.float64]]] = []
    data: list[Row] = []
    places = list(product(material.labels, material.models))
    for metric in METRICS.values():
        if metric.better != "lower" or not metric.headline:
            continue
        found = material.values(metric.key, metric.headline[0])
        data += [(*place, metric.key, value) for place, (value, _) in found.items()]
        tiles = (found.get(place, (np.nan, None)) for place in places)
        values = np.array([value for value, _ in tiles]).reshape(len(material.labels), -1)
        if np.isfinite(values).any():
            unit = unit_of(metric.unit)
            panels.append((f"{metric.label} ({unit})" if unit else metric.label, values))
    if not panels:
        return
    across = min(2, len(panels))
    down = -(-len(panels) // across)
    labels = 0.085 * max(map(len, material.labels.values()))
    width = max(5.0, across * (labels + 0.9 * len(material.models) + 0.4))
    height = down * (0.36 * len(material.labels) + 1.0)
    with base.paper(width, height, layout="constrained") as figure:
        for place, (title, values) in enumerate(panels, 1):
            axis = figure.add_subplot(down, across, place)
            axis.set_title(title, fontsize=10)
            _tiles(axis, material, values)
        yield base.finish(figure, "map", data)


def _tiles(axis: Axes, material: Material, values: NDArray[np.float64]) -> None:
    import matplotlib  # optional

    colours = matplotlib.colormaps["viridis_r"]
    shades, largest = _shades(
        values, np.array([m not in material.controls for m in material.models])
    )
    axis.set_facecolor("#eef0f2")
    axis.patch.set(hatch="////", edgecolor="#b8bec5")
    axis.imshow(np.ma.masked_invalid(shades), cmap=colours, vmin=0, vmax=1, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            red, green, blue, _ = colours(float(shades[i, j]))
            ink = "white" if 0.3 * red + 0.59 * green + 0.11 * blue < _DARK else base.INK
            text = number(float(value)) + (" ▲" if value > largest else "")
            axis.text(j, i, text, ha="center", va="center", color=ink, fontsize=8)
    rows, columns = values.shape
    axis.set_xticks(range(columns), list(material.titles.values()), fontsize=8)
    axis.set_yticks(range(rows), list(material.labels.values()), fontsize=8)
    axis.set_xticks(np.arange(columns - 1) + 0.5, minor=True)
    axis.set_yticks(np.arange(rows - 1) + 0.5, minor=True)
    axis.grid(visible=False)
    axis.grid(which="minor", color="white", lw=1.5)
    axis.tick_params(which="both", length=0)
    axis.spines[:].set_visible(False)


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
