"""Where an ensemble disagrees along a trajectory."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from typer.testing import CliRunner

from egraff_lmp.cli import build_app
from egraff_lmp.data.frames import Frames
from egraff_lmp.deployed import Evaluation
from egraff_lmp.errors import EgraffError
from egraff_lmp.evaluation.deviation import deviations, most_uncertain

MODELS = Path(__file__).resolve().parents[2] / "deployed_models"


@dataclass
class Push:
    """A force along x on the second atom, in frames by their number."""

    force: float

    def check_species(self, species):
        pass

    def evaluate(self, species, positions, cell, pbc):
        forces = np.zeros((len(species), 3))
        forces[1, 0] = self.force * positions[0, 0]
        return Evaluation(self.force, np.zeros(len(species)), forces, np.zeros((3, 3)))


def trajectory(n):
    positions = np.zeros((n, 3, 3))
    positions[:, 0, 0] = np.arange(n)
    return Frames(
        ("H",) * 3, positions, np.zeros((n, 3, 3)), (False,) * 3, None, None, None, "made"
    )


def test_deviation_by_hand():
    """Forces of 1, 2 and 6 times the number of the frame: spread sqrt(14/3) about a mean of 3."""
    found = deviations([Push(1.0), Push(2.0), Push(6.0)], trajectory(3))
    spread = np.sqrt((4 + 1 + 9) / 3)
    assert found.largest == pytest.approx(spread * np.arange(3))
    assert found.mean == pytest.approx(spread * np.arange(3) / 3)
    assert found.energy == pytest.approx([spread / 3] * 3)
    assert found.worst_atom[1:].tolist() == [1, 1]
    with pytest.raises(EgraffError, match="at least two models"):
        deviations([Push(1.0)], trajectory(3))


def test_picked_frames_keep_their_distance():
    largest = np.array([1.0, 9.0, 8.0, 2.0, 7.0, 0.5])
    assert most_uncertain(largest, 3).tolist() == [1, 2, 4]
    assert most_uncertain(largest, 3, gap=2).tolist() == [1, 4]  # 2, 3 and 5 are too near
    assert most_uncertain(largest, 0).tolist() == []


def test_from_the_command_line(tmp_path):
    images = []
    for size in (0.0, 0.05, 0.3):
        atoms = bulk("GeTe", "rocksalt", a=6.0, cubic=True)
        atoms.rattle(size, seed=1)
        images.append(atoms)
    ase.io.write(tmp_path / "t.extxyz", images)
    models = [str(MODELS / f"gete-{name}.pt") for name in ("mace", "botnet")]
    arguments = ["deviation", *models, str(tmp_path / "t.extxyz"), "--select", "1"]
    arguments += ["-o", str(tmp_path / "p.extxyz"), "--csv", str(tmp_path / "d.csv")]
    result = CliRunner().invoke(build_app(), arguments)
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader((tmp_path / "d.csv").open()))
    largest = [float(row["largest_ev_per_angstrom"]) for row in rows]
    # No forces in the perfect crystal, up to the noise of float32.
    assert largest[0] < 1e-3 < largest[1] < largest[2]
    picked = ase.io.read(tmp_path / "p.extxyz", index=":")
    assert len(picked) == 1
    assert np.allclose(picked[0].positions, images[2].positions, atol=1e-7)
    alone = CliRunner().invoke(build_app(), ["deviation", models[0], str(tmp_path / "t.extxyz")])
    assert "one model cannot disagree" in str(alone.exception)


def test_forces_that_are_not_finite_are_told(caplog):
    """Such a frame has no deviation to be picked by."""
    found = deviations([Push(1.0), Push(np.nan)], trajectory(2))
    assert np.isnan(found.largest).all()
    (told,) = caplog.records
    assert "not finite in 2 of 2 frames (first: frame 0" in told.message
