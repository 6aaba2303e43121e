"""Every measure of every model in one picture a system, over the largest value (Fig. 6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from math import pi
from typing import Any

from egraff_lmp.report.figures import base
from egraff_lmp.report.figures.base import Material, PageFigure, Row
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
_ANGLES = {measure: 2 * pi * k / len(MEASURES) for k, measure in enumerate(MEASURES)}
_ENOUGH = 3  # corners of a polygon
_EDGE = 105  # per cent; a negative control beyond is drawn there


def shares(material: Material, measure: str) -> dict[tuple[str, str], tuple[float, float]]:
    """(cell, model) to (value, it over the largest of the ordinary models, 0 where all are 0)."""
    found = {}
    values = material.values(*MEASURES[measure])
    for (cell, model), (value, _) in values.items():
        here = {m: v for (c, m), (v, _) in values.items() if c == cell}
        ordinary = [v for m, v in here.items() if m not in material.controls]
        largest = max(ordinary or here.values())
        found[cell, model] = value, value / largest if largest > 0 else 0.0
    return found


def draw(material: Material) -> Iterator[PageFigure]:
    """A polar panel a cell."""
    measured = {k: shares(material, k) for k in MEASURES}
    known = Counter(cell for of in measured.values() for cell in {cell for cell, _ in of})
    cells = [cell for cell in material.labels if known[cell] >= _ENOUGH]
    for ending, group in material.groups(cells):
        columns = min(4, len(group))
        data: list[Row] = []
        with base.panels(
            len(group), columns, 2.35, top=0.85, bottom=0.25, left=0.5, right=0.5, wspace=0.45,
            hspace=0.42, width=max(5.0, 1.0 + 2.6 * columns),
            subplot_kw={"projection": "polar", "theta_offset": pi / 2, "theta_direction": -1},
        ) as (figure, axes):  # fmt: skip
            for axis, cell in zip(axes, group, strict=True):
                for model in material.models:
                    found = {
                        k: of[cell, model] for k, of in measured.items() if (cell, model) in of
                    }
                    data += [(cell, model, k, v, 100 * share) for k, (v, share) in found.items()]
                    _polygon(axis, {k: 100 * share for k, (_, share) in found.items()},
                             material.colour(model))  # fmt: skip
                axis.set_xticks(list(_ANGLES.values()), list(_ANGLES), fontsize=7.5)
                axis.tick_params(pad=1)
                axis.set_ylim(0, _EDGE)
                axis.set_yticks([25, 50, 75, 100], ["", "50", "", "100 %"], fontsize=6.5)
                axis.set_title(material.labels[cell], fontsize=9, loc="center", pad=11)
            yield base.finish(figure, "fig6-radar", data, material.colours, ending)


def _polygon(axis: Any, found: Mapping[str, float], colour: str) -> None:
    corners = [*found, *list(found)[:1]]  # and back to the first
    axis.plot([_ANGLES[k] for k in corners], [min(found[k], _EDGE) for k in corners],
              color=colour, lw=1.3, marker="o", ms=2.2)  # fmt: skip
    beyond = [_ANGLES[k] for k, share in found.items() if share > _EDGE]
    axis.plot(beyond, [_EDGE] * len(beyond), color=colour, lw=0, marker=base.BEYOND, ms=5)
