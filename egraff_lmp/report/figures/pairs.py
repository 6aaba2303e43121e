"""Pairs of related measures against each other (Fig. 7)."""

from __future__ import annotations

from collections.abc import Iterator

from egraff_lmp.report.figures import base
from egraff_lmp.report.figures.base import Material, PageFigure
from egraff_lmp.report.figures.radar import MEASURES, shares

_PAIRS = (("EV", "FV"), ("JSD", "WF"), ("train", "step"), ("MAE E", "MAE F"))
_TITLES = {
    "EV": "energy violation", "FV": "force violation", "JSD": "JSD", "WF": "WF",
    "train": "time of an epoch", "step": "time of a step", "MAE E": "energy MAE",
    "MAE F": "force MAE",
}  # fmt: skip
_UNITS = {"cell": "", "model": "", "x_measure": "", "y_measure": "", "x": "as in scores.csv",
          "y": "as in scores.csv", "x_share": "1", "y_share": "1"}  # fmt: skip

_EDGE = 1.03  # a negative control beyond is drawn there


def draw(material: Material) -> Iterator[PageFigure]:
    """Four panels, a point for each model and cell."""
    data = []
    found = {(c, k): shares(material, c, k) for c in material.labels for k in MEASURES}
    if not any(found.values()):
        return
    with base.canvas(1, 4, 2.6, top=0.42, wspace=0.36, left=0.6) as (figure, axes):
        for axis, (x, y) in zip(axes.flat, _PAIRS, strict=True):
            for model in material.models:
                points = []
                for cell in material.labels:
                    a, b = found[cell, x].get(model), found[cell, y].get(model)
                    if a is not None and b is not None:
                        points.append((min(a[1], _EDGE), min(b[1], _EDGE)))
                        data.append((cell, model, x, y, a[0], b[0], a[1], b[1]))
                marker = base.BEYOND if model in material.controls else "o"
                axis.scatter([p[0] for p in points], [p[1] for p in points], s=24, alpha=0.75,
                             color=material.colour(model), linewidths=0, marker=marker)  # fmt: skip
            axis.set_xlim(-0.04, 1.06)
            axis.set_ylim(-0.04, 1.06)
            axis.set_xlabel(_TITLES[x], fontsize=9)
            axis.set_ylabel(_TITLES[y], fontsize=9)
        base.legend(figure, material)
        yield base.finish(
            figure, "fig7-pairs", "Pairs of measures (as Fig. 7)",
            "A point for each model on each system, every value over the largest of the ordinary "
            "models on that system, so that systems can be laid over each other: a line from "
            "corner to corner would mean that one measure tells the other. Negative controls are "
            "triangles; beyond the scale they are drawn at its edge.",
            base.table(_UNITS, data),
        )  # fmt: skip
