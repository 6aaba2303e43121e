"""Supercells, cells below the cutoff, and boundaries of every kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from egraff_lmp.rollout.datafile import Structure
from egraff_lmp.verify.checks.parity import agrees
from egraff_lmp.verify.deck import Deck, static
from egraff_lmp.verify.finding import Context, Finding, Subject, at_most, largest, not_applicable
from egraff_lmp.verify.structures import Crystal, moved, repeated

SEED = 3
# A crystal's cell with its atoms off their sites, so that forces are not zero.
RATTLE_A = 0.1
BOUNDARIES = {"slab": (True, True, False), "wire": (True, False, False), "cluster": (False,) * 3}
SMALL_AT_MOST = 2


def decks(subject: Subject) -> tuple[Deck, ...]:
    """Cells below the cutoff, and the frame with free boundaries, on every number of ranks."""
    small = [static(name, s, subject.ranks) for name, s in _small_cells(subject).items()]
    return (*small, *(static(n, s, subject.ranks) for n, s in _bounded(subject).items()))


def judge(context: Context) -> tuple[Finding, ...]:
    """Doubling doubles; a cell below the cutoff is its supercell; boundaries agree with Python."""
    findings = [*_doubled(context), *_small(context)]
    for name, structure in (_small_cells(context.subject) | _bounded(context.subject)).items():
        findings.append(agrees(name, structure, context))
    return tuple(findings)


def _doubled(context: Context) -> list[Finding]:
    frame = context.subject.frame
    base = context.python.one(frame)
    limit = context.precision.python * max(1.0, np.abs(base.forces).max(initial=0.0))
    findings: list[Finding] = []
    for axis, letter in enumerate("abc"):
        name = f"periodicity: doubled along {letter}"
        if not frame.pbc[axis]:
            findings.append(not_applicable(name, "the frame is not periodic in this direction"))
            continue
        counts = (1 + (axis == 0), 1 + (axis == 1), 1 + (axis == 2))
        twice = context.python.one(repeated(frame, counts))
        value = largest(
            twice.energies - np.tile(base.energies, 2),
            twice.forces - np.tile(base.forces, (2, 1)),
            (twice.virial - 2 * base.virial) / len(base.energies),
        )
        findings.append(at_most(name, value, limit, "eV, eV/A"))
    return findings


def _small(context: Context) -> list[Finding]:
    """Each atom of a small cell against its copies in a cell of at least twice the cutoff."""
    findings = []
    for name, cell in _small_cells(context.subject).items():
        edge = np.linalg.norm(cell.cell, axis=1).min()
        n = int(np.ceil(2 * context.subject.contract.r_max / edge))
        one, many = context.python.one(cell), context.python.one(repeated(cell, (n, n, n)))
        scale = max(1.0, np.abs(one.forces).max())
        value = largest(
            many.energies - np.tile(one.energies, n**3),
            many.forces - np.tile(one.forces, (n**3, 1)),
        )
        where = f"{cell.source} {edge:.1f} A wide against {n} x {n} x {n} of it"
        limit = context.precision.python * scale
        findings.append(at_most(f"{name} as a supercell", value, limit, "eV, eV/A", where))
    return findings


def _small_cells(subject: Subject) -> dict[str, Structure]:
    """The smallest crystals, rattled."""

    def edge(crystal: Crystal) -> float:
        return float(crystal.structure.cell[0, 0])

    chosen = sorted(subject.crystals, key=edge)[:SMALL_AT_MOST]
    return {
        f"periodicity: cell below the cutoff ({crystal.name})": rattled(crystal.structure)
        for crystal in chosen
    }


def rattled(structure: Structure) -> Structure:
    """The structure with its atoms off their sites."""
    rng = np.random.default_rng(SEED)
    return moved(structure, rng.normal(0, RATTLE_A, structure.positions.shape))


def _bounded(subject: Subject) -> dict[str, Structure]:
    """The frame cut free along one, two and all of its directions."""
    found = {}
    for name, pbc in BOUNDARIES.items():
        kept = tuple(a and b for a, b in zip(subject.frame.pbc, pbc, strict=True))
        if kept == subject.frame.pbc:
            continue
        source = f"{subject.frame.source} as a {name}"
        found[f"periodicity: {name}"] = replace(subject.frame, pbc=kept, source=source)  # type: ignore[arg-type]
    return found
