"""How long the rollouts lasted."""

from __future__ import annotations

from collections.abc import Iterator

from egraff_lmp.report.figures import base
from egraff_lmp.report.figures.base import Material, PageFigure

_UNITS = {"cell": "", "model": "", "start": "", "lasted": "fs", "asked": "fs"}


def draw(material: Material) -> Iterator[PageFigure]:
    """A line a cell, a point for each rollout at the share of the asked length that it lasted."""
    cells = [c for c in material.labels
             if any((one := material.found.get((c, m))) and one.rollouts
                    for m in material.models)]  # fmt: skip
    if not cells:
        return
    data = []
    asked = {one.name: one.asked_fs for one in material.results.systems}
    count = len(material.models)
    with base.canvas(1, 1, 0.35 * len(cells) + 0.4, left=2.0, top=0.4, bottom=0.5) as (
        figure,
        axes,
    ):
        axis = axes[0, 0]
        for row, cell in enumerate(cells):
            for place, model in enumerate(material.models):
                result = material.found.get((cell, model))
                if result is None or not result.rollouts:
                    continue
                height = row - 0.36 + 0.72 * (place + 0.5) / count
                shares = [100 * one.lasted_fs / asked[cell] for one in result.rollouts]
                axis.plot([0, max(shares)], [height] * 2, color=material.colour(model), lw=0.7,
                          alpha=0.35)  # fmt: skip
                axis.scatter(shares, [height] * len(shares), s=15, alpha=0.75, linewidths=0,
                             color=material.colour(model))  # fmt: skip
                data += [(cell, model, one.number, one.lasted_fs, asked[cell])
                         for one in result.rollouts]  # fmt: skip
        axis.set_yticks(range(len(cells)), [material.labels[c] for c in cells], fontsize=8)
        axis.set_ylim(len(cells) - 0.45, -0.55)
        axis.set_xlim(0, 104)
        axis.set_xlabel("share of the asked length (%)", fontsize=9)
        axis.grid(axis="y", visible=False)
        base.legend(figure, material)
        yield base.finish(
            figure, "stability", "How long the rollouts lasted",
            "A point for each rollout; those left of 100 % lost atoms, became infinite or left "
            "the bounds of temperature.",
            base.table(_UNITS, data),
        )  # fmt: skip
