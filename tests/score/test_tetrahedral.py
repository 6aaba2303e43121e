"""The tetrahedral order parameter of arrangements whose value is known."""

from __future__ import annotations

import numpy as np
import pytest
from crystals import crystal

from egraff_lmp.score.neighbours import with_nearest
from egraff_lmp.score.tetrahedral import nearest_vectors, tetrahedral_order

EXACT = 1e-12
AXES = np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])


@pytest.mark.parametrize(
    ("vectors", "q"),
    [
        ([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], 1.0),
        (AXES[:4], 1 / 2),  # a square: 4 (1/3)^2 + 2 (2/3)^2 = 4/3
        (AXES[[0, 1, 2, 4]], 5 / 8),  # an octahedron that lacks two: 5 (1/3)^2 + (2/3)^2 = 1
        ([[1, 0, 0]] * 4, -3.0),  # all in one direction: 6 (4/3)^2
    ],
    ids=["tetrahedron", "square", "octahedron", "one direction"],
)
def test_closed_forms(vectors, q: float) -> None:
    """Of vectors of any lengths, turned in any way."""
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    stretched = np.array(vectors, dtype=float) * np.array([[1.0], [2], [3], [4]])
    found = tetrahedral_order(np.array([stretched, stretched @ turn]))
    np.testing.assert_allclose(found, q, atol=EXACT)


def test_independent_directions_have_zero_on_average() -> None:
    """<cos^2> = 1/3 and <cos> = 0: 6 (1/3 + 1/9) 3/8 = 1."""
    q = tetrahedral_order(np.random.default_rng(0).normal(size=(40_000, 4, 3)))
    assert q.mean() == pytest.approx(0, abs=4 * q.std() / 200)


def test_the_four_nearest_of_diamond() -> None:
    atoms = crystal("Ge", "diamond", 5.66)
    centres = np.array([0, 5, 63])
    near = with_nearest(atoms.positions, atoms.cell.array, 5.0, centres, 4)
    vectors = nearest_vectors(near, centres)
    lengths = np.linalg.norm(vectors, axis=-1)
    np.testing.assert_allclose(lengths, 5.66 * 3**0.5 / 4, atol=EXACT)
    np.testing.assert_allclose(tetrahedral_order(vectors), 1.0, atol=EXACT)


def test_of_no_atoms_there_is_no_order() -> None:
    none = np.zeros(0, dtype=np.int64)
    near = with_nearest(np.zeros((1, 3)), 5 * np.eye(3), 2.0, none, 4)
    assert tetrahedral_order(nearest_vectors(near, none)).shape == (0,)
