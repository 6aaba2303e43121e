"""What training and rollouts cost."""

from __future__ import annotations

from collections.abc import Iterator

from egraff_lmp.report.figures import base
from egraff_lmp.report.figures.base import Material, PageFigure
from egraff_lmp.score.records import COST

_PANELS = (
    ("training_time", "training (s)"),
    ("ms_per_step", "a step (ms)"),
    ("us_per_atom_step", "a step and atom (µs)"),
)
_UNITS = {"cell": "", "model": "", "key": "", "value": "as in scores.csv"}


def draw(material: Material) -> Iterator[PageFigure]:
    """A line a cell, a point a model, times on logarithmic scales."""
    cells = [c for c in material.labels
             if any(material.value(c, m, k, COST)
                    for m in material.models for k, _ in _PANELS)]  # fmt: skip
    if not cells:
        return
    data = []
    with base.canvas(1, 3, 0.24 * len(cells) + 0.5, left=2.0, top=0.62, bottom=0.4, wspace=0.12,
                sharey=True) as (figure, axes):  # fmt: skip
        for axis, (key, title) in zip(axes.flat, _PANELS, strict=True):
            for row, cell in enumerate(cells):
                for model in material.models:
                    found = material.value(cell, model, key, COST)
                    if found is None or found[0] <= 0:
                        continue
                    axis.scatter([found[0]], [row], s=30, color=material.colour(model), alpha=0.85,
                                 linewidths=0)  # fmt: skip
                    data.append((cell, model, key, found[0]))
            if axis.collections:
                base.plain_log(axis, "x")
            axis.set_title(title, fontsize=9)
            axis.tick_params(labelsize=8)
        axes[0, 0].set_yticks(range(len(cells)), [material.labels[c] for c in cells], fontsize=8)
        axes[0, 0].set_ylim(len(cells) - 0.5, -0.5)
        base.legend(figure, material)
        yield base.finish(
            figure, "cost", "Cost",
            "Wall times on the machine of the run, which may have had other work; a model that "
            "several systems share was trained once.",
            base.table(_UNITS, data),
        )  # fmt: skip
