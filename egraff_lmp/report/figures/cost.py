"""What training and rollouts cost."""

from __future__ import annotations

from collections.abc import Iterator

from egraff_lmp.report.figures import base
from egraff_lmp.report.figures.base import Material, PageFigure
from egraff_lmp.score.records import COST

_PANELS = {
    "training_time": "training (s)",
    "ms_per_step": "a step (ms)",
    "us_per_atom_step": "a step and atom (µs)",
}


def draw(material: Material) -> Iterator[PageFigure]:
    """A line a cell, a point a model, times on logarithmic scales."""
    data = [
        (*place, key, value)
        for key in _PANELS
        for place, (value, _) in material.values(key, COST).items()
        if value > 0
    ]
    cells = [c for c in material.labels if any(row[0] == c for row in data)]
    if not cells:
        return
    with base.canvas(
        1, 3, 0.24 * len(cells) + 0.5, left=2.0, top=0.62, bottom=0.4, wspace=0.12, sharey=True
    ) as (figure, axes):
        for axis, (key, title) in zip(axes.flat, _PANELS.items(), strict=True):
            for cell, model, _, value in (row for row in data if row[2] == key):
                axis.scatter([value], [cells.index(cell)], s=30, color=material.colour(model),
                             alpha=0.85, linewidths=0)  # fmt: skip
            if axis.collections:
                base.plain_log(axis, "x")
            axis.set_title(title, fontsize=9)
            axis.tick_params(labelsize=8)
        axes[0, 0].set_yticks(range(len(cells)), [material.labels[c] for c in cells], fontsize=8)
        axes[0, 0].set_ylim(len(cells) - 0.5, -0.5)
        yield base.finish(figure, "cost", data, material.colours)
