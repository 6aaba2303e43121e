"""Figures of one system: violations and temperature over time, learning curves."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from egraff_lmp.report.figures import base
from egraff_lmp.report.figures.base import CONTROLS, VIOLATIONS, Material, PageFigure, Row
from egraff_lmp.results.record import Curve
from egraff_lmp.score.records import COMPARISONS


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
        yield base.finish(figure, "violation", data, material.legend)


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
        yield base.finish(figure, "learning", data, material.legend)


def draw_temperature(material: Material) -> Iterator[PageFigure]:
    """Temperature of every rollout, a panel a model; negative controls share the last one."""
    (system,) = material.results.systems
    shown: dict[str, list[tuple[str, int, Curve]]] = {}
    for one in sorted(system.models, key=lambda result: result.model.control is not None):
        name = one.model.name
        panel = CONTROLS if name in material.controls else name
        known = [(name, r.number, r.temperature) for r in one.rollouts if r.temperature]
        if known:
            shown.setdefault(panel, []).extend(known)
    if not shown:
        return
    data: list[Row] = []
    with base.panels(
        len(shown), min(2, len(shown)), 2.5, top=0.3, hspace=0.5, left=0.85
    ) as (figure, axes):  # fmt: skip
        for axis, (panel, curves) in zip(axes, shown.items(), strict=True):
            thin = panel == CONTROLS
            for model, number, curve in curves:
                alpha = max(0.35, 1.25 - 0.25 * number)
                axis.plot(curve.x, curve.y, color=material.colour(model), alpha=alpha,
                          lw=base.THIN if thin else 1.1,
                          label=None if thin else f"start {number}")  # fmt: skip
                data += base.curve_rows(curve, model, number)
            axis.axhline(system.temperature_kelvin, color=base.INK, lw=1, ls="--",
                         label="thermostat")  # fmt: skip
            axis.set(title=panel, xlabel="t (fs)", ylabel="temperature (K)")
            low, high = axis.get_ylim()
            axis.set_ylim(low, high + 0.32 * (high - low))  # room for the legend
            axis.legend(loc="upper center", ncols=4, handlelength=1.1, columnspacing=1.0)
        yield base.finish(figure, "temperature", data)
