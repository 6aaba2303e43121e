"""A rollout at a glance: temperature, energies, pressure over time, and its last frame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.visualize.plot import plot_atoms

from egraff_lmp.data.frames import Frames
from egraff_lmp.data.lammps_thermo import Thermo
from egraff_lmp.fileio import atomic_path

MOST_ATOMS = 5000  # of the picture of a structure: more are a blot


def draw_rollout(thermo: Thermo, frames: Frames | None, path: Path, kind: str) -> None:
    """Write four panels, the structure only of at most `MOST_ATOMS` atoms.

    Args:
        thermo: of the whole rollout.
        frames: its trajectory, whose last frame is drawn; None leaves it out.
        path: file to write.
        kind: its format, such as "png".
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 6.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 2)
    time = thermo.time_fs / 1000
    rows: tuple[tuple[Any, str, Callable[[Any], None]], ...] = (
        (axes[0, 0], "temperature, K", lambda a: a.plot(time, thermo.temperature_kelvin)),
        (axes[0, 1], "energy since the first step, eV", lambda a: _energies(a, time, thermo)),
        (axes[1, 0], "pressure, bar", lambda a: a.plot(time, thermo.pressure_bar)),
    )
    for axis, title, draw in rows:
        draw(axis)
        axis.set_title(title, fontsize="medium")
        axis.set_xlabel("time, ps")
    if frames is None or frames.n_atoms > MOST_ATOMS or not len(frames):
        axes[1, 1].remove()
    else:
        _structure(axes[1, 1], frames)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120, format=kind)


def _energies(axis: Any, time: Any, thermo: Thermo) -> None:
    axis.plot(time, thermo.potential_ev - thermo.potential_ev[:1], label="potential")
    axis.plot(time, thermo.total_ev - thermo.total_ev[:1], label="total")
    axis.legend(frameon=False)


def _structure(axis: Any, frames: Frames) -> None:
    """The last frame, wrapped into its cell, seen a little from the side."""
    atoms = Atoms(frames.species, frames.positions[-1], cell=frames.cell[-1], pbc=frames.pbc)
    atoms.wrap()
    plot_atoms(atoms, axis, rotation="10x,-10y", show_unit_cell=2 if atoms.cell.rank == 3 else 0)
    axis.set_title(f"last frame, {frames.formula}", fontsize="medium")
    axis.set_axis_off()
