"""Two frames of three atoms, and how to write them in each format."""

from __future__ import annotations

import numpy as np
import pytest

from egraff_lmp.data.frames import Frames


@pytest.fixture
def water() -> Frames:
    """Two labelled frames of a molecule in a box with one tilted edge."""
    rng = np.random.default_rng(7)
    cell = np.array([[5.0, 0.0, 0.0], [0.5, 6.0, 0.0], [0.0, 0.0, 7.0]])
    return Frames(
        species=("O", "H", "H"),
        positions=rng.normal(size=(2, 3, 3)),
        cell=np.stack([cell, cell * 1.01]),
        pbc=(True, True, True),
        energy=np.array([-470.25, -470.125]),
        forces=rng.normal(size=(2, 3, 3)),
        timestep_fs=None,
        source="water",
    )


@pytest.fixture
def same_frames():
    """A function that asserts equality of two records, the source left out."""

    def check(got: Frames, expected: Frames, tolerance: float = 0.0) -> None:
        assert got.species == expected.species
        assert got.pbc == expected.pbc
        for name in ("positions", "cell", "energy", "forces"):
            np.testing.assert_allclose(
                getattr(got, name), getattr(expected, name), rtol=0, atol=tolerance, err_msg=name
            )

    return check
