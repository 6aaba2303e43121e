"""A volume that is shrunk in steps, with positions relaxed after each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.units import GPa
from numpy.typing import NDArray

from egraff_lmp.physics.contacts import TOO_CLOSE, closest_share
from egraff_lmp.physics.record import Line, Panel, Subject
from egraff_lmp.tasks.relax import relax
from egraff_lmp.verify.finding import Finding, at_most, not_applicable

VOLUMES = tuple(round(1 - 0.05 * k, 2) for k in range(9))  # 1 to 0.6
FMAX_EV_PER_ANGSTROM = 0.1
STEPS = 40  # of a relaxation: liquids and glasses need not reach their minimum
# A pressure that falls while the volume shrinks is an instability; half a GPa is what a rearranging
# liquid may fall by, where a step of 5 per cent adds several.
FALL_GPA = 0.5
_REACHED = "volume reached without a failure"


@dataclass(frozen=True)
class Squeezed:
    """The ramp, as far as it went.

    Attributes:
        volumes: shares of the first volume, (n,), descending.
        energies_ev: an atom, (n,).
        pressures_gpa: of the static, relaxed structure, (n,).
        shares: closest atoms over their covalent radii, (n,).
    """

    volumes: NDArray[np.float64]
    energies_ev: NDArray[np.float64]
    pressures_gpa: NDArray[np.float64]
    shares: NDArray[np.float64]


def judge(subject: Subject) -> tuple[Sequence[Finding], Sequence[Panel]]:
    """The start of dynamics, if it is a bulk."""
    start = subject.structure
    if not all(start.pbc):
        reason = "a structure that is not periodic in three directions has no volume"
        return [not_applicable(_REACHED, reason)], []
    atoms = Atoms(start.species, start.positions, cell=start.cell, pbc=True)
    atoms.calc = subject.calculator
    found = squeeze(atoms)
    return judge_ramp(found), _panels(found)


def squeeze(atoms: Atoms) -> Squeezed:
    """Shrink the cell by `VOLUMES`; each step starts from the relaxed structure before it.

    The ramp ends after the first volume with numbers that are not finite or with atoms inside each
    other: what follows says nothing.
    """
    rows: list[tuple[float, float, float, float]] = []
    current, cell = atoms.copy(), np.asarray(atoms.cell)
    for volume in VOLUMES:
        current.set_cell(cell * volume ** (1 / 3), scale_atoms=True)
        current.calc = atoms.calc
        if not np.isfinite(current.get_forces()).all():
            rows.append((volume, np.nan, np.nan, np.nan))
            break
        current = relax(current, fmax=FMAX_EV_PER_ANGSTROM, max_steps=STEPS).atoms
        pressure = -float(current.get_stress()[:3].mean()) / GPa
        share = closest_share(
            current.get_chemical_symbols(), current.positions, np.asarray(current.cell), (True,) * 3
        )
        energy = float(current.get_potential_energy()) / len(current)
        rows.append((volume, energy, pressure, share))
        if share < TOO_CLOSE or not np.isfinite([energy, pressure]).all():
            break
    return Squeezed(*np.array(rows).T)


def first_failure(found: Squeezed) -> tuple[float, str]:
    """(share of the volume, what happened) of the first failure; the last share and "" if none."""
    for k, volume in enumerate(found.volumes):
        values = (found.energies_ev[k], found.pressures_gpa[k], found.shares[k])
        if not np.isfinite(values).all():
            return float(volume), "energy, pressure or forces are not finite"
        if found.shares[k] < TOO_CLOSE:
            return float(volume), f"two atoms are at {found.shares[k]:.2f} of their covalent radii"
        if k and found.pressures_gpa[k - 1] - found.pressures_gpa[k] > FALL_GPA:
            before, after = found.pressures_gpa[k - 1 : k + 1]
            return float(volume), f"the pressure fell from {before:.1f} to {after:.1f} GPa"
    return float(found.volumes[-1]), ""


def judge_ramp(found: Squeezed) -> list[Finding]:
    """How far the ramp went."""
    volume, reason = first_failure(found)
    end = 100 * VOLUMES[-1]
    if reason:
        before = 100 * min((v for v in VOLUMES if v > volume), default=1.0)
        where = f"failed at {100 * volume:g} %"
        return [Finding(_REACHED, "failed", before, end, "% of the start", False, where, reason)]
    return [at_most(_REACHED, 100 * volume, end, "% of the start")]


def _panels(found: Squeezed) -> list[Panel]:
    percent = 100 * found.volumes
    rows = (
        ("pressure", "pressure, GPa", found.pressures_gpa),
        ("energy", "energy, eV/atom", found.energies_ev),
        ("closest atoms", "share of covalent radii", found.shares),
    )
    return [
        Panel(title, "volume, % of the start", label, (Line.of("", percent, values),), points=True)
        for title, label, values in rows
    ]
