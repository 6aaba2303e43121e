"""What LAMMPS must find: the same weights and the same atoms, without anything of LAMMPS.

Where LAMMPS gets a network on the fused kernels, Python evaluates the reference network.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.deployed import DeployedModel
from egraff_lmp.graph import find_edges
from random_decks.interactions import Interactions, Network, PairTerm
from random_decks.models import reference_of

Array = NDArray[np.float64]
# Positions of the pairs xx yy zz xy xz yz yx zx zy in a 3 x 3 tensor.
NINE = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2), (1, 0), (2, 0), (2, 1))


@dataclass(frozen=True)
class Frame:
    """Atoms as LAMMPS reports them: types from 1, positions and cell (rows) in A."""

    types: NDArray[np.int64]
    positions: Array
    cell: Array
    periodic: NDArray[np.bool_]


@dataclass(frozen=True)
class Results:
    """In eV and A; virials with LAMMPS' sign and order, `six` and `nine` per atom."""

    energies: Array
    forces: Array
    virial: Array
    six: Array
    nine: Array

    def plus(self, other: Results, weight: float = 1.0) -> Results:
        """Sum of both, the other one times `weight`."""
        return Results(
            *(
                getattr(self, name) + weight * getattr(other, name)
                for name in ("energies", "forces", "virial", "six", "nine")
            )
        )


@dataclass(frozen=True)
class EdgeList:
    """Directed edges i -> j with vectors r_j - r_i of the image meant."""

    i: NDArray[np.int64]
    j: NDArray[np.int64]
    vectors: Array


def nothing(n: int) -> Results:
    """Zeros for n atoms."""
    return Results(np.zeros(n), np.zeros((n, 3)), np.zeros(9), np.zeros((n, 6)), np.zeros((n, 9)))


def tally(n: int, edges: EdgeList, energies: Array, gradients: Array) -> Results:
    """Forces and virials of dE/dr over edges: F_i += g, F_j -= g, virial -r x g.

    The six components are shared by both ends of an edge, the nine belong to its neighbour
    (Surblys et al., Phys. Rev. E 99, 051301 (2019)).
    """
    i, j, r = edges.i, edges.j, edges.vectors
    found = nothing(n)
    np.add.at(found.forces, i, gradients)
    np.subtract.at(found.forces, j, gradients)
    nine = np.stack([-r[:, a] * gradients[:, b] for a, b in NINE], axis=1).reshape(-1, 9)
    np.add.at(found.nine, j, nine)
    for end in (i, j):
        np.add.at(found.six, end, 0.5 * nine[:, :6])
    return Results(energies, found.forces, nine.sum(0), found.six, found.nine)


def all_edges(frame: Frame, r_max: float) -> EdgeList:
    """Every pair nearer than r_max by trying all images: no cell lists, no half lists.

    Raises:
        AssertionError: the package's own neighbour search finds others.
    """
    n = len(frame.types)
    if n == 0:
        empty = np.zeros(0, dtype=np.int64)
        return EdgeList(empty, empty, np.zeros((0, 3)))
    fractions = frame.positions @ np.linalg.inv(frame.cell)
    wrapped = frame.positions - np.floor(fractions) * frame.periodic @ frame.cell
    heights = 1.0 / np.linalg.norm(np.linalg.inv(frame.cell), axis=0)
    reach = [
        int(np.ceil(r_max / h)) if p else 0 for h, p in zip(heights, frame.periodic, strict=True)
    ]
    steps = [range(-k - 1 if k else 0, k + 2 if k else 1) for k in reach]
    shifts = np.array(list(itertools.product(*steps)), dtype=float)
    found_i, found_j, found_vectors = [], [], []
    for i in range(n):
        vectors = (wrapped - wrapped[i])[:, None] + shifts @ frame.cell
        squares = (vectors**2).sum(-1)
        near = squares < r_max**2
        near[i, (shifts == 0).all(1)] = False
        j, image = np.nonzero(near)
        found_i.append(np.full(len(j), i))
        found_j.append(j)
        found_vectors.append(vectors[j, image])
    edges = EdgeList(
        np.concatenate(found_i), np.concatenate(found_j), np.concatenate(found_vectors)
    )
    _compare_with_package(frame, wrapped, edges, r_max)
    return edges


def _compare_with_package(frame: Frame, wrapped: Array, edges: EdgeList, r_max: float) -> None:
    periodic = (bool(frame.periodic[0]), bool(frame.periodic[1]), bool(frame.periodic[2]))
    others = find_edges(frame.positions, frame.cell, periodic, r_max)
    lengths = np.sort(np.linalg.norm(others.vectors(frame.positions, frame.cell), axis=1))
    mine = np.sort(np.linalg.norm(edges.vectors, axis=1))
    # One at the cutoff may be in or out by its last digit.
    inner = [values[values < r_max - 1e-9] for values in (lengths, mine)]
    assert len(inner[0]) == len(inner[1]), "find_edges and all images find different edges"
    assert np.abs(inner[0] - inner[1]).max(initial=0.0) < 1e-9


@functools.cache
def _model(path: Path) -> DeployedModel:
    return DeployedModel(path)


def member_results(frame: Frame, network: Network, models: dict[str, Path]) -> list[Results]:
    """Those of each member, on the atoms whose type has an element."""
    elements = (None, *network.elements)
    seen = np.array([elements[t] is not None for t in frame.types], dtype=bool)
    n, part = len(frame.types), np.nonzero(seen)[0]
    if not len(part):
        return [nothing(n) for _ in network.members]
    members = []
    some = Frame(frame.types[part], frame.positions[part], frame.cell, frame.periodic)
    for name in network.members:
        model = _model(reference_of(name, models[name]))
        edges = all_edges(some, model.contract.r_max)
        energies, gradient = model.evaluate_graph(
            edges.vectors, np.stack([edges.i, edges.j]), [str(elements[t]) for t in some.types]
        )
        found = tally(len(part), edges, energies, gradient)
        whole = nothing(n)
        for field in ("energies", "forces", "six", "nine"):
            getattr(whole, field)[part] = getattr(found, field)
        members.append(Results(whole.energies, whole.forces, found.virial, whole.six, whole.nine))
    return members


def deviation(members: list[Results]) -> Array:
    """sqrt(mean over members |F_i - mean F_i|^2), (N,) in eV/A."""
    forces = np.array([one.forces for one in members])
    return np.sqrt(((forces - forces.mean(0)) ** 2).sum(-1).mean(0))


def pair_results(frame: Frame, term: PairTerm) -> Results:
    """A sum over pairs; each directed edge carries half of its pair."""
    edges = all_edges(frame, term.cutoff)
    r = np.linalg.norm(edges.vectors, axis=1)
    energy, slope = np.zeros(len(r)), np.zeros(len(r))
    kinds = np.sort(np.stack([frame.types[edges.i], frame.types[edges.j]]), axis=0)
    for (a, b), values in term.pairs.items():
        chosen = (kinds[0] == a) & (kinds[1] == b)
        energy[chosen], slope[chosen] = FORMS[term.form](r[chosen], term.cutoff, *values)
    per_atom = np.zeros(len(frame.types))
    np.add.at(per_atom, edges.i, 0.5 * energy)
    gradients = 0.5 * (slope / np.maximum(r, 1e-12))[:, None] * edges.vectors
    return tally(len(frame.types), edges, per_atom, gradients)


def _lj(r: Array, cutoff: float, epsilon: float, sigma: float) -> tuple[Array, Array]:
    sixth = (sigma / r) ** 6
    return 4 * epsilon * (sixth**2 - sixth), -24 * epsilon * (2 * sixth**2 - sixth) / r


def _soft(r: Array, cutoff: float, strength: float) -> tuple[Array, Array]:
    phase = np.pi * r / cutoff
    return strength * (1 + np.cos(phase)), -strength * np.pi / cutoff * np.sin(phase)


FORMS = {"lj/cut": _lj, "soft": _soft}


def evaluate(
    frame: Frame, interactions: Interactions, models: dict[str, Path]
) -> tuple[Results, Array]:
    """Everything that acts on the atoms of a frame, and how far the (last) ensemble disagrees."""
    total, members = nothing(len(frame.types)), []
    for network in interactions.networks:
        members = member_results(frame, network, models)
        for one in members:
            total = total.plus(one, network.weight / len(members))
    for term in interactions.pairs:
        total = total.plus(pair_results(frame, term))
    return total, deviation(members)
