"""Single atoms of known crystals, displaced or taken away.

No reference is needed for the laws that are checked: in a stable crystal an atom that is displaced
costs energy, smoothly and as the symmetry of its site has it; a vacancy costs energy, in an element
against the crystal itself, in a compound for every formula unit that is taken apart (a Schottky
defect of neutral vacancies), and against the elements, since what is stable lies on the convex hull
(C. Freysoldt et al., Rev. Mod. Phys. 86, 253, 2014, for formation energies).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import gcd

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from egraff_lmp.physics.checks.crystals import (
    FMAX_EV_PER_ANGSTROM,
    STEPS,
    VOLUME_PERCENT,
    tried,
)
from egraff_lmp.physics.contacts import TOO_CLOSE, closest_share
from egraff_lmp.physics.prototypes import prototypes
from egraff_lmp.physics.record import Line, Panel, Subject
from egraff_lmp.physics.symmetry import operations, site_kinds
from egraff_lmp.tasks.relax import Relaxation, relax
from egraff_lmp.verify.finding import Finding, at_least, at_most, failed, not_applicable

Floats = NDArray[np.float64]

# Of a supercell: an atom then sees no image of the defect within a cutoff of 5 A, nor do two of its
# neighbours on opposite sides see one atom between two images.
HEIGHT_ANGSTROM = 10.0
# Less than half of the way between the two places of an atom in rhombohedral GeTe, 0.54 A: further
# out the energy may fall again.
REACH_ANGSTROM = 0.25
POINTS = 11  # of a line, through the site
# Energies of a hundred atoms in float32, of a crystal that is relaxed and so not symmetric to the
# last digit, agree within 0.01 meV with the MACE models of this repository.
SAME_MEV = 0.5
# A polynomial of this degree follows a smooth potential over the line within 0.1 meV.
DEGREE, SMOOTH_MEV = 6, 1.0
# Half of caesium's, the softest metal: (3/5) M (k_B T_D / hbar)^2 with a Debye temperature of 38 K
# (C. Kittel, Introduction to Solid State Physics) is 0.2 eV/A^2.
SOFTEST_EV_PER_ANGSTROM2 = 0.1
RELAXED_MEV = 1.0  # an optimiser ends where it began, or lower, but for rounding
PARALLEL = 0.01  # between unit vectors: as exact as the sites of a relaxed crystal
AXES = ("a", "b", "c", "nearest neighbour")


@dataclass(frozen=True)
class Displaced:
    """Energies of one atom that is displaced along lines through its site.

    Attributes:
        r: displacements in A, (n,), symmetric about 0.
        directions: unit vectors, (D, 3).
        energies_mev: above the crystal's, (D, n).
    """

    r: Floats
    directions: Floats
    energies_mev: Floats


@dataclass(frozen=True)
class Crystal:
    """A relaxed crystal and what was found of its vacancies.

    Attributes:
        name: of its row.
        unit: its cell, relaxed.
        large: a supercell, whose first atoms are those of `unit`.
        energy_ev: of the supercell.
        vacancies_ev: element to the lowest energy of the supercell with one of its atoms less.
    """

    name: str
    unit: Atoms
    large: Atoms
    energy_ev: float
    vacancies_ev: dict[str, float] = field(default_factory=dict)

    @property
    def atom_ev(self) -> float:
        """Energy of an atom, on average."""
        return self.energy_ev / len(self.large)

    @property
    def formula(self) -> dict[str, int]:
        """Atoms of each element in a formula unit."""
        counts = Counter(self.unit.get_chemical_symbols())
        units = gcd(*counts.values())
        return {element: count // units for element, count in counts.items()}


def judge(subject: Subject) -> tuple[Sequence[Finding], Sequence[Panel]]:
    """The prototypes of the model's elements that are stable."""
    findings: list[Finding] = []
    panels: list[Panel] = []
    crystals: list[Crystal] = []
    for row in prototypes(subject.contract.species):
        if row.ground:
            found = relaxed_crystal(row.name, row.build(), subject)
            if isinstance(found, Finding):
                findings.append(found)
            else:
                crystals.append(found)
    elements: dict[str, float] = {}
    for crystal in crystals:
        if len(crystal.formula) == 1:
            (element,) = crystal.formula
            elements[element] = min(crystal.atom_ev, elements.get(element, np.inf))
    for crystal in crystals:
        more, shown = judge_sites(crystal)
        findings += [*more, *judge_formation(crystal, elements)]
        panels += shown
    if not findings:
        reason = f"no known crystal is made of {' '.join(subject.contract.species)} alone"
        findings.append(not_applicable("defects of known crystals", reason))
    return findings, panels


def relaxed_crystal(name: str, atoms: Atoms, subject: Subject) -> Crystal | Finding:
    """The relaxed crystal and its supercell, or why there is none."""
    atoms.calc = subject.calculator
    found = tried(lambda: relax(atoms, fmax=FMAX_EV_PER_ANGSTROM, max_steps=STEPS, cell=True))
    reason = found if isinstance(found, str) else _unfit(found)
    if reason is not None or isinstance(found, str):
        return Finding("defects", "not applicable", where=name, reason=f"no crystal: {reason}")
    unit = found.atoms
    large = supercell(unit)
    large.calc = subject.calculator
    return Crystal(name, unit, large, float(large.get_potential_energy()))


def supercell(atoms: Atoms) -> Atoms:
    """Repetitions of a cell whose heights are at least `HEIGHT_ANGSTROM`."""
    heights = 1 / np.linalg.norm(np.linalg.inv(np.asarray(atoms.cell)), axis=0)
    x, y, z = (int(n) for n in np.ceil(HEIGHT_ANGSTROM / heights - 1e-9))
    return atoms.repeat((x, y, z))


def judge_sites(crystal: Crystal) -> tuple[list[Finding], list[Panel]]:
    """Displacements and vacancies of every kind of site; fills `vacancies_ev`."""
    findings: list[Finding] = []
    panels: list[Panel] = []
    kinds = site_kinds(crystal.unit)
    counts = Counter(crystal.unit[kind[0]].symbol for kind in kinds)
    seen: Counter[str] = Counter()
    for kind in kinds:
        element = crystal.unit[kind[0]].symbol
        seen[element] += 1
        which = f" {seen[element]} of {counts[element]}" if counts[element] > 1 else ""
        where = f"{crystal.name}, {element}{which}"
        found = displace(crystal, kind[0])
        findings += judge_displaced(found, operations(crystal.unit, kind[0], kind[0]), where)
        panels.append(_panel(where, found))
        findings += _judge_vacancy(crystal, kind, where)
    return findings, panels


def displace(crystal: Crystal, site: int) -> Displaced:
    """The atom `site` along the vectors of the unit cell and towards its nearest neighbour."""
    vectors = [*np.asarray(crystal.unit.cell), _to_nearest(crystal.large, site)]
    directions = np.array([vector / np.linalg.norm(vector) for vector in vectors])
    r = np.linspace(-REACH_ANGSTROM, REACH_ANGSTROM, POINTS)
    work = crystal.large.copy()
    work.calc = crystal.large.calc
    energies = np.empty((len(directions), POINTS))
    home = work.positions[site].copy()
    for line, direction in enumerate(directions):
        for point, length in enumerate(r):
            work.positions[site] = home + length * direction
            energies[line, point] = work.get_potential_energy()
    return Displaced(r, directions, 1000 * (energies - crystal.energy_ev))


def judge_displaced(found: Displaced, symmetries: Floats, where: str) -> list[Finding]:
    """The laws of an atom that is displaced.

    Args:
        found: its lines.
        symmetries: of its site, (K, 3, 3); see `operations`.
        where: for the findings.
    """
    if not np.isfinite(found.energies_mev).all():
        return [failed("energy of a displaced atom", "it is not finite on some line", where)]
    findings = [
        at_most("fall of the energy away from the site", max(map(fall, found.energies_mev)),
                SAME_MEV, "meV", where),
        at_least("stiffness of the site, softest line", min(stiffnesses(found)),
                 SOFTEST_EV_PER_ANGSTROM2, "eV/A^2", where),
        at_most("distance of the energy from a smooth curve", roughness(found), SMOOTH_MEV, "meV",
                where),
    ]  # fmt: skip
    uneven = asymmetry(found, symmetries)
    if uneven is not None:
        findings.append(
            at_most("difference of equivalent displacements", uneven, SAME_MEV, "meV", where)
        )
    return findings


def fall(energies: Floats) -> float:
    """How far a line falls on the way from its middle to either of its ends."""
    middle = len(energies) // 2
    sides = (energies[middle:], energies[middle::-1])
    return float(max((np.maximum.accumulate(side) - side).max() for side in sides))


def stiffnesses(found: Displaced) -> list[float]:
    """Second derivative of the energy at the site along each line, in eV/A^2."""
    fits = np.polynomial.polynomial.polyfit(found.r, found.energies_mev.T / 1000, DEGREE)
    return [float(2 * value) for value in fits[2]]


def roughness(found: Displaced) -> float:
    """Largest distance in meV of a line from the polynomial that fits it best."""
    fits = np.polynomial.polynomial.polyfit(found.r, found.energies_mev.T, DEGREE)
    smooth = np.polynomial.polynomial.polyval(found.r, fits)
    return float(np.abs(smooth - found.energies_mev).max())


def asymmetry(found: Displaced, symmetries: Floats) -> float | None:
    """Largest difference in meV of half lines that are equal by symmetry; None without any."""
    middle = len(found.r) // 2
    rays = [(d, e[middle:]) for d, e in zip(found.directions, found.energies_mev, strict=True)]
    rays += [(-d, e[middle::-1]) for d, e in zip(found.directions, found.energies_mev, strict=True)]
    unequal = [
        float(np.abs(energies - others).max())
        for number, (direction, energies) in enumerate(rays)
        for other, others in rays[number + 1 :]
        if (np.linalg.norm(direction @ symmetries - other, axis=1) < PARALLEL).any()
    ]
    return max(unequal) if unequal else None


def _judge_vacancy(crystal: Crystal, kind: Sequence[int], where: str) -> list[Finding]:
    """A vacancy at each of some equivalent sites; at the first one its surroundings are relaxed."""
    energies = [_without(crystal.large, site).get_potential_energy() for site in kind]
    atoms = _without(crystal.large, kind[0])
    found = tried(lambda: relax(atoms, fmax=FMAX_EV_PER_ANGSTROM, max_steps=STEPS))
    if isinstance(found, str):
        return [failed("vacancy", found, where)]
    element = crystal.unit[kind[0]].symbol
    known = crystal.vacancies_ev
    known[element] = min(found.energy_ev, known.get(element, np.inf))
    findings = [
        at_most("force left around the vacancy", found.largest_force_ev_per_angstrom,
                FMAX_EV_PER_ANGSTROM, "eV/A", where),
        at_most("relaxed vacancy above the unrelaxed one",
                1000 * (found.energy_ev - found.energy_before_ev), RELAXED_MEV, "meV", where),
        at_least("closest atoms over covalent radii around the vacancy", _share(found), TOO_CLOSE,
                 "", where),
    ]  # fmt: skip
    if len(kind) > 1:
        findings.append(
            at_most("difference of vacancies at equivalent sites", 1000 * float(np.ptp(energies)),
                    SAME_MEV, "meV", where)
        )  # fmt: skip
    return findings


def judge_formation(crystal: Crystal, elements: Mapping[str, float]) -> list[Finding]:
    """Formation energies of relaxed vacancies, which a stable crystal pays for.

    Args:
        crystal: with `vacancies_ev`.
        elements: element to its energy in eV an atom in its own crystal, where that is known.
    """
    known, formula = crystal.vacancies_ev, crystal.formula
    findings = []
    for element in (name for name in formula if name in known and name in elements):
        energy = known[element] + elements[element] - crystal.energy_ev
        if len(formula) == 1:
            findings.append(at_least("vacancy formation energy", energy, 0, "eV", crystal.name))
        else:
            name = f"formation energy of a vacancy and crystalline {element}"
            findings.append(at_least(name, energy, 0, "eV", crystal.name))
    if len(formula) > 1 and set(formula) <= set(known):
        energy = schottky(known, formula, crystal.energy_ev, crystal.atom_ev)
        name = "formation energy of a Schottky defect"
        findings.append(at_least(name, energy, 0, "eV", crystal.name))
    return findings


def schottky(
    vacancies_ev: Mapping[str, float], formula: Mapping[str, int], energy_ev: float, atom_ev: float
) -> float:
    """Energy in eV that the vacancies of one formula unit cost, far from each other.

    sum_s n_s (E(vacancy of s) - E) + n E / N: what is taken away becomes bulk of the same crystal.

    Args:
        vacancies_ev: element to the energy of the supercell with a vacancy.
        formula: atoms n_s of each element in a formula unit.
        energy_ev: of the supercell without a vacancy.
        atom_ev: energy of an atom in it.
    """
    costs = (count * (vacancies_ev[name] - energy_ev + atom_ev) for name, count in formula.items())
    return float(sum(costs))


def _unfit(found: Relaxation) -> str | None:
    if not found.largest_force_ev_per_angstrom <= FMAX_EV_PER_ANGSTROM:  # nor where it is NaN
        return "its relaxation did not converge"
    change = 100 * (found.volume_angstrom3 / found.volume_before_angstrom3 - 1)
    if abs(change) > VOLUME_PERCENT:
        return f"its volume changes by {change:.3g} % from the measured one"
    return "its atoms are inside of each other" if _share(found) < TOO_CLOSE else None


def _share(found: Relaxation) -> float:
    atoms = found.atoms
    symbols, cell = atoms.get_chemical_symbols(), np.asarray(atoms.cell)
    return closest_share(symbols, atoms.positions, cell, (True,) * 3)


def _without(atoms: Atoms, site: int) -> Atoms:
    left = atoms.copy()
    left.calc = atoms.calc
    del left[site]
    return left


def _to_nearest(atoms: Atoms, site: int) -> Floats:
    others = [atom for atom in range(len(atoms)) if atom != site]
    vectors = atoms.get_distances(site, others, mic=True, vector=True)
    lengths = np.linalg.norm(vectors, axis=1)
    return np.asarray(vectors[int(np.argmin(lengths))])


def _panel(where: str, found: Displaced) -> Panel:
    lines = tuple(
        Line.of(name, found.r, energies)
        for name, energies in zip(AXES, found.energies_mev, strict=True)
    )
    return Panel(f"{where} displaced", "displacement, A", "energy, meV", lines)
