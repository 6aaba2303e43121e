"""How long the rollouts lasted."""

from __future__ import annotations

from collections.abc import Iterator

from egraff_lmp.report.figures import base
from egraff_lmp.report.figures.base import Material, PageFigure, Row


def draw(material: Material) -> Iterator[PageFigure]:
    """A line a cell, a point for each rollout at the share of the asked length that it lasted."""
    systems = [
        system for system in material.results.systems if any(one.rollouts for one in system.models)
    ]
    if not systems:
        return
    data: list[Row] = []
    with base.canvas(1, 1, 0.35 * len(systems) + 0.4, left=2.0, top=0.4, bottom=0.5) as (
        figure,
        axes,
    ):
        axis = axes[0, 0]
        for row, system in enumerate(systems):
            for place, model in enumerate(material.models):
                one, colour = system.result(model), material.colour(model)
                if one is None or not one.rollouts:
                    continue
                height = row - 0.36 + 0.72 * (place + 0.5) / len(material.models)
                shares = [100 * rollout.lasted_fs / system.asked_fs for rollout in one.rollouts]
                axis.plot([0, max(shares)], [height] * 2, color=colour, lw=0.7, alpha=0.35)
                axis.scatter(shares, [height] * len(shares), s=15, alpha=0.75, linewidths=0,
                             color=colour)  # fmt: skip
                data += [(system.name, model, rollout.number, rollout.lasted_fs, system.asked_fs)
                         for rollout in one.rollouts]  # fmt: skip
        axis.set_yticks(range(len(systems)), [system.label for system in systems], fontsize=8)
        axis.set(xlim=(0, 104), ylim=(len(systems) - 0.45, -0.55))
        axis.set_xlabel("share of the asked length (%)", fontsize=9)
        axis.grid(axis="y", visible=False)
        yield base.finish(figure, "stability", data, material.colours)
