"""Figures of one system: distributions, violations and temperature over time, learning curves."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from egraff_lmp.report.figures import base
from egraff_lmp.report.figures.base import VIOLATIONS, Material, PageFigure, Row
from egraff_lmp.results.curves import REFERENCE, ROLLOUTS, distribution
from egraff_lmp.score.records import COMPARISONS


def draw_rdf(material: Material) -> Iterator[PageFigure]:
    """g(r) or h(r) of the reference and of every model, a panel a pair of elements."""
    (system,) = material.results.systems
    scores = {one.model.name: one.scores for one in system.models if one.scores is not None}
    first = next(iter(scores.values()), None)
    known = first.curves.get(REFERENCE) if first is not None else None
    if known is None:
        return
    unit = " (1/Å)" if known.kind == "h" else ""
    data: list[Row] = []
    columns = min(2, len(known.g))
    with base.panels(len(known.g), columns, 2.7, top=0.5, hspace=0.42) as (figure, axes):
        for axis, part in zip(axes, known.g, strict=True):
            reference = distribution(first, REFERENCE, part)
            if reference is not None:
                axis.fill_between(reference.x, reference.y, color="#d0d7de", lw=0,
                                  label="reference")  # fmt: skip
                data += base.curve_rows(reference, part, "reference")
            curves = {m: distribution(one, ROLLOUTS, part) for m, one in scores.items()}
            data += base.draw_lines(axis, curves, material, part)
            axis.set(title=part, xlabel="r (Å)", ylabel=f"{known.kind}(r){unit}")
            axis.set_ylim(bottom=0)
            if known.kind == "g":
                axis.axhline(1, color="#8c959f", lw=0.7, ls=":")
        yield base.finish(figure, "structure", data, material.colours)


def draw_violation(material: Material) -> Iterator[PageFigure]:
    """EV(t) and FV(t), a row a comparison."""
    (system,) = material.labels
    found = {place: material.curves(system, *place) for place in product(VIOLATIONS, COMPARISONS)}
    shown = [c for c in COMPARISONS if any(found[key, c] for key in VIOLATIONS)]
    if not shown:
        return
    data: list[Row] = []
    with base.panels(2 * len(shown), 2, 2.6, top=0.5, hspace=0.45) as (figure, axes):
        for axis, (comparison, key) in zip(axes, product(shown, VIOLATIONS), strict=True):
            # Logarithmic: models differ by factors, and a good one must be seen below the line of
            # unrelated forces.
            data += base.draw_lines(
                axis, found[key, comparison], material, key, comparison, log=True,
                top=1.0 if key == "fv" else None,
            )  # fmt: skip
            title = f"{key.upper()}(t), {comparison}"
            axis.set(title=title, xlabel="t (fs)", ylabel=VIOLATIONS[key])
            if key == "fv":
                base.draw_unrelated(axis)
                axis.set_ylim(bottom=min(0.2, axis.get_ylim()[0]), top=1.0)
        yield base.finish(figure, "violation", data, material.colours)


def draw_learning(material: Material) -> Iterator[PageFigure]:
    """Validation errors over epochs."""
    from matplotlib.ticker import MaxNLocator  # optional

    (system,) = material.results.systems
    trained = {one.model.name: one.training for one in system.models if one.training is not None}
    panels = {
        ("energy", "energy MAE (meV/atom)"): {m: one.energy for m, one in trained.items()},
        ("force", "force MAE (meV/Å)"): {m: one.force for m, one in trained.items()},
    }
    if not any(one for curves in panels.values() for one in curves.values()):
        return
    data: list[Row] = []
    with base.panels(2, 2, 2.7, top=0.5) as (figure, axes):
        for axis, ((quantity, title), curves) in zip(axes, panels.items(), strict=True):
            data += base.draw_lines(axis, curves, material, quantity, log=True)
            axis.set(xlabel="epoch", ylabel=title)
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        yield base.finish(figure, "learning", data, material.colours)


def draw_temperature(material: Material) -> Iterator[PageFigure]:
    """Temperature of every rollout, a panel a model."""
    (system,) = material.results.systems
    shown = {
        one.model.name: [(r.number, r.temperature) for r in one.rollouts if r.temperature]
        for one in system.models
        if any(r.temperature for r in one.rollouts)
    }
    if not shown:
        return
    data: list[Row] = []
    with base.panels(
        len(shown), min(2, len(shown)), 2.5, top=0.3, hspace=0.5, left=0.85
    ) as (figure, axes):  # fmt: skip
        for axis, (model, curves) in zip(axes, shown.items(), strict=True):
            for number, curve in curves:
                alpha = max(0.35, 1.25 - 0.25 * number)
                axis.plot(curve.x, curve.y, color=material.colour(model), lw=1.1, alpha=alpha,
                          label=f"start {number}")  # fmt: skip
                data += base.curve_rows(curve, model, number)
            axis.axhline(system.temperature_kelvin, color=base.INK, lw=1, ls="--",
                         label="thermostat")  # fmt: skip
            axis.set(title=model, xlabel="t (fs)", ylabel="temperature (K)")
            low, high = axis.get_ylim()
            axis.set_ylim(low, high + 0.32 * (high - low))  # room for the legend
            axis.legend(loc="upper center", ncols=4, handlelength=1.1, columnspacing=1.0)
        yield base.finish(figure, "temperature", data)
