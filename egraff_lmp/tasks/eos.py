"""Equation of state: energy over volume, and what Birch and Murnaghan make of it."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.eos import EquationOfState
from ase.units import GPa
from numpy.typing import NDArray

from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import atomic_path
from egraff_lmp.tasks.relax import relax
from egraff_lmp.tasks.structure import require_crystal


@dataclass(frozen=True)
class StateEquation:
    """Energies over volumes, and the third-order Birch-Murnaghan equation fitted to them.

    Attributes:
        volumes_angstrom3: of the cell, (n,).
        energies_ev: of the cell, (n,).
        volume_angstrom3: of least energy, by the fit.
        energy_ev: there.
        bulk_modulus_gpa: there.
        length_factor: times the lattice constants of the structure that was given.
        residual_ev: root mean square of the fit.
        inside: whether the minimum lies between the first and the last volume.
        converged: whether every relaxation reached its bound.
    """

    volumes_angstrom3: NDArray[np.float64]
    energies_ev: NDArray[np.float64]
    volume_angstrom3: float
    energy_ev: float
    bulk_modulus_gpa: float
    length_factor: float
    residual_ev: float
    inside: bool
    converged: bool


def equation_of_state(
    atoms: Atoms, *, strain: float = 0.06, points: int = 11, relaxed: bool = True
) -> StateEquation:
    """Scale the cell by 1 - strain to 1 + strain in length, evaluate, and fit (ase).

    Args:
        atoms: a crystal with a calculator.
        strain: largest change of lengths.
        points: volumes, at least 5.
        relaxed: relax the positions at each volume.

    Raises:
        EgraffError: no crystal, too few points, or energies without a minimum to fit.
    """
    require_crystal(atoms, "eos")
    if points < 5 or not 0 < strain < 0.5:
        raise EgraffError(
            f"eos: expected at least 5 points and a strain between 0 and 0.5, got {points} and "
            f"{strain:g}."
        )
    volumes, energies, converged = [], [], True
    for factor in np.linspace(1 - strain, 1 + strain, points):
        scaled = atoms.copy()
        scaled.set_cell(np.asarray(atoms.cell) * factor, scale_atoms=True)
        scaled.calc = atoms.calc
        volumes.append(float(scaled.get_volume()))
        if relaxed:
            found = relax(scaled)
            converged = converged and found.converged
            energies.append(found.energy_ev)
        else:
            energies.append(float(scaled.get_potential_energy()))
    fit = EquationOfState(volumes, energies, eos="birchmurnaghan")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # of volumes below 0 on the way of a fit without minimum
            v0, e0, bulk = fit.fit(warn=False)
    except (ValueError, RuntimeError):
        v0 = bulk = math.nan
    if not (v0 > 0 and bulk > 0):  # a fit finds maxima, too
        raise EgraffError(
            f"eos: expected energies with a minimum near strains of {-strain:g} to {strain:g}, got "
            "none that a fit finds: give a structure nearer to its minimum, such as one of `egraff "
            "relax --cell`, or a larger strain."
        )
    shape = np.array([fit.func(v, *fit.eos_parameters) for v in volumes])
    return StateEquation(
        volumes_angstrom3=np.array(volumes),
        energies_ev=np.array(energies),
        volume_angstrom3=float(v0),
        energy_ev=float(e0),
        bulk_modulus_gpa=float(bulk / GPa),
        length_factor=float((v0 / atoms.get_volume()) ** (1 / 3)),
        residual_ev=float(np.sqrt(np.mean((shape - energies) ** 2))),
        inside=bool(volumes[0] < v0 < volumes[-1]),
        converged=converged,
    )


def draw_equation(found: StateEquation, n_atoms: int, path: Path, kind: str) -> None:
    """Write energies over volumes with the minimum, per atom, to a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.0, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    axis.plot(found.volumes_angstrom3 / n_atoms, found.energies_ev / n_atoms, "o-", markersize=4)
    if found.inside:
        axis.axvline(found.volume_angstrom3 / n_atoms, color="0.6", linestyle=":")
    axis.set_xlabel("volume, A^3/atom")
    axis.set_ylabel("energy, eV/atom")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150, format=kind)
