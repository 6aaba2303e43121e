"""Relaxation and equation of state of known crystals."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from egraff_lmp.errors import EgraffError
from egraff_lmp.physics.contacts import TOO_CLOSE, closest_share
from egraff_lmp.physics.prototypes import Prototype, prototypes
from egraff_lmp.physics.record import Line, Panel, Subject
from egraff_lmp.tasks.eos import StateEquation, equation_of_state
from egraff_lmp.tasks.relax import Relaxation, relax
from egraff_lmp.verify.finding import Finding, at_least, at_most, failed, not_applicable, passed

FMAX_EV_PER_ANGSTROM = 0.02
STEPS = 300
STRAIN, POINTS = 0.06, 9
# Density functionals miss volumes by up to 10 per cent (van der Waals crystals), and those measured
# hold thermal expansion: what is further off is no error of a functional.
VOLUME_PERCENT = 15.0
# No crystal is softer than a frozen noble gas.
SOFTEST_GPA = 1.0
# The equation fits energies of density functionals within less over such strains.
FIT_MEV = 5.0
# By which the energy may fall away from its minimum: a second minimum is another crystal.
FALL_MEV = 0.5
ORDER_MEV = 1.0


Found = TypeVar("Found")


@dataclass(frozen=True)
class Relaxed:
    """What a crystal became; None where a step failed, with the reason in `findings`."""

    relaxation: Relaxation | None
    equation: StateEquation | None
    findings: tuple[Finding, ...]


def judge(subject: Subject) -> tuple[Sequence[Finding], Sequence[Panel]]:
    """Every prototype of the model's elements, and the structure that was given."""
    rows = prototypes(subject.contract.species)
    findings: list[Finding] = []
    panels: list[Panel] = []
    energies: dict[str, float] = {}
    for row in rows:
        found = judge_crystal(row.name, row.build(), subject, bool(row.source))
        findings += found.findings
        panels += _panel(row.name, found)
        if found.relaxation is not None:
            energies[row.name] = found.relaxation.energy_ev / len(found.relaxation.atoms)
    findings += judge_order(rows, energies)
    if subject.given and all(subject.structure.pbc):
        start = subject.structure
        atoms = Atoms(start.species, start.positions, cell=start.cell, pbc=True)
        found = judge_crystal("the structure given", atoms, subject, False)
        findings += found.findings
        panels += _panel("the structure given", found)
    if not findings:
        reason = (
            f"no known crystal is made of {' '.join(subject.contract.species)} alone; give one "
            "with --structure"
        )
        findings.append(not_applicable("known crystals", reason))
    return findings, panels


def judge_crystal(name: str, atoms: Atoms, subject: Subject, known: bool) -> Relaxed:
    """One crystal.

    Args:
        name: for the findings.
        atoms: its cell.
        subject: has the calculator.
        known: whether the volume of `atoms` was measured.
    """
    atoms.calc = subject.calculator
    relaxation = tried(lambda: relax(atoms, fmax=FMAX_EV_PER_ANGSTROM, max_steps=STEPS, cell=True))
    if isinstance(relaxation, str):
        return Relaxed(None, None, (failed("relaxation", relaxation, name),))
    findings = _of_relaxation(name, relaxation, known)
    if any(finding.verdict == "failed" for finding in findings):
        reason = "the crystal has no relaxed structure near the one that is known"
        findings.append(Finding("equation of state", "not applicable", where=name, reason=reason))
        return Relaxed(relaxation, None, tuple(findings))
    equation = tried(lambda: equation_of_state(relaxation.atoms, strain=STRAIN, points=POINTS))
    if isinstance(equation, str):
        findings.append(failed("equation of state", equation, name))
        return Relaxed(relaxation, None, tuple(findings))
    return Relaxed(relaxation, equation, (*findings, *_of_equation(name, equation, len(atoms))))


def tried(work: Callable[[], Found]) -> Found | str:
    """The result, or why there is none: a structure that flies apart is a finding."""
    try:
        with np.errstate(all="ignore"):
            return work()
    except (EgraffError, ArithmeticError, ValueError, RuntimeError, np.linalg.LinAlgError) as error:
        return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _of_relaxation(name: str, found: Relaxation, known: bool) -> list[Finding]:
    atoms = found.atoms
    share = closest_share(
        atoms.get_chemical_symbols(), atoms.positions, np.asarray(atoms.cell), (True,) * 3
    )
    change = 100 * (found.volume_angstrom3 / found.volume_before_angstrom3 - 1)
    findings = [
        at_most("force left by the relaxation", found.largest_force_ev_per_angstrom,
                FMAX_EV_PER_ANGSTROM, "eV/A", name),
        at_least("closest atoms over covalent radii", share, TOO_CLOSE, "", name),
    ]  # fmt: skip
    if known:
        findings.append(
            at_most("volume off the measured one", abs(change), VOLUME_PERCENT, "%", name)
        )
    return findings


def _of_equation(name: str, found: StateEquation, n_atoms: int) -> list[Finding]:
    where = "minimum of the energy over volume"
    edge = f"it lies outside of strains of {STRAIN:g}"
    return [
        passed(where, name) if found.inside else failed(where, edge, name),
        at_most("fall of the energy away from its minimum",
                1000 * outward_fall(found.energies_ev) / n_atoms, FALL_MEV, "meV/atom", name),
        at_least("bulk modulus", found.bulk_modulus_gpa, SOFTEST_GPA, "GPa", name),
        at_most("residual of Birch and Murnaghan", 1000 * found.residual_ev / n_atoms,
                FIT_MEV, "meV/atom", name),
    ]  # fmt: skip


def outward_fall(energies: NDArray[np.float64]) -> float:
    """How far a curve falls on the way from its lowest point to either of its ends."""
    lowest = int(np.argmin(energies))
    return float(
        max(
            (np.maximum.accumulate(side) - side).max()
            for side in (energies[lowest:], energies[lowest::-1])
        )
    )


def judge_order(rows: Sequence[Prototype], energies: dict[str, float]) -> list[Finding]:
    """The stable crystal of a formula is the lowest in energy.

    Args:
        rows: of the table.
        energies: name of a row to its relaxed energy in eV an atom.
    """
    return [
        at_most(f"energy above that of {other.name}",
                1000 * (energies[stable.name] - energies[other.name]), ORDER_MEV, "meV/atom",
                stable.name)
        for stable, other in itertools.permutations(rows, 2)
        if stable.formula == other.formula and stable.ground and not other.ground
        and {stable.name, other.name} <= set(energies)
    ]  # fmt: skip


def _panel(name: str, found: Relaxed) -> list[Panel]:
    if found.relaxation is None or found.equation is None:
        return []
    n_atoms = len(found.relaxation.atoms)
    equation = found.equation
    lowest = equation.energies_ev.min() / n_atoms
    line = Line.of(
        "", equation.volumes_angstrom3 / n_atoms, 1000 * (equation.energies_ev / n_atoms - lowest)
    )
    marks = [(found.relaxation.volume_before_angstrom3 / n_atoms, "start")]
    return [Panel(name, "volume, A^3/atom", "energy, meV/atom", (line,), tuple(marks), points=True)]
