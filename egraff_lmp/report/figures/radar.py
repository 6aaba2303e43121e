"""Every measure of every model in one picture a system, over the largest value (Fig. 6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import pi

from egraff_lmp.report.figures import base
from egraff_lmp.report.figures.base import Material, PageFigure
from egraff_lmp.score.options import EGRAFF, PAPER
from egraff_lmp.score.records import COST, RERUN_REFERENCE, STRUCTURE

# Short name, then key, comparison and mode: small is good for all of them.
MEASURES: Mapping[str, tuple[str, str, str]] = {
    "WF": ("wf", STRUCTURE, EGRAFF),
    "JSD": ("jsd", STRUCTURE, EGRAFF),
    "EV": ("ev", RERUN_REFERENCE, EGRAFF),
    "FV": ("fv", RERUN_REFERENCE, EGRAFF),
    "MAE E": ("energy_mae", RERUN_REFERENCE, EGRAFF),
    "MAE F": ("force_mae", RERUN_REFERENCE, EGRAFF),
    "train": ("training_time_epoch", COST, PAPER),
    "step": ("ms_per_step", COST, EGRAFF),
}
_UNITS = {"cell": "", "model": "", "measure": "", "value": "as in scores.csv", "share": "%"}
_ENOUGH = 3  # corners of a polygon
_EDGE = 105  # per cent; a negative control beyond is drawn there


def shares(material: Material, cell: str, measure: str) -> dict[str, tuple[float, float]]:
    """Model to (value, value over the largest of the ordinary models, 0 where all are 0)."""
    found = {m: material.value(cell, m, *MEASURES[measure]) for m in material.models}
    values = {m: v[0] for m, v in found.items() if v is not None}
    ordinary = [v for m, v in values.items() if m not in material.controls]
    largest = max(ordinary or values.values(), default=0.0)
    return {m: (v, v / largest if largest > 0 else 0.0) for m, v in values.items()}


def draw(material: Material) -> Iterator[PageFigure]:
    """A polar panel a cell."""
    by_cell = {c: {k: shares(material, c, k) for k in MEASURES} for c in material.labels}
    cells = [c for c, found in by_cell.items() if sum(map(bool, found.values())) >= _ENOUGH]
    groups = material.groups(cells)
    angles = [2 * pi * k / len(MEASURES) for k in range(len(MEASURES))]
    for place, group in enumerate(groups, 1):
        columns = min(4, len(group))
        rows = -(-len(group) // columns)
        data = []
        with base.canvas(rows, columns, 2.35, top=0.85, bottom=0.25, left=0.5, right=0.5,
                    wspace=0.45,
                    hspace=0.42, width=max(5.0, 1.0 + 2.6 * columns),
                    subplot_kw={"projection": "polar"}) as (figure, axes):  # fmt: skip
            for axis, cell in zip(axes.flat, group, strict=False):
                for model in material.models:
                    points = [(angle, k, by_cell[cell][k][model])
                              for angle, k in zip(angles, MEASURES, strict=True)
                              if model in by_cell[cell][k]]  # fmt: skip
                    if not points:
                        continue
                    data += [(cell, model, k, v, 100 * s) for _, k, (v, s) in points]
                    turn = [*points, points[0]]
                    colour = material.colour(model)
                    axis.plot([p[0] for p in turn], [min(100 * p[2][1], _EDGE) for p in turn],
                              color=colour, lw=1.3, marker="o", ms=2.2)  # fmt: skip
                    over = [p[0] for p in points if 100 * p[2][1] > _EDGE]
                    axis.plot(
                        over, [_EDGE] * len(over), color=colour, lw=0, marker=base.BEYOND, ms=5
                    )
                axis.set_theta_zero_location("N")
                axis.set_theta_direction(-1)
                axis.set_xticks(angles, list(MEASURES), fontsize=7.5)
                axis.tick_params(pad=1)
                axis.set_ylim(0, _EDGE)
                axis.set_yticks([25, 50, 75, 100], ["", "50", "", "100 %"], fontsize=6.5)
                axis.set_title(material.labels[cell], fontsize=9, loc="center", pad=11)
            base.hide_rest(axes.flat, len(group))
            base.legend(figure, material)
            yield base.finish(
                figure, base.numbered("fig6-radar", place, len(groups)),
                "All measures at once (as Fig. 6)",
                "Every value over the largest of the ordinary models on this system: 100 % is the "
                "worst, which may still be good; a negative control beyond is drawn at the edge. "
                "WF, JSD of structure; EV, FV on held-out reference frames; MAE of energies and "
                "forces; time of an epoch and of a step. A corner without a value is left out.",
                base.table(_UNITS, data),
            )  # fmt: skip
