"""The structures of the checks: the contract's frame, crystals, and what is made of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from numpy.typing import NDArray

from egraff_lmp.contract import Contract
from egraff_lmp.graph import find_edges
from egraff_lmp.rollout.datafile import Structure

# Fractional positions in a cubic cell of edge 1, and the distance of nearest neighbours. The second
# sublattice of a pair carries the second species.
_HALF = 0.5
_FCC = ((0, 0, 0), (0, _HALF, _HALF), (_HALF, 0, _HALF), (_HALF, _HALF, 0))
_QUARTER = tuple(tuple(x + 0.25 for x in row) for row in _FCC)
_OCTAHEDRAL = tuple(tuple((x + 0.5) % 1 for x in row) for row in _FCC)
ELEMENTAL = {
    "fcc": (_FCC, (), 0.5**0.5),
    "bcc": (((0, 0, 0), (0.5, 0.5, 0.5)), (), 0.75**0.5),
    "diamond": ((*_FCC, *_QUARTER), (), 3**0.5 / 4),
}
BINARY = {
    "rocksalt": (_FCC, _OCTAHEDRAL, 0.5),
    "caesium chloride": (((0, 0, 0),), ((0.5, 0.5, 0.5),), 0.75**0.5),
    "zincblende": (_FCC, _QUARTER, 3**0.5 / 4),
}
PAIRS_AT_MOST = 6  # of species, for crystals: a model of 89 elements has 3916
ELEMENTS_AT_MOST = 4


@dataclass(frozen=True)
class Crystal:
    """A perfect crystal, in a cell that holds each atom's neighbours at least as images.

    Attributes:
        name: such as "rocksalt GeTe".
        structure: one cubic cell.
    """

    name: str
    structure: Structure


def self_test_frame(contract: Contract) -> Structure:
    """The frame that the contract carries."""
    test = contract.self_test
    return Structure(
        test.species,
        np.array(test.positions, dtype=np.float64).reshape(-1, 3),
        np.array(test.cell, dtype=np.float64),
        test.pbc,
        None,
        "the contract's frame",
    )


def crystals(contract: Contract, frame: Structure) -> tuple[Crystal, ...]:
    """Perfect crystals of the model's species, with the distances of `frame` where it has them."""
    distances = neighbour_distances(contract, frame)
    species = contract.species
    found = []
    for element in species[:ELEMENTS_AT_MOST]:
        for kind, (first, _, nearest) in ELEMENTAL.items():
            edge = distances[element, element] / nearest
            found.append(_crystal(f"{kind} {element}", edge, {element: first}))
    pairs = list(itertools.combinations(species, 2))[:PAIRS_AT_MOST]
    for a, b in pairs:
        for kind, (first, second, nearest) in BINARY.items():
            edge = distances[a, b] / nearest
            found.append(_crystal(f"{kind} {a}{b}", edge, {a: first, b: second}))
    return tuple(found)


def _crystal(name: str, edge: float, sites: dict[str, Sequence[Sequence[float]]]) -> Crystal:
    species = tuple(element for element, rows in sites.items() for _ in rows)
    fractions = np.array([row for rows in sites.values() for row in rows], dtype=np.float64)
    cell = np.eye(3) * edge
    return Crystal(name, Structure(species, fractions * edge, cell, (True,) * 3, None, name))


def neighbour_distances(contract: Contract, frame: Structure) -> dict[tuple[str, str], float]:
    """Distance in A at which two species are neighbours, for every ordered pair.

    The median over atoms of `frame` of the distance to the nearest one of the other species, or the
    sum of covalent radii where the frame has none within the cutoff.
    """
    edges = find_edges(frame.positions, frame.cell, frame.pbc, contract.r_max)
    lengths = np.linalg.norm(edges.vectors(frame.positions, frame.cell), axis=1)
    kinds = np.array(frame.species)
    found: dict[tuple[str, str], float] = {}
    for a, b in itertools.combinations_with_replacement(contract.species, 2):
        chosen = (kinds[edges.index[0]] == a) & (kinds[edges.index[1]] == b)
        nearest = np.full(len(kinds), np.inf)
        np.minimum.at(nearest, edges.index[0][chosen], lengths[chosen])
        radii = float(sum(covalent_radii[atomic_numbers[element]] for element in (a, b)))
        seen = nearest[np.isfinite(nearest)]
        distance = float(np.median(seen)) if len(seen) else radii
        # Two like species are often not neighbours at all: a crystal of them must not be empty.
        found[a, b] = found[b, a] = min(distance, 0.7 * contract.r_max)
    return found


def repeated(structure: Structure, counts: tuple[int, int, int]) -> Structure:
    """A supercell; the copies of the whole cell follow each other."""
    shifts = np.array(list(itertools.product(*map(range, counts)))) @ structure.cell
    positions = (structure.positions[None] + shifts[:, None]).reshape(-1, 3)
    return replace(
        structure,
        species=structure.species * len(shifts),
        positions=positions,
        cell=structure.cell * np.array(counts)[:, None],
    )


def transformed(structure: Structure, matrix: NDArray[np.float64]) -> Structure:
    """Atoms and cell under a linear map of space; row vectors are multiplied from the right."""
    return replace(structure, positions=structure.positions @ matrix, cell=structure.cell @ matrix)


def moved(structure: Structure, displacement: NDArray[np.float64]) -> Structure:
    """Atoms displaced by rows of (N, 3), or all alike by (3,)."""
    return replace(structure, positions=structure.positions + displacement)


def random_rotation(seed: int) -> NDArray[np.float64]:
    """A rotation matrix without symmetry."""
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else -q
