"""Pairs of related measures against each other (Fig. 7)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from egraff_lmp.report.figures import base
from egraff_lmp.report.figures.base import Material, PageFigure, Row
from egraff_lmp.report.figures.radar import MEASURES, shares

# Measures of a panel with the titles of its axes.
_PANELS = (
    {"EV": "energy violation", "FV": "force violation"},
    {"JSD": "JSD", "WF": "WF"},
    {"train": "time of an epoch", "step": "time of a step"},
    {"MAE E": "energy MAE", "MAE F": "force MAE"},
)
_EDGE = 1.03  # a negative control beyond is drawn there


def draw(material: Material) -> Iterator[PageFigure]:
    """Four panels, a point for each model and cell."""
    data: list[Row] = []
    found = {measure: shares(material, measure) for measure in MEASURES}
    if not any(found.values()):
        return
    with base.canvas(1, 4, 2.6, top=0.42, wspace=0.36, left=0.6) as (figure, axes):
        for axis, panel in zip(axes.flat, _PANELS, strict=True):
            x, y = panel
            for model in material.models:
                shown = [(cell, found[x][cell, model], found[y][cell, model])
                         for cell in material.labels
                         if (cell, model) in found[x].keys() & found[y].keys()]  # fmt: skip
                points = np.minimum([(a[1], b[1]) for _, a, b in shown], _EDGE).reshape(-1, 2)
                axis.scatter(*points.T, s=24, alpha=0.75, color=material.colour(model),
                             linewidths=0,
                             marker=base.BEYOND if model in material.controls else "o")  # fmt: skip
                data += [(cell, model, x, y, a[0], b[0], a[1], b[1]) for cell, a, b in shown]
            axis.set(xlim=(-0.04, 1.06), ylim=(-0.04, 1.06))
            axis.set_xlabel(panel[x], fontsize=9)
            axis.set_ylabel(panel[y], fontsize=9)
        yield base.finish(figure, "fig7-pairs", data, material.colours)
