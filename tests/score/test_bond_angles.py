"""Angles between bonds of crystals and molecules, and their counts by kind."""

from __future__ import annotations

import numpy as np
import pytest
from crystals import crystal

from egraff_lmp.score.bond_angles import MAX_NEIGHBOURS, angle_counts, angles, triples
from egraff_lmp.score.neighbours import Neighbours, neighbours

EXACT = 1e-5  # degrees; near 180 a cosine is known to half the digits of float64


def bonds(name: str, structure: str, a: float, cutoff: float) -> Neighbours:
    atoms = crystal(name, structure, a)
    return neighbours(atoms.positions, atoms.cell.array, cutoff)


@pytest.mark.parametrize(
    ("near", "expected"),
    [
        (bonds("Si", "diamond", 5.43, 2.6), {109.471221: 6}),
        (bonds("GeTe", "rocksalt", 6.0, 3.3), {90.0: 12, 180.0: 3}),
        (bonds("Cu", "fcc", 3.61, 2.9), {60.0: 24, 90.0: 12, 120.0: 24, 180.0: 6}),
    ],
    ids=["diamond", "rocksalt", "fcc"],
)
def test_angles_of_crystals(near: Neighbours, expected: dict[float, int]) -> None:
    found, atoms = angles(near)
    for angle, number in expected.items():
        assert (np.abs(found - angle) < EXACT).sum() == number * near.n_atoms
    assert len(found) == sum(expected.values()) * near.n_atoms
    assert (np.bincount(atoms[:, 1]) == sum(expected.values())).all()


def test_every_kind_of_angle_has_a_row() -> None:
    assert triples(2).tolist() == [
        [0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1],
    ]  # fmt: skip
    assert len(triples(3)) == 18


def test_counts_are_by_the_elements_at_the_centre_and_the_ends() -> None:
    """Water: one angle, at oxygen, in the bin of 104 to 106 degrees, whichever H comes first."""
    half = np.radians(104.5 / 2)
    x = np.array([[0.0, 0, 0], [np.sin(half), np.cos(half), 0], [-np.sin(half), np.cos(half), 0]])
    for order in ([0, 1, 2], [2, 0, 1]):
        near = neighbours(x[order], 20 * np.eye(3), 1.2)
        counts = angle_counts(near, np.array([1, 0, 0])[order], 2)
        row = triples(2).tolist().index([0, 1, 0])
        assert counts[row, 52] == counts.sum() == 1


def test_a_lattice_angle_on_an_edge_belongs_above_it() -> None:
    counts = angle_counts(bonds("GeTe", "rocksalt", 6.0, 3.3), np.tile([0, 1], 32), 2)
    assert set(np.flatnonzero(counts.sum(axis=0))) == {45, 89}


def test_without_two_neighbours_there_is_no_angle() -> None:
    near = neighbours(np.array([[0.0, 0, 0], [1.0, 0, 0]]), 20 * np.eye(3), 1.2)
    assert len(angles(near)[0]) == 0
    assert angle_counts(near, np.zeros(2, dtype=np.int64), 1).sum() == 0
    assert len(angles(near.where(near.i > 5))[0]) == 0


def test_atoms_that_fell_together_are_survived() -> None:
    rng = np.random.default_rng(0)
    x = 0.1 * rng.random((200, 3))
    x[1] = x[0]  # no direction
    found, atoms = angles(neighbours(x, 20 * np.eye(3), 3.0))
    assert np.isfinite(found).all()
    most = MAX_NEIGHBOURS * (MAX_NEIGHBOURS - 1) // 2
    assert np.bincount(atoms[:, 1]).max() == most
