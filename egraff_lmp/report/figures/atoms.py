"""The systems themselves (as Fig. 2 of EGraFFBench), and a rotation of them (as its Fig. 1).

An equivariant force field turns its forces along with the atoms, F(Rx) = R F(x). The figure shows
that on the first held-out frame, and beside it how far each model is from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from ase.data.colors import jmol_colors
from numpy.typing import NDArray

from egraff_lmp.report.figures import base
from egraff_lmp.report.figures.base import Material, PageFigure, Row
from egraff_lmp.results.record import Snapshot, System
from egraff_lmp.score.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

TURN_DEGREES = 50.0  # of the figure, around the line of sight
RADIUS = 0.55  # of a drawn atom, of its covalent radius
ARROW_A = 1.2  # length of an arrow of the root-mean-square force
BOND = 1.2  # of the sum of covalent radii
MARGIN_A = 1.5
LEAST = 1e-7  # meV/A: what is exact stands there on a logarithmic axis


def draw_systems(material: Material) -> Iterator[PageFigure]:
    """A panel a system, with its size and the length of its reference."""
    systems = [one for one in material.results.systems if one.reference.first is not None]
    for ending, names in material.groups([one.name for one in systems]):
        shown = [one for one in systems if one.name in names]
        columns = min(4, len(shown))
        with base.panels(len(shown), columns, 2.6, top=0.45, bottom=0.1, left=0.1,
                         hspace=0.25, wspace=0.1) as (figure, axes):  # fmt: skip
            for axis, system in zip(axes, shown, strict=True):
                frame = system.reference.first
                if frame is not None:
                    draw_frame(axis, frame, view())
                axis.set_title(f"{system.label}\n{_size(system)}", fontsize=8.5)
            data = [
                (one.name, element, number, one.reference.frames)
                for one in shown
                for element, number in one.reference.species.items()
            ]
            yield base.finish(figure, "fig2-systems", data, ending=ending)


def draw_rotation(material: Material) -> Iterator[PageFigure]:
    """A row a system: a frame with its forces, both turned, and how far the models are from it."""
    systems = [
        one for one in material.results.systems
        if one.reference.first is not None and any(m.equivariance for m in one.models)
    ]  # fmt: skip
    for ending, names in material.groups([one.name for one in systems]):
        shown = [one for one in systems if one.name in names]
        data: list[Row] = []
        with base.canvas(
            len(shown), 3, 2.9, left=0.1, right=1.15, top=0.4, bottom=0.55, wspace=0.1, hspace=0.3
        ) as (figure, axes):
            for line, system in zip(axes, shown, strict=True):
                data += _row(line, material, system)
            absent = [
                material.titles[m.model.name] for one in shown for m in one.models
                if m.scores is not None and m.equivariance is None
            ]  # fmt: skip
            note = [f"Not measured of {', '.join(dict.fromkeys(absent))}."] if absent else []
            yield base.finish(figure, "fig1-rotation", data, ending=ending, note=note)


def _row(axes: Sequence[Axes], material: Material, system: System) -> list[Row]:
    from matplotlib.lines import Line2D  # optional

    frame = system.reference.first
    if frame is not None:
        draw_frame(axes[0], frame, view(), arrows=True)
        draw_frame(axes[1], frame, turn() @ view(), arrows=True)
    axes[0].set_title(f"{system.label}: x and F(x)", fontsize=9)
    axes[1].set_title("Rx and R F(x)", fontsize=9)
    found = {m.model.name: m.equivariance for m in system.models if m.equivariance is not None}
    bars = axes[2]
    for place, (model, one) in enumerate(found.items()):
        colour = material.colour(model)
        for value, marker in ((one.rotation, "o"), (one.inversion, "x"), (one.rms_force, "|")):
            bars.scatter([max(value, LEAST)], [place], color=colour, marker=marker, s=36)
    base.plain_log(bars, "x")
    bars.set_yticks(range(len(found)), [material.titles[model] for model in found], fontsize=8)
    bars.yaxis.tick_right()
    bars.set_ylim(len(found) - 0.5, -0.5)
    bars.set_xlabel("|F(Rx) − R F(x)| (meV/Å)", fontsize=8.5)
    bars.tick_params(labelsize=8)
    handles = [Line2D([], [], color=base.INK, marker=marker, lw=0, label=name)
               for marker, name in _MARKS.items()]  # fmt: skip
    bars.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3,
                fontsize=7.5, handletextpad=0.1, columnspacing=0.8)  # fmt: skip
    return [
        (system.name, model, one.rotation, one.inversion, one.rms_force)
        for model, one in found.items()
    ]


_MARKS = {"o": "rotation", "x": "inversion", "|": "r.m.s. force"}


def view() -> Floats:
    """From space to the page: columns are x, y and depth, a little from above and aside."""
    a, b = np.radians(-18.0), np.radians(12.0)
    around_y = [[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]]
    around_x = [[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]
    return np.array(around_x) @ np.array(around_y)


def turn() -> Floats:
    """A rotation in the plane of the page."""
    angle = np.radians(TURN_DEGREES)
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def draw_frame(axis: Axes, frame: Snapshot, matrix: Floats, arrows: bool = False) -> None:
    """Atoms as discs, those behind first, with bonds of molecules, the cell, and forces."""
    from matplotlib.collections import LineCollection, PatchCollection  # optional
    from matplotlib.patches import Circle  # optional

    x = np.array(frame.positions) @ matrix.T
    numbers = np.array([atomic_numbers[element] for element in frame.species])
    radii = covalent_radii[numbers]
    cell = np.array(frame.cell)
    reach = x[:, :2]
    if np.abs(np.linalg.det(cell)) > 0:
        edges = (cell_edges(cell) @ matrix.T)[:, :, :2]
        reach = np.concatenate([reach, edges.reshape(-1, 2)])
        axis.add_collection(LineCollection(list(edges), colors="#afb8c1", linewidths=0.8))
    else:
        pairs = x[bonds(np.array(frame.positions), radii)][:, :, :2]
        axis.add_collection(LineCollection(list(pairs), colors="#57606a", linewidths=2.0))
    order = np.argsort(x[:, 2])
    discs = [Circle(tuple(x[k, :2]), RADIUS * radii[k]) for k in order]
    axis.add_collection(PatchCollection(
        discs, facecolors=jmol_colors[numbers[order]], edgecolors=base.INK, linewidths=0.4,
        zorder=2,
    ))  # fmt: skip
    if arrows and frame.forces is not None:
        f = np.array(frame.forces) @ matrix.T
        f = f * ARROW_A / max(float(np.sqrt((f**2).mean())), 1e-12)
        axis.quiver(x[:, 0], x[:, 1], f[:, 0], f[:, 1], angles="xy", scale_units="xy", scale=1,
                    width=0.006, color="#b3261e", zorder=3)  # fmt: skip
    # Around the mean, as far as the farthest: what is turned keeps its scale.
    centre = reach.mean(axis=0)
    half = float(np.linalg.norm(reach - centre, axis=1).max()) + MARGIN_A
    for which, middle in zip(("x", "y"), centre.tolist(), strict=True):
        axis.set(**{f"{which}lim": (middle - half, middle + half)})
    axis.set_aspect("equal")
    axis.axis("off")


def cell_edges(cell: Floats) -> Floats:
    """The twelve edges of a cell with rows as its vectors, (12, 2, 3)."""
    corners = np.array(list(product((0, 1), repeat=3)))
    pairs = [(a, b) for a in corners for b in corners if (b - a).sum() == 1 and (b >= a).all()]
    return np.array(pairs) @ cell


def bonds(positions: Floats, radii: Floats) -> NDArray[np.int64]:
    """Pairs of atoms within `BOND` times the sum of their covalent radii, (B, 2)."""
    distance = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    near = distance < BOND * (radii[:, None] + radii[None])
    return np.argwhere(np.triu(near, 1))


def _size(system: System) -> str:
    reference = system.reference
    atoms = " ".join(f"{number} {element}" for element, number in reference.species.items())
    frames = "" if reference.frames is None else f", {counted(reference.frames, 'frame')}"
    return f"{atoms}{frames}"
