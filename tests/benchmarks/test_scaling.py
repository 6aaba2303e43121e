"""Counts of what ranks hold: limits that need no run."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import scaling

DENSE, LIQUID = 1e4, 0.0287  # atoms/A^3
REACH = scaling.R_MAX + scaling.SKIN


def test_ghosts_are_as_deep_as_the_list_where_atoms_are_everywhere() -> None:
    assert scaling.depth_of_ghosts(DENSE) == pytest.approx(REACH, rel=0.01)
    assert 0.75 * REACH < scaling.depth_of_ghosts(LIQUID) < 0.9 * REACH
    assert scaling.depth_of_ghosts(1e-9) < 1e-3


def test_volume_around_a_brick() -> None:
    """All of a box that is closed by it, two faces of a slab, and a rounded cube."""
    box = np.array([10.0, 10.0, 10.0])
    assert scaling.reached_volume(box / [1, 1, 2], box, 5.0) == pytest.approx(500.0)
    long = np.array([10.0, 10.0, 100.0])
    assert scaling.reached_volume(long / [1, 1, 2], long, 5.0) == pytest.approx(2 * 5 * 100)
    large = np.full(3, 1000.0)
    rounded = 6 * 100**2 * 5 + 3 * math.pi * 25 * 100 + 4 / 3 * math.pi * 125
    assert scaling.reached_volume(large / 10, large, 5.0) == pytest.approx(rounded)


def test_bricks() -> None:
    cube = np.full(3, 50.0)
    assert scaling.brick_grid(8, cube) == (2, 2, 2)
    assert scaling.reached_bricks((1, 1, 1), cube) == 0
    assert scaling.reached_bricks((2, 2, 2), cube) == 7
    assert scaling.reached_bricks((5, 5, 5), cube) == 26
    assert scaling.reached_bricks((10, 10, 10), cube) == 124
