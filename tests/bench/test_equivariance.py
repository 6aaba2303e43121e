"""Forces that turn along with the atoms, and those that do not."""

from __future__ import annotations

import numpy as np
import pytest

from egraff_lmp.bench.equivariance import equivariance

RNG = np.random.default_rng(3)
POSITIONS, CELL = RNG.normal(size=(5, 3)), np.zeros((3, 3))


def springs(positions, cell):
    """Forces of springs between all pairs: they turn along, and change sign with the atoms."""
    return 5 * (positions.mean(axis=0) - positions)


def test_springs_turn_along_to_rounding() -> None:
    found = equivariance(springs, POSITIONS, CELL)
    assert found.rotation < 1e-9
    assert found.inversion < 1e-9
    expected = 1000 * np.sqrt((springs(POSITIONS, CELL) ** 2).mean())
    assert found.rms_force == pytest.approx(expected)


def test_a_force_along_an_axis_of_space_is_found_by_both() -> None:
    def pulled(positions, cell):
        return springs(positions, cell) + np.array([0.0, 0.0, 0.01])

    found = equivariance(pulled, POSITIONS, CELL)
    # A rotation moves the pull by less than twice its length, inversion by exactly that.
    assert 1.0 < found.rotation < 20.0
    assert found.inversion == pytest.approx(20.0)


def test_a_force_of_one_hand_is_seen_by_inversion_alone() -> None:
    def handed(positions, cell):
        a, b, c = positions[1] - positions[0], positions[2] - positions[0], positions[3]
        return np.outer(np.ones(5), 0.01 * np.cross(a, b) * np.sign(np.cross(a, b) @ c) ** 2)

    found = equivariance(handed, POSITIONS, CELL)
    assert found.rotation < 1e-9
    assert found.inversion > 1.0


def test_the_cell_turns_along() -> None:
    def of_cell(positions, cell):
        return np.outer(np.ones(5), cell[0])

    found = equivariance(of_cell, POSITIONS, np.diag([0.01, 0.02, 0.03]))
    assert found.rotation < 1e-9
