"""The way of least energy between two structures, by the nudged elastic band."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.geometry import find_mic
from ase.mep import NEB
from ase.optimize import FIRE
from numpy.typing import NDArray

from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import atomic_path


@dataclass(frozen=True)
class MinimumEnergyPath:
    """Images from the first structure to the last.

    Attributes:
        images: each with its own energy and forces (and stress) as results.
        energies_ev: relative to the first image, (n,).
        way_angstrom: length of the way to each image, (n,).
        barrier_ev: highest energy above the first image.
        back_ev: above the last one.
        converged: whether the forces across the band fell below the bound.
        steps: of the optimiser.
    """

    images: list[Atoms]
    energies_ev: NDArray[np.float64]
    way_angstrom: NDArray[np.float64]
    barrier_ev: float
    back_ev: float
    converged: bool
    steps: int


def nudged_elastic_band(
    first: Atoms,
    last: Atoms,
    *,
    n_images: int = 7,
    fmax: float = 0.05,
    max_steps: int = 500,
    climb: bool = True,
) -> MinimumEnergyPath:
    """Relax a band between two relaxed structures (ase: improved tangent, FIRE).

    Args:
        first, last: with a calculator each; the same atoms in the same order and cell.
        n_images: with both ends, at least 3.
        fmax: bound on the force across the band in eV/A.
        max_steps: of the optimiser.
        climb: let the highest image climb to the saddle point.

    Raises:
        EgraffError: other atoms, another cell, or too few images.
    """
    if first.get_chemical_symbols() != last.get_chemical_symbols():
        raise EgraffError(
            "neb: expected the same atoms in the same order at both ends, got "
            f"{first.get_chemical_formula()} and {last.get_chemical_formula()}, or another order."
        )
    if not np.allclose(np.asarray(first.cell), np.asarray(last.cell), atol=1e-6):
        raise EgraffError("neb: expected the same cell at both ends: relax them in one cell.")
    if n_images < 3:
        raise EgraffError(f"neb: expected at least 3 images with both ends, got {n_images}.")
    images = [first.copy() for _ in range(n_images - 1)] + [last.copy()]
    for image in images:
        image.calc = first.calc
    band = NEB(images, climb=climb, method="improvedtangent", allow_shared_calculator=True, k=0.1)
    band.interpolate(mic=bool(first.pbc.any()))
    optimiser = FIRE(band, logfile=None)
    converged = bool(optimiser.run(fmax=fmax, steps=max_steps))
    energies = np.array([float(image.get_potential_energy()) for image in images])
    images = [_with_results(image) for image in images]
    # By the shortest way, as the band goes: the ends may lie in other images of the cell.
    steps = [b.positions - a.positions for a, b in pairwise(images)]
    moves = [np.linalg.norm(find_mic(step, first.cell, first.pbc)[0]) for step in steps]
    return MinimumEnergyPath(
        images=images,
        energies_ev=energies - energies[0],
        way_angstrom=np.concatenate([[0.0], np.cumsum(moves)]),
        barrier_ev=float(energies.max() - energies[0]),
        back_ev=float(energies.max() - energies[-1]),
        converged=converged,
        steps=int(optimiser.nsteps),
    )


def _with_results(image: Atoms) -> Atoms:
    """A copy with its own results.

    ASE writes what is in an image's calculator, and in one that images share there are the results
    of the last image that was evaluated.
    """
    image.get_forces()
    known = image.calc.results  # without what a constraint takes away
    kept = {name: known[name] for name in ("energy", "forces", "stress") if name in known}
    frozen = image.copy()
    frozen.calc = SinglePointCalculator(frozen, **kept)
    return frozen


def draw_path(found: MinimumEnergyPath, path: Path, kind: str) -> None:
    """Write energies along the way to a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.0, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    axis.plot(found.way_angstrom, found.energies_ev, "o-", markersize=4)
    axis.set_xlabel("way of all atoms, A")
    axis.set_ylabel("energy, eV")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150, format=kind)
