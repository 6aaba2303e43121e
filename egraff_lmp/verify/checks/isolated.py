"""Atoms alone and atoms beyond the cutoff of each other."""

from __future__ import annotations

import itertools

import numpy as np

from egraff_lmp.rollout.datafile import Structure
from egraff_lmp.verify.checks.parity import agrees
from egraff_lmp.verify.deck import Deck, static
from egraff_lmp.verify.finding import Context, Finding, Subject, at_most, largest

BOX_A = 40.0
BEYOND = (1.0 + 1e-9, 1.5, 10.0)  # times r_max


def decks(subject: Subject) -> tuple[Deck, ...]:
    """One atom; and all species in one corner, so that other ranks have none."""
    return (
        static("isolated: one atom", _one(subject), subject.ranks),
        static("isolated: corner", corner(subject), subject.ranks),
    )


def judge(context: Context) -> tuple[Finding, ...]:
    """Energies of separated atoms are those of atoms alone; ranks without atoms do no harm."""
    species = context.subject.contract.species[:10]
    r_max = context.subject.contract.r_max
    alone = [_cluster((element,), np.zeros((1, 3))) for element in species]
    couples = [
        (pair, _cluster(pair, np.array([[0.0, 0.0, 0.0], [0.0, 0.0, factor * r_max]])))
        for pair in itertools.combinations_with_replacement(species, 2)
        for factor in BEYOND
    ]
    found = context.python.many([*alone, *(structure for _, structure in couples)])
    energy = {element: each.energy for element, each in zip(species, found, strict=False)}
    energies = largest(
        *(
            each.energy - energy[pair[0]] - energy[pair[1]]
            for (pair, _), each in zip(couples, found[len(species) :], strict=True)
        )
    )
    forces = largest(*(each.forces for each in found))
    limit = context.precision.python
    findings: list[Finding] = [
        at_most("isolated: energy beyond the cutoff", energies, limit, "eV"),
        at_most("isolated: force beyond the cutoff", forces, 0.0, "eV/A"),
    ]
    for name, structure in (
        ("isolated: one atom", _one(context.subject)),
        ("isolated: corner", corner(context.subject)),
    ):
        findings.append(agrees(name, structure, context))
    return tuple(findings)


def _cluster(species: tuple[str, ...], positions: np.ndarray) -> Structure:
    return Structure(species, positions, np.zeros((3, 3)), (False,) * 3, None, "atoms apart")


def _one(subject: Subject) -> Structure:
    positions = np.array([[1.0, 2.0, 3.0]])
    cell = np.eye(3) * BOX_A
    return Structure(subject.contract.species[:1], positions, cell, (True,) * 3, None, "one atom")


def corner(subject: Subject) -> Structure:
    """Three atoms of the model's species, half a cutoff from each other, in a box that is empty."""
    species = (subject.contract.species * 3)[:3]
    spacing = 0.55 * subject.contract.r_max
    positions = 1.0 + np.array([[0.0, 0.0, 0.0], [spacing, 0.3, 0.0], [0.2, spacing, 0.4]])
    cell = np.eye(3) * BOX_A
    return Structure(species, positions, cell, (True,) * 3, None, "atoms in a corner")
