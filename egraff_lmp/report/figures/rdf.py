"""g(r) of every model on every system against the reference (Fig. 3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from egraff_lmp.report.figures import base
from egraff_lmp.report.figures.base import Material, PageFigure, Row
from egraff_lmp.results.curves import DISTRIBUTIONS, MAX_BINS, distribution
from egraff_lmp.score.records import REFERENCE, ROLLOUTS, TOTAL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Atoms that fell onto each other have g(r) of many tens, beside which no other curve can be seen.
CUT = 2.5


def draw(material: Material) -> Iterator[PageFigure]:
    """A row a cell, a column a model."""
    cells = [
        cell
        for cell in material.labels
        if any(distribution(material.scores(cell, m), ROLLOUTS, TOTAL) for m in material.models)
    ]
    columns = len(material.models)
    for ending, group in material.groups(cells):
        data: list[Row] = []
        with base.canvas(
            len(group), columns, 1.25, left=0.75, top=0.58, sharex="row", sharey="row",
            hspace=0.42, wspace=0.1, width=min(12.0, max(5.0, 1.0 + 1.9 * columns)),
        ) as (figure, axes):  # fmt: skip
            for line, cell in zip(axes, group, strict=True):
                data += _row(line, material, cell)
            for axis in axes[-1]:
                axis.set_xlabel("r (Å)", fontsize=8)
            yield base.finish(figure, "fig3-rdf", data, material.colours, ending, cut=CUT)


def _row(axes: Sequence[Axes], material: Material, cell: str) -> list[Row]:
    from matplotlib.ticker import MaxNLocator  # optional

    data: list[Row] = []
    peaks, kind = [], "g"
    for axis, model in zip(axes, material.models, strict=True):
        scores = material.scores(cell, model)
        reference = distribution(scores, REFERENCE, TOTAL, MAX_BINS)
        rollout = distribution(scores, ROLLOUTS, TOTAL, MAX_BINS)
        if reference is not None:
            axis.fill_between(reference.x, reference.y, color="#c3cad2", lw=0, label="reference")
            peaks.append(max(reference.y))
        if scores is None or rollout is None:
            base.say(axis, "no result")
        else:
            axis.plot(rollout.x, rollout.y, color=material.colour(model), lw=1.2)
            known = scores.drawn(ROLLOUTS, *DISTRIBUTIONS)
            kind = known.name if known is not None else kind
            truth = reference.y if reference is not None else ()
            data += [
                (cell, model, kind, *point) for point in zip_longest(rollout.x, rollout.y, truth)
            ]
        axis.label_outer()
        axis.tick_params(labelsize=7.5, labelbottom=True)
        axis.xaxis.set_major_locator(MaxNLocator(5, prune="upper"))
        axis.margins(x=0)
    highest = axes[0].get_ylim()[1]
    axes[0].set_ylim(0, min(highest, CUT * peaks[0]) if peaks else highest)
    axes[0].set_ylabel(f"{kind}(r)", fontsize=8)
    axes[0].set_title(material.labels[cell], fontsize=8.5, pad=3)
    return data
