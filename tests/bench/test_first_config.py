"""`egraff init bench`: what it writes is a checked benchmark on the frames at hand."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from egraff_lmp.bench.config import AbInitio, load_config
from egraff_lmp.bench.first_config import FEWEST, write_first_config
from egraff_lmp.errors import EgraffError

MODELS = ("nequip", "mace")


@pytest.fixture
def copper(tmp_path):
    def write(n_frames=60, name="cu.extxyz", forces=True):
        rng = np.random.default_rng(0)
        frames = []
        for _ in range(n_frames):
            atoms = bulk("Cu", cubic=True, a=3.6)
            atoms.rattle(0.05, rng=rng)
            given = rng.normal(size=(4, 3)) if forces else None
            atoms.calc = SinglePointCalculator(atoms, energy=rng.normal(), forces=given)
            frames.append(atoms)
        ase.io.write(tmp_path / name, frames)
        return str(tmp_path / name)

    return write


def test_a_series(copper, tmp_path):
    path = tmp_path / "my copper.yaml"
    found, times = write_first_config(
        path, [copper()], 900, forcefields=MODELS, timestep_fs=3, stride_fs=20
    )
    config = load_config(path)
    assert config.name == "my-copper"
    assert config.title == "Cu4 at 900 K"
    assert config.time_series
    assert config.stride_fs == times.stride_fs == 20
    # No longer than was asked for, and a whole number of steps between frames.
    assert config.rollout.timestep_fs == pytest.approx(20 / 7)
    assert config.dump_every == 7
    assert config.split.train.last < config.split.validation.first
    assert config.split.validation.last < config.split.held_out.first
    assert config.split.held_out.last == found.n_frames == 60
    assert len(set(config.rollout.starts)) == 3
    # Every rollout has reference frames for all of its time.
    assert config.rollout.starts[-1] + config.rollout.length_fs / 20 <= 60
    assert [model.forcefield for model in config.models] == list(MODELS)


def test_frames_without_times_are_an_ensemble(copper, tmp_path):
    path = tmp_path / "bench.yaml"
    _, times = write_first_config(path, [copper()], 300, forcefields=MODELS, timestep_fs=2)
    config = load_config(path)
    assert not times.series
    assert isinstance(config.reference, AbInitio)
    assert not config.reference.time_series
    assert config.rollout.timestep_fs == 2
    assert config.name == "Cu4"
    assert "time_series out" in path.read_text()


@pytest.mark.parametrize("n_frames", [FEWEST, FEWEST + 1, 100, 997])
def test_parts_of_any_number_of_frames(copper, tmp_path, n_frames):
    write_first_config(tmp_path / "b.yaml", [copper(n_frames)], 300, forcefields=MODELS)
    assert load_config(tmp_path / "b.yaml").split.held_out.last == n_frames


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_frames": FEWEST - 1}, "expected at least 30 frames"),
        ({"forces": False}, "expected energies and forces, got no forces"),
    ],
)
def test_data_that_are_refused(copper, tmp_path, changes, message):
    with pytest.raises(EgraffError, match=message):
        write_first_config(tmp_path / "b.yaml", [copper(**changes)], 300, forcefields=MODELS)
    assert not (tmp_path / "b.yaml").exists()


def test_mistakes(copper, tmp_path):
    path = tmp_path / "b.yaml"
    with pytest.raises(EgraffError, match="macs"):
        write_first_config(path, [copper()], 300, forcefields=["macs"])
    with pytest.raises(EgraffError, match="expected times above 0 fs"):
        write_first_config(path, [copper()], 300, forcefields=MODELS, timestep_fs=0)
    with pytest.raises(EgraffError, match="temperature_kelvin"):
        write_first_config(path, [copper()], -1, forcefields=MODELS)
    path.write_text("mine")
    with pytest.raises(EgraffError, match="would be overwritten"):
        write_first_config(path, [copper()], 300, forcefields=MODELS)
    assert path.read_text() == "mine"
