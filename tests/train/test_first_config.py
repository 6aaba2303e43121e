"""`egraff init train`: what it writes is read by the trainer, and says why."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from egraff_lmp.errors import EgraffError
from egraff_lmp.train.config import load_config
from egraff_lmp.train.data import read_parts
from egraff_lmp.train.first_config import GAP, write_first_config

FRAMES = 40


@pytest.fixture
def copper(tmp_path):
    """Writes frames of copper, a walk in time or shuffled, with or without stress."""

    def write(name="cu.extxyz", *, ordered=True, stress=True, seed=0):
        rng = np.random.default_rng(seed)
        crystal = bulk("Cu", cubic=True, a=3.6)
        walk = np.cumsum(rng.normal(scale=0.02, size=(FRAMES, 4, 3)), axis=0)
        frames = []
        for moved in walk if ordered else rng.permutation(walk):
            atoms = crystal.copy()
            atoms.positions += moved
            labels = {"energy": rng.normal(), "forces": rng.normal(size=(4, 3))}
            if stress:
                labels["stress"] = rng.normal(size=6)
            atoms.calc = SinglePointCalculator(atoms, **labels)
            frames.append(atoms)
        ase.io.write(tmp_path / name, frames)
        return str(tmp_path / name)

    return write


def test_a_series_is_split_in_time(copper, tmp_path):
    path = tmp_path / "train.yaml"
    found = write_first_config(path, [copper()])
    config = load_config(path)
    assert config.forcefield == "mace"
    assert config.data.train == ["cu.extxyz"]  # as seen from the config
    assert (config.data.split, config.data.gap) == ("contiguous", GAP)
    assert config.r_max == found.r_max_angstrom == 5.0
    assert config.loss.stress == 1
    assert config.cosine_epochs == config.stop.max_epochs
    parts = read_parts(config, tmp_path)
    assert [sum(map(len, part)) for part in (parts.train, parts.validation)] == [
        FRAMES - FRAMES // 10 - GAP, FRAMES // 10,
    ]  # fmt: skip
    text = path.read_text()
    assert "40 frames of Cu4" in text
    assert "nearest neighbours are at 2.29 A" in text


def test_frames_in_no_order_are_shuffled_and_lack_of_stress_is_said(copper, tmp_path):
    path = tmp_path / "there" / "train.yaml"
    path.parent.mkdir()
    write_first_config(path, [copper(ordered=False, stress=False)], settings="nequip-paper")
    config = load_config(path)
    assert config.data.split == "shuffled"
    assert config.data.train == [str(tmp_path / "cu.extxyz")]  # of another folder: absolute
    assert config.loss.stress == 0
    assert config.preset == "paper"
    assert "no stress: NPT would not be trained for" in path.read_text()


def test_own_validation_frames(copper, tmp_path):
    path = tmp_path / "train.yaml"
    write_first_config(path, [copper()], validation=[copper("val.extxyz", seed=1)])
    data = load_config(path).data
    assert (data.validation, data.n_validation) == (["val.extxyz"], None)


def test_what_is_refused_leaves_no_file(copper, tmp_path):
    path = tmp_path / "train.yaml"
    with pytest.raises(EgraffError, match="expected shipped settings"):
        write_first_config(path, [copper()], settings="mace")
    bare = ase.io.read(copper(), ":")
    for atoms in bare:
        atoms.calc = SinglePointCalculator(atoms, energy=atoms.get_potential_energy())
    ase.io.write(tmp_path / "bare.extxyz", bare)
    with pytest.raises(EgraffError, match="forces"):
        write_first_config(path, [str(tmp_path / "bare.extxyz")])
    assert not path.exists()


def test_nothing_is_overwritten(copper, tmp_path):
    path = tmp_path / "train.yaml"
    path.write_text("mine")
    with pytest.raises(EgraffError, match="would be overwritten"):
        write_first_config(path, [copper()])
    assert path.read_text() == "mine"
    write_first_config(path, [copper()], force=True)
    assert load_config(path)
