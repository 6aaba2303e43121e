"""Figures of one system: distributions, violations and temperature over time, learning curves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from egraff_lmp.report.figures import base
from egraff_lmp.report.figures.base import Material, PageFigure
from egraff_lmp.results.curves import REFERENCE, ROLLOUTS, distribution
from egraff_lmp.results.record import Curve, ModelResult
from egraff_lmp.score.records import COMPARISONS
from egraff_lmp.score.violation import UNCORRELATED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BAND = {"low": "", "high": ""}


def _results(material: Material) -> dict[str, ModelResult]:
    return {one.model.name: one for _, one in material.results}


def draw_rdf(material: Material) -> Iterator[PageFigure]:
    """g(r) or h(r) of the reference and of every model, a panel a pair of elements."""
    scores = {m: one.scores for m, one in _results(material).items() if one.scores is not None}
    first = next(iter(scores.values()), None)
    known = first.curves.get(REFERENCE) if first is not None else None
    if known is None:
        return
    parts = list(known.g)
    columns = min(2, len(parts))
    data = []
    with base.canvas(-(-len(parts) // columns), columns, 2.7, top=0.5, hspace=0.42) as (
        figure,
        axes,
    ):
        for axis, part in zip(axes.flat, parts, strict=False):
            reference = distribution(first, REFERENCE, part)
            if reference is not None:
                axis.fill_between(reference.x, reference.y, color="#d0d7de", lw=0)
                data += base.curve_rows(reference, part, "reference")
            curves = {m: c for m, one in scores.items()
                      if (c := distribution(one, ROLLOUTS, part)) is not None}  # fmt: skip
            base.draw_lines(axis, curves, material)
            data += [row for m, c in curves.items() for row in base.curve_rows(c, part, m)]
            axis.set_title(part)
            axis.set_xlabel("r (Å)")
            axis.set_ylabel(f"{known.kind}(r)" + (" (1/Å)" if known.kind == "h" else ""))
            axis.set_ylim(bottom=0)
            if known.kind == "g":
                axis.axhline(1, color="#8c959f", lw=0.7, ls=":")
        base.hide_rest(axes.flat, len(parts))
        from matplotlib.patches import Patch  # optional

        base.legend(figure, material, [Patch(color="#d0d7de", label="reference")])
        units = {"part": "", "of": "", "r": "A", "value": "1 or 1/A", **_BAND}
        yield base.finish(
            figure, "structure", "Pair distributions",
            "All pairs together and each pair of elements: g(r), for molecules the distribution "
            "h(r) of pair distances. Grey: held-out frames of the reference; coloured: the mean "
            "over the rollouts of each model.",
            base.table(units, data), "structure",
        )  # fmt: skip


def draw_violation(material: Material) -> Iterator[PageFigure]:
    """EV(t) and FV(t), a row a comparison."""
    (system,) = material.labels
    panels: dict[str, dict[str, dict[str, Curve]]] = {}
    for comparison in COMPARISONS:
        found = {
            key: {m: c for m in material.models
                  if (c := material.curve(system, m, key, comparison)) is not None}
            for key in ("ev", "fv")
        }  # fmt: skip
        if any(found.values()):
            panels[comparison] = found
    if not panels:
        return
    data = []
    with base.canvas(len(panels), 2, 2.6, top=0.5, hspace=0.45) as (figure, axes):
        for row, (comparison, found) in zip(axes, panels.items(), strict=True):
            for axis, (key, curves) in zip(row, found.items(), strict=True):
                _violation(axis, key, comparison, curves, material)
                data += [
                    one for m, c in curves.items() for one in base.curve_rows(c, key, comparison, m)
                ]
        base.legend(figure, material, [base.dashed(base.FV_TITLE)])
        units = {"key": "", "comparison": "", "model": "", "t": "fs", "value": "1", **_BAND}
        yield base.finish(
            figure, "violation", "Energy and force violation over time",
            "EV(t) and FV(t), the geometric mean over the independent rollouts (band: their range) "
            "and over short windows of time; for rerun-reference, t counts along the held-out "
            "frames. Two unrelated force fields of equal size give FV = 0.7071 (dashed): a "
            "comparison at equal times ends there for any model, the exact one too, once the two "
            "trajectories have separated.",
            base.table(units, data), "rollouts",
        )  # fmt: skip


def _violation(
    axis: Axes, key: str, comparison: str, curves: Mapping[str, Curve], material: Material
) -> None:
    # Logarithmic: models differ by factors, and a good one must be seen below the dashed line.
    base.draw_lines(axis, curves, material, log=True, top=1.0 if key == "fv" else None)
    axis.set_title(f"{key.upper()}(t), {comparison}")
    axis.set_xlabel("t (fs)")
    axis.set_ylabel("energy violation" if key == "ev" else "force violation")
    if key == "fv":
        axis.axhline(UNCORRELATED, color=base.INK, lw=1, ls="--")
        axis.set_ylim(bottom=min(0.2, axis.get_ylim()[0]), top=1.0)


def draw_learning(material: Material) -> Iterator[PageFigure]:
    """Validation errors over epochs."""
    trained = {m: one.training for m, one in _results(material).items() if one.training}
    panels = {
        ("energy", "energy MAE (meV/atom)"): {m: t.energy for m, t in trained.items() if t.energy},
        ("force", "force MAE (meV/Å)"): {m: t.force for m, t in trained.items() if t.force},
    }
    if not any(panels.values()):
        return
    from matplotlib.ticker import MaxNLocator  # optional

    data = []
    with base.canvas(1, 2, 2.7, top=0.5) as (figure, axes):
        for axis, ((quantity, title), curves) in zip(axes.flat, panels.items(), strict=True):
            base.draw_lines(axis, curves, material, log=True)
            data += [row for m, c in curves.items() for row in base.curve_rows(c, quantity, m)]
            axis.set_xlabel("epoch")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            axis.set_ylabel(title)
        base.legend(figure, material)
        units = {"of": "", "model": "", "epoch": "", "error": "meV/atom or meV/A", **_BAND}
        yield base.finish(
            figure, "learning", "Learning curves",
            "Errors on the validation frames during training. The weights that were deployed are "
            "those of the best validation loss.",
            base.table(units, data), "accuracy",
        )  # fmt: skip


def draw_temperature(material: Material) -> Iterator[PageFigure]:
    """Temperature of every rollout, a panel a model."""
    (system,) = material.results.systems
    shown = {
        m: [(r.number, r.temperature) for r in one.rollouts if r.temperature is not None]
        for m, one in _results(material).items()
    }
    shown = {m: curves for m, curves in shown.items() if curves}
    if not shown:
        return
    columns = min(2, len(shown))
    data = []
    with base.canvas(-(-len(shown) // columns), columns, 2.5, top=0.3, hspace=0.5, left=0.85) as (
        figure,
        axes,
    ):
        for axis, (model, curves) in zip(axes.flat, shown.items(), strict=False):
            for number, curve in curves:
                axis.plot(
                    curve.x,
                    curve.y,
                    color=material.colour(model),
                    lw=1.1,
                    alpha=max(0.35, 1.25 - 0.25 * number),
                    label=f"start {number}",
                )
                data += base.curve_rows(curve, model, number)
            axis.axhline(
                system.temperature_kelvin, color=base.INK, lw=1, ls="--", label="thermostat"
            )
            axis.set_title(model)
            axis.set_xlabel("t (fs)")
            axis.set_ylabel("temperature (K)")
            low, high = axis.get_ylim()
            axis.set_ylim(low, high + 0.32 * (high - low))  # room for the legend
            axis.legend(loc="upper center", ncols=4, handlelength=1.1, columnspacing=1.0)
        base.hide_rest(axes.flat, len(shown))
        units = {"model": "", "start": "", "t": "fs", "temperature": "K", **_BAND}
        yield base.finish(
            figure, "temperature", "Temperature of the rollouts",
            "Kinetic temperature of every rollout; dashed: the temperature of the thermostat.",
            base.table(units, data), "motion",
        )  # fmt: skip
