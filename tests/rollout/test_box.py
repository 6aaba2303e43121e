"""Laws of the rotation into LAMMPS' frame."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egraff_lmp.errors import EgraffError
from egraff_lmp.rollout.box import lammps_box

# Rotations are computed from a QR-like decomposition of cells of some 10 A in float64.
ROTATION_TOLERANCE = 1e-12
ALL = (True, True, True)


def _random_cell(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.diag(rng.uniform(8, 14, 3)) + rng.uniform(-4, 4, (3, 3))


@given(st.integers(0, 10_000))
def test_rotation_is_proper_and_keeps_the_lattice(seed):
    cell = _random_cell(seed)
    positions = np.random.default_rng(seed).uniform(-20, 20, (5, 3))
    box = lammps_box(cell, ALL, positions, "test")
    assert np.allclose(box.rotation @ box.rotation.T, np.eye(3), atol=ROTATION_TOLERANCE)
    assert np.linalg.det(box.rotation) == pytest.approx(1.0, abs=ROTATION_TOLERANCE)
    assert not np.triu(box.matrix, 1).any()
    assert (np.diag(box.matrix) > 0).all()
    # The same lattice: the box's vectors, rotated back, are whole combinations of the cell's.
    whole = box.from_lammps(box.matrix) @ np.linalg.inv(cell)
    assert np.allclose(whole, np.round(whole), atol=1e-10)
    assert abs(np.linalg.det(np.round(whole))) == pytest.approx(1.0)
    assert np.allclose(
        box.from_lammps(box.to_lammps(positions)), positions, atol=20 * ROTATION_TOLERANCE
    )


def test_left_handed_cell_is_not_mirrored():
    cell = _random_cell(3)
    mirrored = cell[[0, 2, 1]]
    assert np.linalg.det(mirrored) < 0
    box = lammps_box(mirrored, ALL, np.zeros((1, 3)), "test")
    assert np.linalg.det(box.rotation) == pytest.approx(1.0)
    assert np.linalg.det(box.matrix) == pytest.approx(np.linalg.det(cell))


def test_what_lammps_can_take_is_not_touched():
    cell = np.array([[19.1, 0, 0], [1e-5, 19.1, 0], [0.3, -0.2, 18.7]])
    box = lammps_box(cell, ALL, np.zeros((1, 3)), "test")
    assert (box.matrix == cell).all()
    assert (box.rotation == np.eye(3)).all()
    assert box.is_triclinic  # a shear of 1e-5 A is a shear


def test_rotated_cube_is_orthogonal_again():
    angle = 0.3
    turn = np.array(
        [[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    box = lammps_box(10.0 * turn, ALL, np.zeros((1, 3)), "test")
    assert not box.is_triclinic
    assert np.allclose(np.diag(box.matrix), 10.0, atol=ROTATION_TOLERANCE)


def test_molecule_gets_a_box_around_it():
    positions = np.array([[-3.0, 4.0, 100.0], [2.0, 9.0, 101.0]])
    box = lammps_box(np.zeros((3, 3)), (False, False, False), positions, "test")
    assert box.boundary == "s s s"
    upper = box.origin + np.diag(box.matrix)
    assert (box.to_lammps(positions) > box.origin).all()
    assert (box.to_lammps(positions) < upper).all()


@pytest.mark.parametrize("open_axis", [0, 1, 2])
def test_slab_keeps_its_periodic_plane(open_axis):
    cell = _random_cell(7)
    pbc = tuple(axis != open_axis for axis in range(3))
    positions = np.random.default_rng(1).uniform(-5, 15, (20, 3))
    box = lammps_box(cell, pbc, positions, "test")
    assert box.boundary.split()[open_axis] == "s"
    assert box.boundary.split().count("p") == 2
    assert np.linalg.det(box.rotation) == pytest.approx(1.0)
    periodic = [axis for axis in range(3) if axis != open_axis]
    back = box.from_lammps(box.matrix)[periodic]
    assert np.allclose(back, cell[periodic], atol=1e-11)
    # LAMMPS refuses tilts against a direction that is not periodic.
    assert box.matrix[open_axis, np.arange(3) != open_axis] == pytest.approx(0.0)
    inside = box.to_lammps(positions)[:, open_axis] - box.origin[open_axis]
    assert (inside > 0).all()
    assert (inside < box.matrix[open_axis, open_axis]).all()


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (np.zeros((3, 3)), r"periodic, got none along a, b, c \(zero length\)"),
        (np.array([[1.0, 0, 0], [2.0, 0, 0], [0, 0, 5.0]]), "span a volume"),
        (np.full((3, 3), np.nan), "finite"),
    ],
)
def test_impossible_cells_are_refused(cell, message):
    with pytest.raises(EgraffError, match=message):
        lammps_box(cell, ALL, np.zeros((1, 3)), "a file")
