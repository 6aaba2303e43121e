"""PS4 and P2S6 units told by their bonds."""

from __future__ import annotations

import numpy as np

from egraff_lmp.score.neighbours import neighbours
from egraff_lmp.score.units import bonds_of_units, intact

CELL = 20 * np.eye(3)
TETRAHEDRON = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / 3**0.5


def ps4(bond: float = 2.05) -> tuple[np.ndarray, np.ndarray]:
    return np.array(["P"] + ["S"] * 4), np.concatenate([np.zeros((1, 3)), bond * TETRAHEDRON])


def p2s6() -> tuple[np.ndarray, np.ndarray]:
    """Two P 2.25 A apart, each with three S."""
    turned = np.linalg.qr(np.column_stack([TETRAHEDRON[0], np.eye(3)[:, :2]]))[0]
    s = TETRAHEDRON[1:] @ turned * np.sign(TETRAHEDRON[0] @ turned[:, 0])
    along = s.mean(axis=0) / np.linalg.norm(s.mean(axis=0))
    x = [np.zeros(3), *(2.05 * s), -2.25 * along, *(-2.25 * along - 2.05 * s)]
    return np.array(["P", "S", "S", "S"] * 2), np.array(x)


def found(species: np.ndarray, x: np.ndarray) -> list[list[int]]:
    return bonds_of_units(neighbours(x, CELL, 4.0), species).tolist()


def test_bonds_of_units() -> None:
    assert found(*ps4()) == [[4, 0]]
    assert found(*p2s6()) == [[3, 1], [3, 1]]


def test_two_tetrahedra_that_share_a_sulphur() -> None:
    species, x = ps4()
    other = x[1] + (x[1] - x)  # mirrored at the shared atom
    both = np.concatenate([x, np.delete(other, 1, axis=0)])
    assert found(np.concatenate([species, np.delete(species, 1)]), both) == [[4, 0], [4, 0]]


def test_a_bond_that_breaks_breaks_the_unit() -> None:
    species, x = ps4()
    first = bonds_of_units(neighbours(x, CELL, 4.0), species)
    for length, whole in ((2.7, True), (3.0, False)):
        x[2] = length * TETRAHEDRON[1]
        now = bonds_of_units(neighbours(x, CELL, 4.0), species)
        assert intact(now, first).tolist() == [whole]


def test_without_phosphorus_there_is_no_unit() -> None:
    species, x = ps4()
    assert bonds_of_units(neighbours(x, CELL, 4.0), np.where(species == "P", "Ge", "S")).size == 0
