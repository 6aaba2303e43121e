"""Surfaces as pictures: of one potential, or reference, model and difference beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from egraff_lmp.fileio import atomic_path
from egraff_lmp.metadynamics.record import Result, compared_bins
from egraff_lmp.metadynamics.settings import Settings
from egraff_lmp.metadynamics.surface import difference
from egraff_lmp.score.arrays import Floats

SHOWN_LIMITS = 1.5  # of the colours, so that it is seen what lies above the limit
TICKS = (-180, -90, 0, 90, 180)


def draw_surface(found: Result, path: Path, kind: str, limit_kcal: float) -> None:
    """The mean surface of one potential."""
    figure, (axis,) = _figure(1)
    _map(figure, axis, found.settings, found.mean_kcal(), found.potential, limit_kcal)
    _save(figure, path, kind)


def draw_comparison(
    model: Result, reference: Result, path: Path, kind: str, limit_kcal: float
) -> None:
    """Reference, model, and their difference in the bins that are compared."""
    figure, axes = _figure(3)
    truth, own = reference.mean_kcal(), model.mean_kcal()
    chosen = compared_bins(reference, limit_kcal)
    _map(figure, axes[0], model.settings, truth, reference.potential, limit_kcal)
    _map(figure, axes[1], model.settings, own, model.potential, limit_kcal)
    shown = np.where(chosen, difference(own, truth, chosen), np.nan)
    largest = max(float(np.nanquantile(np.abs(shown), 0.99)), 0.1)
    image = axes[2].imshow(
        shown.T, extent=(-180, 180, -180, 180), origin="lower", cmap="RdBu_r", vmin=-largest,
        vmax=largest,
    )  # fmt: skip
    figure.colorbar(image, ax=axes[2], label="model - reference, kcal/mol", shrink=0.8)
    axes[2].set_title("difference", fontsize="small")
    _label(axes[2], model.settings)
    _save(figure, path, kind)


def _figure(columns: int) -> tuple[Any, list[Any]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * columns, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(np.atleast_1d(figure.subplots(1, columns)))


def _map(
    figure: Any, axis: Any, settings: Settings, surface: Floats, title: str, limit_kcal: float
) -> None:
    centres = settings.centres_degrees()
    levels = np.linspace(0.0, SHOWN_LIMITS * limit_kcal, 19)
    # The first row and column once more behind the last: both torsions are periodic.
    around = np.append(centres, centres[0] + 360)
    closed = np.pad(surface, (0, 1), mode="wrap")
    drawn = axis.contourf(around, around, closed.T, levels=levels, cmap="viridis", extend="max")
    # ... and what lies left of the first middle, a half bin.
    axis.contourf(around - 360, around, closed.T, levels=levels, cmap="viridis", extend="max")
    axis.contourf(around, around - 360, closed.T, levels=levels, cmap="viridis", extend="max")
    figure.colorbar(drawn, ax=axis, label="free energy, kcal/mol", shrink=0.8)
    axis.set_title(title, fontsize="small")
    _label(axis, settings)


def _label(axis: Any, settings: Settings) -> None:
    first, second = settings.torsions
    axis.set(xlim=(-180, 180), ylim=(-180, 180), xticks=TICKS, yticks=TICKS, aspect="equal")
    axis.set_xlabel(f"{first.name}, degrees")
    axis.set_ylabel(f"{second.name}, degrees")


def _save(figure: Any, path: Path, kind: str) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130, format=kind)
