"""Differences of a comparison beside what the precision allows, as one picture."""

from __future__ import annotations

from pathlib import Path

from egraff_lmp.compare.compare import Comparison
from egraff_lmp.fileio import atomic_path

SMALLEST = 1e-18  # where a difference of exactly 0 is drawn: a logarithm has no 0


def draw_comparison(found: Comparison, path: Path, kind: str) -> None:
    """Write a row for each difference: energy, forces, virial, per-atom energies, and the bound.

    Args:
        found: differences; energy and virial are divided by the number of atoms, as the bound
            asks.
        path: file to write.
        kind: its format, such as "png".
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    atoms = max(1, found.n_atoms)
    values = {
        "energy, eV/atom": [one.energy_ev / atoms for one in found.differences],
        "forces, eV/A": [one.forces_ev_per_a for one in found.differences],
        "virial, eV/atom": [one.virial_ev / atoms for one in found.differences],
        "atomic energies, eV": [one.energies_ev for one in found.differences],
    }
    rows = len(found.differences)
    figure = Figure(figsize=(6.4, 1.4 + 0.6 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    places = range(rows)
    for shift, (name, each) in enumerate(values.items()):
        heights = [place + 0.15 * (shift - 1.5) for place in places]
        axis.plot([max(v, SMALLEST) for v in each], heights, "o", ms=5, label=name)
    for place, one in zip(places, found.differences, strict=True):
        axis.plot([one.tolerance] * 2, [place - 0.4, place + 0.4], color="0.3", lw=2)
    axis.plot([], [], color="0.3", lw=2, label="allowed")
    axis.set_xscale("log")
    axis.set_yticks(list(places), [f"{one.first} / {one.second}" for one in found.differences])
    axis.set_ylim(rows - 0.5, -0.5)
    axis.set_xlabel(f"largest difference ({found.dtype}, {found.n_atoms} atoms)")
    figure.legend(loc="outside right upper", frameon=False, fontsize="small")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120, format=kind)
