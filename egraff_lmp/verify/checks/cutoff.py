"""Energy and forces are continuous where a neighbour passes the cutoff, for pairs of species."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.deployed import Evaluation
from egraff_lmp.graph import find_edges
from egraff_lmp.rollout.datafile import Structure
from egraff_lmp.verify.finding import Context, Finding, at_most, largest

# A: points on both sides of the cutoff from which the energy is extrapolated to it.
GAPS_A = (1e-3, 2e-3, 3e-3)
# To the cutoff from points at 1, 2 and 3 gaps; exact for parabolas.
EXTRAPOLATION = np.array([3.0, -3.0, 1.0])
# Neighbours of the centre that stay, so that normalised attention is seen too.
COMPANIONS = 6
NEAREST_A = 1.5
PAIRS_AT_MOST = 30  # a model of 89 elements has 4005
# A grid of distances of a lone pair, from where it is squeezed to beyond the cutoff.
DIMER_FROM_A = 1.2
DIMER_POINTS = 241
# What the trapezoid of the forces leaves of an energy difference falls with the third power of the
# spacing where the curve is smooth, and not at all where it jumps: halving must leave less than
# this.
TRAPEZOID_LEFT = 0.5


def judge(context: Context) -> tuple[Finding, ...]:
    """The jump at the cutoff, beside other atoms, and along the curve of a dimer."""
    return (*_jumps(context), *_dimers(context))


def pairs(species: Iterable[str]) -> list[tuple[str, str]]:
    """Ordered pairs (centre, neighbour) of species."""
    return [(a, b) for a, b in itertools.product(species, repeat=2)][:PAIRS_AT_MOST]


@dataclass(frozen=True)
class _Side:
    """What lies on one side of the cutoff."""

    energies: NDArray[np.float64]
    forces: NDArray[np.float64]


def _jumps(context: Context) -> tuple[Finding, ...]:
    contract = context.subject.contract
    companions = _companions(context)
    chosen = pairs(contract.species)
    structures = []
    for centre, neighbour in chosen:
        for sign in (-1, 1):
            for gap in GAPS_A:
                distance = contract.r_max + sign * gap
                structures.append(_environment(centre, neighbour, companions, distance))
    found = context.python.many(structures)
    energy, force, size, at = 0.0, 0.0, 1.0, ["", ""]
    for k, (centre, neighbour) in enumerate(chosen):
        n = len(GAPS_A)
        inside = _at_cutoff(found[2 * n * k : 2 * n * k + n])
        outside = _at_cutoff(found[2 * n * k + n : 2 * n * (k + 1)])
        jumps = (
            largest(inside.energies.sum() - outside.energies.sum()),
            largest(inside.forces - outside.forces),
        )
        size = max(size, float(np.abs(outside.forces).max()))
        if jumps[0] > energy:
            energy, at[0] = jumps[0], f"{neighbour} leaves {centre}"
        if jumps[1] > force:
            force, at[1] = jumps[1], f"{neighbour} leaves {centre}"
    limits = context.precision
    return (
        at_most("cutoff: jump of the energy", energy, limits.jump_ev * size, "eV", at[0]),
        at_most("cutoff: jump of the forces", force, limits.jump_ev_per_a * size, "eV/A", at[1]),
    )


def _at_cutoff(found: list[Evaluation]) -> _Side:
    energies = np.array([each.energies for each in found])
    forces = np.array([each.forces for each in found])
    return _Side(np.tensordot(EXTRAPOLATION, energies, 1), np.tensordot(EXTRAPOLATION, forces, 1))


def _companions(context: Context) -> Structure:
    """The nearest neighbours of the first atom of the frame, relative to it."""
    frame, r_max = context.subject.frame, context.subject.contract.r_max
    edges = find_edges(frame.positions, frame.cell, frame.pbc, r_max)
    vectors = edges.vectors(frame.positions, frame.cell)
    mine = np.flatnonzero(edges.index[0] == 0)
    lengths = np.linalg.norm(vectors[mine], axis=1)
    mine = mine[(lengths > NEAREST_A) & (lengths < 0.9 * r_max)]
    mine = mine[np.argsort(np.linalg.norm(vectors[mine], axis=1))][:COMPANIONS]
    species = tuple(frame.species[j] for j in edges.index[1][mine])
    return Structure(species, vectors[mine], np.zeros((3, 3)), (False,) * 3, None, "companions")


def _environment(centre: str, neighbour: str, companions: Structure, distance: float) -> Structure:
    """A centre with companions, and a neighbour on the side where there are fewest."""
    direction = np.array([0.36, 0.48, 0.8])
    if len(companions.species):
        candidates = np.random.default_rng(1).normal(size=(64, 3))
        candidates /= np.linalg.norm(candidates, axis=1)[:, None]
        nearest = [
            np.linalg.norm(companions.positions - distance * unit, axis=1).min()
            for unit in candidates
        ]
        direction = candidates[int(np.argmax(nearest))]
    positions = np.vstack([np.zeros(3), distance * direction, companions.positions])
    species = (centre, neighbour, *companions.species)
    return Structure(species, positions, np.zeros((3, 3)), (False,) * 3, None, "at the cutoff")


def _dimers(context: Context) -> tuple[Finding, ...]:
    contract = context.subject.contract
    r = np.linspace(DIMER_FROM_A, contract.r_max + 0.3, DIMER_POINTS)
    chosen = [pair for pair in pairs(contract.species) if pair[0] <= pair[1]]
    found = context.python.many([_dimer(a, b, x) for a, b in chosen for x in r])
    name, worst, where, limit = "cutoff: continuity of dimers", -np.inf, "", 0.0
    for k, (a, b) in enumerate(chosen):
        rows = found[k * len(r) : (k + 1) * len(r)]
        energies = np.array([each.energy for each in rows])
        forces = np.array([each.forces[1, 0] for each in rows])
        coarse, fine = (_residual(energies[::s], forces[::s], r[::s]) for s in (2, 1))
        if not np.isfinite([coarse, fine]).all():
            return (at_most(name, np.inf, context.precision.jump_ev, "eV", f"{a}-{b}"),)
        size = max(1.0, float(np.abs(forces).max()))
        allowed = context.precision.jump_ev * size + TRAPEZOID_LEFT * coarse
        if fine - allowed > worst:
            worst, where, limit = fine - allowed, f"{a}-{b}", allowed
    value = worst + limit
    return (at_most(name, value, limit, "eV", where),)


def _residual(energies: np.ndarray, forces: np.ndarray, r: np.ndarray) -> float:
    """The largest |E(r + h) - E(r) + h (F(r) + F(r + h)) / 2|."""
    h = np.diff(r)
    return largest(np.diff(energies) + 0.5 * h * (forces[1:] + forces[:-1]))


def _dimer(a: str, b: str, distance: float) -> Structure:
    positions = np.array([[0.0, 0.0, 0.0], [distance, 0.0, 0.0]])
    return Structure((a, b), positions, np.zeros((3, 3)), (False,) * 3, None, f"{a}-{b} dimer")
