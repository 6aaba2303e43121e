"""Relaxation of positions, and of the cell where it is asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.filters import FrechetCellFilter
from ase.optimize import LBFGS
from ase.units import GPa

from egraff_lmp.tasks.structure import require_crystal

FMAX = 0.01


@dataclass(frozen=True)
class Relaxation:
    """A structure before and after.

    Attributes:
        atoms: relaxed.
        converged: whether all forces fell below the bound.
        steps: of the optimiser.
        energy_before_ev, energy_ev: before and after.
        largest_force_ev_per_angstrom: that is left on an atom.
        volume_before_angstrom3, volume_angstrom3: of the cell; 0 without one.
        largest_move_angstrom: of an atom, relative to the cell.
    """

    atoms: Atoms
    converged: bool
    steps: int
    energy_before_ev: float
    energy_ev: float
    largest_force_ev_per_angstrom: float
    volume_before_angstrom3: float
    volume_angstrom3: float
    largest_move_angstrom: float


def relax(
    atoms: Atoms,
    *,
    fmax: float = FMAX,
    max_steps: int = 500,
    cell: bool = False,
    pressure_gpa: float = 0.0,
) -> Relaxation:
    """Relax a copy of `atoms` by L-BFGS (ase); the cell by its logarithm (`FrechetCellFilter`).

    Args:
        atoms: with a calculator.
        fmax: bound on the force of an atom (and on the generalised force of the cell) in eV/A.
        max_steps: of the optimiser.
        cell: relax the cell, too.
        pressure_gpa: external pressure, with `cell`.

    Raises:
        EgraffError: `cell` for what has no volume.
    """
    if cell:
        require_crystal(atoms, "relax --cell")
    work = atoms.copy()
    work.calc = atoms.calc
    before, volume = float(work.get_potential_energy()), abs(float(np.linalg.det(work.cell)))
    start = work.get_scaled_positions(wrap=False) if work.cell.rank == 3 else None
    moved = FrechetCellFilter(work, scalar_pressure=pressure_gpa * GPa) if cell else work
    optimiser = LBFGS(moved, logfile=None)  # type: ignore[arg-type]
    converged = bool(optimiser.run(fmax=fmax, steps=max_steps))
    if start is None:
        moves = work.positions - atoms.positions
    else:
        moves = (work.get_scaled_positions(wrap=False) - start) @ np.asarray(work.cell)
    return Relaxation(
        atoms=work,
        converged=converged,
        steps=int(optimiser.nsteps),
        energy_before_ev=before,
        energy_ev=float(work.get_potential_energy()),
        largest_force_ev_per_angstrom=float(np.linalg.norm(work.get_forces(), axis=1).max()),
        volume_before_angstrom3=volume,
        volume_angstrom3=abs(float(np.linalg.det(work.cell))),
        largest_move_angstrom=float(np.linalg.norm(moves, axis=1).max()),
    )
