"""Energy and force violation: geometric means as bars (Fig. 4) and over time (Fig. 5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from egraff_lmp.report.figures import base
from egraff_lmp.report.figures.base import Material, PageFigure
from egraff_lmp.report.figures.overtime import draw_curves
from egraff_lmp.score.records import RERUN_REFERENCE, TRAJECTORY
from egraff_lmp.score.violation import UNCORRELATED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BARS = {"cell": "", "model": "", "key": "", "comparison": "", "value": "1", "interval_low": "1",
         "interval_high": "1"}  # fmt: skip
_NAMES = {"ev": "energy violation", "fv": "force violation"}
_COMPARISONS = (TRAJECTORY, RERUN_REFERENCE)


def draw_bars(material: Material) -> Iterator[PageFigure]:
    """A row a comparison, EV left and FV right, a group of bars a cell."""
    cells = [
        cell
        for cell in material.labels
        if any(material.value(cell, m, k, c)
               for m in material.models for k in _NAMES for c in _COMPARISONS)
    ]  # fmt: skip
    groups = material.groups(cells)
    for place, group in enumerate(groups, 1):
        data: list[tuple[object, ...]] = []
        with base.canvas(2, 2, 2.3, bottom=0.85, top=0.55, hspace=0.16, wspace=0.17, left=0.75,
                    sharex=True) as (figure, axes):  # fmt: skip
            for line, comparison in zip(axes, _COMPARISONS, strict=True):
                for axis, key in zip(line, _NAMES, strict=True):
                    data += _bars(axis, material, group, key, comparison)
            base.legend(figure, material, [base.dashed(base.FV_TITLE)])
            yield base.finish(
                figure, base.numbered("fig4-violation", place, len(groups)),
                "Energy and force violation (as Fig. 4)",
                "Geometric means with 95 % intervals, in egraff form. Above: rollout against "
                "reference at equal times, which decorrelation drives to 0.7071 for any model. "
                "Below: the model on held-out reference frames. A missing bar: no such value.",
                base.table(_BARS, data),
            )  # fmt: skip


def _bars(
    axis: Axes, material: Material, cells: list[str], key: str, comparison: str
) -> list[tuple[object, ...]]:
    data: list[tuple[object, ...]] = []
    width = 0.8 / len(material.models)
    lowest = 1.0
    for place, model in enumerate(material.models):
        for number, cell in enumerate(cells):
            found = material.value(cell, model, key, comparison)
            if found is None:
                continue
            value, interval = found
            low, high = interval or (value, value)
            data.append((cell, model, key, comparison, value, *(interval or ("", ""))))
            error = [[max(0.0, value - low)], [max(0.0, high - value)]]
            axis.bar(number - 0.4 + (place + 0.5) * width, value, width * 0.92,
                     color=material.colour(model), yerr=error, ecolor=base.INK,
                     error_kw={"lw": 0.8})  # fmt: skip
            if model not in material.controls:
                lowest = min([lowest, *(v for v in (value, low) if v > 0)])
    axis.set_title(f"{_NAMES[key]}, {comparison}", fontsize=9)
    if not data:
        axis.text(0.5, 0.5, "no such comparison here", ha="center", va="center", color="#57606a",
                  transform=axis.transAxes, fontsize=8)  # fmt: skip
    if key == "ev":
        axis.set_yscale("log")
        axis.set_ylim(10 ** np.floor(np.log10(0.99 * lowest)), 2.0)
    else:
        axis.set_ylim(0.0, 1.0)
        axis.axhline(UNCORRELATED, color=base.INK, ls="--", lw=1)
    axis.set_xticks(range(len(cells)), [material.labels[c] for c in cells], rotation=30,
                    ha="right", fontsize=8)  # fmt: skip
    axis.grid(axis="x", visible=False)
    return data


def draw_over_time(material: Material) -> Iterator[PageFigure]:
    """A panel a cell, EV(t) in figures of their own and FV(t) in others."""
    for key, letter in (("ev", "EV"), ("fv", "FV")):
        yield from draw_curves(
            material, key, f"fig5-{key}", f"{letter}(t) along the rollouts (as Fig. 5)",
            f"{_NAMES[key].capitalize()} of rollout against reference at equal times, geometric "
            "mean over starts and short windows; the band spans the starts."
            + (" Dashed: 0.7071, what unrelated forces of equal size give: a curve that has "
               "arrived there says nothing about its model." if key == "fv" else ""),
            letter, log=key == "ev", line=UNCORRELATED if key == "fv" else None,
        )  # fmt: skip
