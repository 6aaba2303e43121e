"""Unwrapping: any cell, changing cells, what cannot be followed."""

from __future__ import annotations

import numpy as np
import pytest

from egraff_lmp.errors import EgraffError
from egraff_lmp.score.unwrap import masses_of, unwrapped, without_drift

PBC = (True, True, True)
TRICLINIC = np.array([[9.0, 0, 0], [-3.0, 8.0, 0], [2.0, 1.0, 7.0]])
ROUNDING_A = 1e-9  # float64, coordinates of up to 100 A


def walk(n_frames=200, n_atoms=12, step=0.3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0, step, (n_frames, n_atoms, 3)).cumsum(axis=0)


def wrap(x, cell):
    fractional = x @ np.linalg.inv(cell)
    return (fractional - np.floor(fractional)) @ cell


def test_a_wrapped_walk_is_recovered():
    x, cells = walk(), np.broadcast_to(TRICLINIC, (200, 3, 3))
    found = unwrapped(wrap(x, cells), cells, PBC)
    np.testing.assert_allclose(found - found[0], x - x[0], atol=ROUNDING_A)


def test_unwrapped_coordinates_stay_as_they_are():
    x, cells = walk(), np.broadcast_to(TRICLINIC, (200, 3, 3))
    np.testing.assert_allclose(unwrapped(x, cells, PBC), x, atol=ROUNDING_A)


def test_a_breathing_cell_adds_no_displacement_to_atoms_in_other_images():
    # An atom at rest in the cell, listed 5 images away: its coordinate moves by 5 dL, it does not.
    lengths = 10 + 0.1 * np.sin(np.arange(50))
    cells = lengths[:, None, None] * np.eye(3)
    x = np.full((50, 1, 3), 2.0) + 5 * lengths[:, None, None]
    found = unwrapped(x, cells, PBC)
    np.testing.assert_allclose(found, np.broadcast_to(found[0], found.shape), atol=ROUNDING_A)


def test_molecules_are_left_alone():
    x = walk(step=50.0)
    assert unwrapped(x, np.zeros((200, 3, 3)), (False,) * 3) is x


def test_frames_too_far_apart_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(EgraffError, match="almost half a cell between frames 0 and 1"):
        unwrapped(9 * rng.random((5, 20, 3)), np.broadcast_to(9 * np.eye(3), (5, 3, 3)), PBC)


def test_drift_goes_and_relative_motion_stays():
    masses = masses_of(("H", "O", "O"))
    x = walk(n_atoms=3)
    drifting = x + np.arange(200)[:, None, None] * np.array([0.1, 0.0, -0.2])
    still = without_drift(drifting, masses)
    np.testing.assert_allclose(np.einsum("tnx,n->tx", still, masses), 0, atol=1e-8)
    np.testing.assert_allclose(still, without_drift(x, masses), atol=ROUNDING_A)
