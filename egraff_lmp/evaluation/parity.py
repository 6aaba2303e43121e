"""Predictions against references as one picture: energies, forces by element, stress."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.evaluation.errors import FrameResult
from egraff_lmp.fileio import atomic_path, picture_format

MOST_POINTS = 20_000  # of a panel: more are a blot, and a large file


def draw_parity(results: Sequence[FrameResult], path: Path, title: str | None = None) -> None:
    """Write a panel of each label that the frames have.

    Energies are per atom, without the mean reference of their composition, so that compositions of
    other elements stand in one panel. Of more than `MOST_POINTS` a random choice is drawn.

    Args:
        results: of `evaluate_frames`.
        path: PNG, PDF or SVG file.
        title: above the panels.

    Raises:
        EgraffError: another kind of file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    kind = picture_format(path)
    panels = [panel for panel in (_energies(results), _forces(results), _stress(results)) if panel]
    figure = Figure(figsize=(3.6 * len(panels), 3.7), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    if title is not None:
        figure.suptitle(title, fontsize="medium")
    for axis, (name, points) in zip(axes, panels, strict=True):
        _draw(axis, name, points)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150, format=kind)


Points = dict[str, NDArray[np.float64]]  # label to (2, n), references and predictions
Panel = tuple[str, Points]


def _energies(results: Sequence[FrameResult]) -> Panel | None:
    found: dict[str, list[NDArray[np.float64]]] = {}
    for each in results:
        if each.energy is not None:
            found.setdefault(each.composition, []).append(np.array(each.energy) / len(each.species))
    if not found:
        return None
    points = {name: np.stack(values, axis=1) for name, values in found.items()}
    points = {name: values - np.nanmean(values[0]) for name, values in points.items()}
    if len(points) > 6:  # a legend of more is longer than the picture
        points = {f"{len(points)} compositions": np.concatenate(list(points.values()), axis=1)}
    return "energy minus mean of composition, eV/atom", points


def _forces(results: Sequence[FrameResult]) -> Panel | None:
    elements = sorted({str(name) for each in results for name in each.species})
    points = {}
    for element in elements:
        pieces = [
            each.forces[:, each.species == element].reshape(2, -1)
            for each in results
            if each.forces is not None
        ]
        if pieces:
            points[element] = np.concatenate(pieces, axis=1)
    return ("force components, eV/A", points) if points else None


def _stress(results: Sequence[FrameResult]) -> Panel | None:
    known = [each.stress.reshape(2, 9) for each in results if each.stress is not None]
    return ("stress components, eV/A^3", {"": np.concatenate(known, axis=1)}) if known else None


def _draw(axis: Any, title: str, points: Points) -> None:
    random = np.random.default_rng(0)
    points = {name: values[:, np.isfinite(values).all(axis=0)] for name, values in points.items()}
    every = np.concatenate(list(points.values()), axis=1)
    if not every.size:
        every = np.zeros((2, 1))
    low, high = float(every.min()), float(every.max())
    margin = 0.05 * (high - low) or 1.0
    axis.plot([low - margin, high + margin], [low - margin, high + margin], color="0.6", lw=1)
    share = min(1.0, MOST_POINTS / every.shape[1])
    for name, values in points.items():
        n = values.shape[1]
        chosen = (
            random.choice(n, min(n, max(1, round(share * n))), replace=False) if share < 1 else ...
        )
        reference, predicted = values[:, chosen]
        axis.plot(reference, predicted, ".", markersize=3, alpha=0.6, label=name, rasterized=True)
    axis.set_aspect("equal")
    axis.set_xlim(low - margin, high + margin)
    axis.set_ylim(low - margin, high + margin)
    axis.set_title(title, fontsize="small")
    axis.set_xlabel("reference")
    axis.set_ylabel("prediction")
    if any(points):
        axis.legend(frameon=False, fontsize="small", markerscale=2)
