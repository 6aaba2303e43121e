"""Frames to dump and back: positions and boxes keep their digits."""

import numpy as np
import pytest

from egraff_lmp.data.frames import Frames
from egraff_lmp.data.lammps_dump import read_lammps_dump
from egraff_lmp.rollout.rerun_input import frame_boxes, write_rerun_dump

# The bounds of a triclinic box are sums of its edges and tilts: one rounding of numbers near 20.
BOX_TOLERANCE = 1e-14 * 20


def _frames(cell, pbc=(True, True, True)):
    rng = np.random.default_rng(0)
    cells = np.asarray(cell) * (1 + 0.01 * np.arange(3))[:, None, None]
    return Frames(
        ("Ge", "Te", "Te"), rng.uniform(-30, 30, (3, 3, 3)), cells, pbc, None, None, None, "test"
    )


@pytest.mark.parametrize(
    "cell",
    [np.diag([11.0, 12.0, 13.0]), np.array([[11.0, 0, 0], [-3.3, 12.0, 0], [1.7, -5.1, 13.0]])],
)
def test_digits_of_positions_and_boxes(tmp_path, cell):
    pytest.importorskip("MDAnalysis")
    frames = _frames(cell)
    path = tmp_path / "frames.lammpstrj"
    write_rerun_dump(path, frames, ("Ge", "Te"), frame_boxes(frames))
    back = read_lammps_dump(path, species_by_type=("Ge", "Te"))
    assert back.species == frames.species
    assert (back.positions == frames.positions).all()
    assert np.abs(back.cell - frames.cell).max() <= BOX_TOLERANCE


def test_one_skewed_frame_makes_all_triclinic(tmp_path):
    frames = _frames(np.diag([11.0, 12.0, 13.0]))
    frames.cell[2, 1, 0] = 0.5
    path = tmp_path / "frames.lammpstrj"
    write_rerun_dump(path, frames, ("Ge", "Te"), frame_boxes(frames))
    assert path.read_text().count("ITEM: BOX BOUNDS xy xz yz pp pp pp") == 3


def test_molecules_are_not_periodic(tmp_path):
    frames = _frames(np.zeros((3, 3)), (False, False, False))
    path = tmp_path / "frames.lammpstrj"
    write_rerun_dump(path, frames, ("Ge", "Te"), frame_boxes(frames))
    assert "ITEM: BOX BOUNDS ss ss ss" in path.read_text()
