"""Where rollouts start: at the reference's own velocities if that is asked for."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import ase.io
import numpy as np
import pytest
from ase import units

sys.path.insert(0, str(Path(__file__).parent))
from bench_fakes import config

from egraff_lmp.bench.frames import write_npz
from egraff_lmp.bench.work import run_start, start_of
from egraff_lmp.data.frames import Frames

VELOCITY = np.array([[0.01, 0.0, -0.02], [0.0, 0.03, 0.0]])  # A/fs


def reference(folder: Path) -> SimpleNamespace:
    """Two atoms that fly on across a periodic cell, as the reference stage leaves them."""
    times = 20.0 * np.arange(100)[:, None, None]
    frames = Frames(
        ("Cd", "Te"), (1.0 + times * VELOCITY) % 8.0, np.tile(8.0 * np.eye(3), (100, 1, 1)),
        (True,) * 3, np.zeros(100), np.zeros((100, 2, 3)), timestep_fs=None, source="made",
    )  # fmt: skip
    write_npz(frames, folder / "frames.npz")
    return SimpleNamespace(
        folder=folder, files={"frames": ("frames.npz", "")}, path=lambda name: folder / "frames.npz"
    )


def test_recovered_velocities_are_those_of_the_reference(tmp_path: Path) -> None:
    made = reference(tmp_path)
    settings = start_of(config(rollout__velocities="recovered", rollout__starts=[61, 80]), 1, made,
                        tmp_path)  # type: ignore[arg-type]  # fmt: skip
    assert settings["velocities"] == "keep"
    atoms = ase.io.read(Path(settings["base"]) / settings["structure"], settings["frame"])
    np.testing.assert_allclose(atoms.get_velocities() * units.fs, VELOCITY, atol=1e-8)
    np.testing.assert_allclose(atoms.positions, (1.0 + 1600.0 * VELOCITY) % 8.0, atol=1e-7)


def test_drawn_velocities_need_no_file(tmp_path: Path) -> None:
    settings = start_of(config(), 1, reference(tmp_path), tmp_path)  # type: ignore[arg-type]
    assert settings == {"structure": "frames.npz", "base": tmp_path, "frame": 80}


def test_the_protocol_reaches_the_rollout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ensemble, launcher and velocities of the config are those that LAMMPS is started with."""
    asked = []

    def note(settings, progress):
        asked.append(settings)
        raise InterruptedError

    monkeypatch.setattr("egraff_lmp.bench.work.run_rollout", note)
    deployed = SimpleNamespace(path=lambda name: tmp_path / "model.pt")
    for changes in (
        {},
        {"rollout__ensemble": "nve", "rollout__velocities": "recovered",
         "rollout__starts": [61, 80], "rollout__launcher": "srun -n {ranks}"},
    ):  # fmt: skip
        with pytest.raises(InterruptedError):
            run_start(config(**changes), 0, deployed, reference(tmp_path), None, tmp_path)  # type: ignore[arg-type]
    plain, chosen = asked
    assert (plain.ensemble, plain.velocities, plain.launcher) == ("nvt", "create", None)
    assert (chosen.ensemble, chosen.velocities) == ("nve", "keep")
    assert chosen.launcher == "srun -n {ranks}"
    assert chosen.seed == plain.seed
