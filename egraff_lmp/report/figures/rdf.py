"""g(r) of every model on every system against the reference (Fig. 3)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from egraff_lmp.report.figures import base
from egraff_lmp.report.figures.base import Material, PageFigure
from egraff_lmp.results.curves import MAX_BINS, REFERENCE, ROLLOUTS, distribution
from egraff_lmp.results.record import Curve
from egraff_lmp.score.records import TOTAL

# Atoms that fell onto each other have g(r) of many tens, beside which no other curve can be seen.
CUT = 2.5
_UNITS = {"cell": "", "model": "", "distribution": "", "r": "A", "rollout": "1 or 1/A",
          "reference": "1 or 1/A"}  # fmt: skip


def draw(material: Material) -> Iterator[PageFigure]:
    """A row a cell, a column a model."""
    cells = [
        cell
        for cell in material.labels
        if any(_curve(material, cell, m, ROLLOUTS) for m in material.models)
    ]
    groups = material.groups(cells)
    for place, group in enumerate(groups, 1):
        yield _figure(material, group, base.numbered("fig3-rdf", place, len(groups)))


def _curve(material: Material, cell: str, model: str, side: str) -> Curve | None:
    return distribution(material.scores(cell, model), side, TOTAL, MAX_BINS)


def _kind(material: Material, cell: str, model: str) -> str:
    scores = material.scores(cell, model)
    curves = scores.curves.get(ROLLOUTS) if scores is not None else None
    return "" if curves is None else curves.kind


def _top(material: Material, cell: str, highest: float) -> float:
    """Upper end of a row's ordinate: of all curves, or of the reference with room above it."""
    found = (_curve(material, cell, model, REFERENCE) for model in material.models)
    truth = next((curve for curve in found if curve is not None), None)
    return highest if truth is None else min(highest, CUT * max(truth.y))


def _figure(material: Material, cells: list[str], name: str) -> PageFigure:
    from matplotlib.patches import Patch  # optional
    from matplotlib.ticker import MaxNLocator

    columns = len(material.models)
    data = []
    with base.canvas(
        len(cells), columns, 1.25, left=0.75, top=0.58, sharex="row", sharey="row",
        hspace=0.42, wspace=0.1, width=min(12.0, max(5.0, 1.0 + 1.9 * columns)),
    ) as (figure, axes):  # fmt: skip
        for line, cell in zip(axes, cells, strict=True):
            for axis, model in zip(line, material.models, strict=True):
                reference = _curve(material, cell, model, REFERENCE)
                rollout = _curve(material, cell, model, ROLLOUTS)
                if reference is not None:
                    axis.fill_between(reference.x, reference.y, color="#c3cad2", lw=0)
                if rollout is not None:
                    axis.plot(rollout.x, rollout.y, color=material.colour(model), lw=1.2)
                    truth = reference.y if reference is not None else ()
                    kind = _kind(material, cell, model)
                    data += [
                        (cell, model, kind, x, y, z)
                        for x, y, z in zip_longest(rollout.x, rollout.y, truth)
                    ]
                else:
                    axis.text(0.5, 0.5, "no result", ha="center", va="center", color="#57606a",
                              transform=axis.transAxes, fontsize=8)  # fmt: skip
                axis.tick_params(labelsize=7.5)
                axis.label_outer()
                axis.xaxis.set_major_locator(MaxNLocator(5, prune="upper"))
                axis.margins(x=0)
            line[0].set_ylim(0, _top(material, cell, line[0].get_ylim()[1]))
            shown = next(filter(None, (_kind(material, cell, m) for m in material.models)), "g")
            line[0].set_ylabel(f"{shown}(r)", fontsize=8)
            line[0].text(0, 1.04, material.labels[cell], transform=line[0].transAxes, fontsize=8.5,
                         fontweight="bold")  # fmt: skip
            for axis in line:
                axis.tick_params(labelbottom=True)
        for axis in axes[-1]:
            axis.set_xlabel("r (Å)", fontsize=8)
        reference_patch = Patch(color="#c3cad2", label="reference")
        base.legend(figure, material, [reference_patch])
        return base.finish(
            figure, name, "Pair distributions (as Fig. 3 of the paper)",
            "Total g(r), for molecules the distribution h(r) of pair distances in 1/Å. Grey: "
            "held-out frames of the reference; line: mean over the rollouts of a model, cut off "
            f"at {CUT:g} times the highest peak of the reference.",
            base.table(_UNITS, data),
        )  # fmt: skip
