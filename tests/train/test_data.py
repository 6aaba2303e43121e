"""From the data section to parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from egraff_lmp.data.frames import formula
from egraff_lmp.errors import EgraffError
from egraff_lmp.train.data import data_provenance, read_parts, species_order


def test_split_off_the_training_source(toy_config):
    parts = read_parts(toy_config(), None)
    assert [len(group[0]) for group in parts.by_name().values()] == [8, 2, 2]


def test_default_training_part_is_what_is_left(toy_config):
    parts = read_parts(toy_config(data__n_train=None), None)
    assert len(parts.train[0]) == 8


def test_relative_paths_start_from_the_config(toy_config, tmp_path):
    parts = read_parts(toy_config(data__train=["toy.npz"]), tmp_path)
    assert len(parts.train[0]) == 8


def test_a_shuffled_trajectory_is_told(toy, toy_config, tmp_path, caplog):
    """Frames that follow each other in time, held out between two that are trained on."""
    frames = toy.toy_frames(1)
    time = np.arange(20)[:, None, None]
    moved = frames.positions + 0.01 * np.sin(0.2 * time + np.arange(36).reshape(1, 12, 3))
    labels = [toy.toy_labels(frames.species, each, frames.cell[0]) for each in moved]
    series = replace(
        frames.select(np.zeros(20, dtype=int)),
        positions=moved,
        energy=np.array([energy for energy, _ in labels]),
        forces=np.stack([forces for _, forces in labels]),
    )
    toy.write_npz(tmp_path / "series.npz", series)
    for split, told in (("shuffled", True), ("contiguous", False)):
        caplog.clear()
        data = {"train": [str(tmp_path / "series.npz")], "n_validation": 4, "split": split}
        read_parts(toy_config(data=data), None)
        assert ("split: contiguous" in caplog.text) == told
    caplog.clear()
    read_parts(toy_config(), None)  # frames that have nothing to do with each other
    assert "split: contiguous" not in caplog.text


def test_several_compositions_and_held_out_sources(toy, toy_config, tmp_path):
    toy.write_npz(tmp_path / "other.npz", toy.toy_frames(6, seed=1, n_ge=8))
    toy.write_npz(tmp_path / "held.npz", toy.toy_frames(5, seed=2))
    config = toy_config(
        data={
            "train": [str(tmp_path / "toy.npz"), str(tmp_path / "other.npz")],
            "n_train": 4,
            "validation": [str(tmp_path / "held.npz")],
            "n_validation": 3,
        }
    )
    parts = read_parts(config, None)
    assert [len(frames) for frames in parts.train] == [4, 4]
    assert [len(frames) for frames in parts.validation] == [3]
    assert parts.test == []
    provenance = data_provenance(parts)
    assert provenance["train"]["formulas"] == ["Ge4Te8", "Ge8Te4"]
    assert provenance["validation"]["sha256"] == parts.validation[0].sha256()


def test_frames_in_two_parts_are_refused_or_reported(toy, toy_config, tmp_path, caplog):
    same = [str(tmp_path / "toy.npz")]
    data = {"train": same, "validation": same}
    with pytest.raises(EgraffError, match="12 frames of validation are also in train"):
        read_parts(toy_config(data=data), None)
    read_parts(toy_config(data={**data, "leakage": "warn"}), None)
    assert "also in train" in caplog.text


def test_no_validation(toy_config, tmp_path):
    with pytest.raises(EgraffError, match="expected validation frames"):
        read_parts(toy_config(data={"train": [str(tmp_path / "toy.npz")]}), None)


def test_too_few_frames(toy_config):
    with pytest.raises(EgraffError, match="expected frames to train on"):
        read_parts(toy_config(data__n_train=None, data__n_validation=12), None)
    with pytest.raises(EgraffError, match="at least 24 frames"):
        read_parts(toy_config(data__n_train=20), None)


def test_missing_labels(toy, toy_config, tmp_path):
    import numpy as np

    frames = toy.toy_frames(12)
    np.savez(tmp_path / "bare.npz", pos=frames.positions, atomic_numbers=[32] * 4 + [52] * 8)
    with pytest.raises(EgraffError, match=r"expected energy to train on.*loss: \{energy: 0\}"):
        read_parts(toy_config(data__train=[str(tmp_path / "bare.npz")]), None)


def test_species_order(toy_config):
    parts = read_parts(toy_config(), None)
    assert species_order(parts, None) == ("Ge", "Te")
    assert species_order(parts, ["Te", "Ge"]) == ("Te", "Ge")
    with pytest.raises(EgraffError, match="got S too"):
        species_order(parts, ["Te", "Ge", "S"])
    with pytest.raises(EgraffError, match="element symbols, got Xx"):
        species_order(parts, ["Te", "Ge", "Xx"])


def test_contiguous_parts_leave_a_gap(toy, toy_config):
    config = toy_config(
        data__split="contiguous", data__gap=2, data__n_train=4, data__n_validation=2, data__n_test=2
    )
    parts = read_parts(config, None)
    whole = toy.toy_frames()
    assert (parts.train[0].positions == whole.positions[:4]).all()
    assert (parts.validation[0].positions == whole.positions[6:8]).all()
    assert (parts.test[0].positions == whole.positions[10:12]).all()


def test_formula_order_is_alphabetical():
    assert formula(("Te", "Ge", "Te", "Ge", "Te", "C")) == "C1Ge2Te3"


def test_a_source_too_small_to_lose_frames_is_trained_on_as_a_whole(
    toy, toy_config, tmp_path, caplog
):
    toy.write_npz(tmp_path / "three.npz", toy.toy_frames(3, seed=1))
    three, large = str(tmp_path / "three.npz"), str(tmp_path / "toy.npz")
    data = {"train": [three, large], "n_validation": 4}
    parts = read_parts(toy_config(data=data), None)
    assert [len(part) for part in parts.train] == [3, 8]
    assert [len(part) for part in parts.validation] == [4]
    assert "three.npz: all of its 3 frames are trained on" in caplog.text
    # Nothing would be left to validate with.
    with pytest.raises(EgraffError, match=r"4 of 3 are asked for validation and test"):
        read_parts(toy_config(data={"train": [three], "n_validation": 4}), None)
