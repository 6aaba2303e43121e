"""The picture of a matrix: one panel a score, a tile for each model and cell, numbers in the tiles.

matplotlib without a display, as SVG in a `data:` address.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from egraff_lmp.report.numbers import number

# Dark tiles take white text: luminance below this, of the colour map's 0 to 1.
_DARK = 0.55


@dataclass(frozen=True)
class Panel:
    """One score: `values` by row and column, None where there is no result."""

    title: str
    values: Sequence[Sequence[float | None]]


def heat_map(rows: Sequence[str], columns: Sequence[str], panels: Sequence[Panel]) -> str | None:
    """The figure, None without any value.

    Colours are on a logarithmic scale from the smallest to the largest value of a panel; a tile
    without a result is hatched.
    """
    shown = [p for p in panels if any(v is not None for row in p.values for v in row)]
    if not shown:
        return None
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    style: Any = {
        "svg.fonttype": "path",
        "svg.hashsalt": "egraff_lmp",
        "font.family": "DejaVu Sans",
    }
    across = min(2, len(shown))
    down = -(-len(shown) // across)
    labels = 0.085 * max(len(row) for row in rows)
    width = across * (labels + 0.9 * len(columns) + 0.4)
    height = down * (0.36 * len(rows) + 1.0)
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(max(5.0, width), height), layout="constrained")
        FigureCanvasSVG(figure)
        colours = matplotlib.colormaps["viridis_r"]
        for place, panel in enumerate(shown):
            axis = figure.add_subplot(down, across, place + 1)
            values = np.array([[np.nan if v is None else v for v in r] for r in panel.values])
            shades = _shades(values)
            axis.set_facecolor("#eef0f2")
            axis.patch.set_hatch("////")
            axis.patch.set_edgecolor("#b8bec5")
            masked = np.ma.masked_invalid(shades)
            axis.imshow(masked, cmap=colours, vmin=0, vmax=1, aspect="auto")
            for (i, j), value in np.ndenumerate(values):
                if np.isfinite(value):
                    red, green, blue, _ = colours(float(shades[i, j]))
                    light = 0.3 * red + 0.59 * green + 0.11 * blue
                    ink = "white" if light < _DARK else "#1b1f24"
                    axis.text(j, i, number(value), ha="center", va="center", color=ink, fontsize=8)
            axis.set_title(panel.title, fontsize=10, loc="left", fontweight="bold")
            axis.set_xticks(range(len(columns)), columns, fontsize=8)
            axis.set_yticks(range(len(rows)), rows, fontsize=8)
            axis.set_xticks(np.arange(len(columns) - 1) + 0.5, minor=True)
            axis.set_yticks(np.arange(len(rows) - 1) + 0.5, minor=True)
            axis.grid(which="minor", color="white", lw=1.5)
            axis.tick_params(which="both", length=0)
            for spine in axis.spines.values():
                spine.set_visible(False)
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def _shades(values: np.ndarray) -> np.ndarray:
    """Values mapped to 0 (smallest) to 1 (largest) on a logarithmic scale; zeros are smallest."""
    positive = values[np.isfinite(values) & (values > 0)]
    if not positive.size:
        return np.where(np.isfinite(values), 0.0, np.nan)
    low, high = float(positive.min()), float(positive.max())
    span = np.log(high / low) or 1.0
    logs = np.log(np.maximum(values, low) / low) / span
    return np.where(np.isfinite(values), np.clip(logs, 0, 1), np.nan)
