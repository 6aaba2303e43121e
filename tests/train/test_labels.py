"""Labels that cannot be learnt from are refused before the first step, with what to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from egraff_lmp.data.collection import Collection
from egraff_lmp.data.store import write_store
from egraff_lmp.errors import EgraffError
from egraff_lmp.train.labels import require_labels
from egraff_lmp.train.module import ForceFieldModule
from egraff_lmp.train.run import train


def with_one(array, value):
    changed = array.copy()
    changed[3] = value
    return changed


STRESS = {"energy": 1.0, "forces": 1.0, "stress": 1.0}
BAD = {
    "nan energy": (lambda f: {"energy": with_one(f.energy, np.nan)}, {}, "non-finite energy in 1 "),
    "infinite forces": (
        lambda f: {"forces": with_one(f.forces, np.inf)},
        {},
        r"non-finite forces in 1 of 12 frames \(frames 3\)",
    ),
    "nan stress": (
        lambda f: {"stress": with_one(np.ones((12, 3, 3)), np.nan)},
        STRESS,
        "non-finite stress",
    ),
    "energies of zero": (
        lambda f: {"energy": 0 * f.energy},
        {},
        r"but 0 eV is that of 12 of 12 frames whose positions differ.*loss: \{energy: 0\}",
    ),
    "a repeated energy": (
        lambda f: {"energy": np.where(np.arange(12) < 7, -5.5, f.energy)},
        {},
        "-5.5 eV is that of 7 of 12 frames",
    ),
    "forces of zero": (
        lambda f: {"forces": 0 * f.forces},
        {},
        r"forces to train on, all of them are 0.*loss: \{forces: 0\}",
    ),
    "stress of zero": (
        lambda f: {"stress": np.zeros((12, 3, 3))},
        STRESS,
        "stress to train on, all of them are 0",
    ),
    "no stress": (lambda f: {}, STRESS, "expected stress to train on, it has none"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_labels_are_named(toy, toy_config, name):
    change, loss, message = BAD[name]
    frames = toy.toy_frames()
    require_labels(Collection.of(frames), toy_config())
    with pytest.raises(EgraffError, match=message) as caught:
        require_labels(Collection.of(replace(frames, **change(frames))), toy_config(loss=loss))
    assert frames.source in str(caught.value)


def test_what_is_not_trained_on_may_be_a_placeholder(toy, toy_config):
    frames = toy.toy_frames()
    empty = replace(frames, energy=0 * frames.energy)
    require_labels(Collection.of(empty), toy_config(loss={"energy": 0.0, "forces": 1.0}))
    with pytest.raises(EgraffError, match="whose positions differ"):  # the second stage asks
        require_labels(
            Collection.of(empty),
            toy_config(
                loss={"energy": 0.0, "forces": 1.0},
                second_stage={"start_epoch": 1, "energy": 1.0, "forces": 1.0},
            ),
        )


def test_repeated_frames_have_their_energy_again(toy, toy_config):
    """A data set may hold a frame several times; half of the energies may agree by chance."""
    frames = toy.toy_frames()
    require_labels(Collection.of(frames.select(np.array([0, 0, 0, 0, 1]))), toy_config())
    half = replace(frames, energy=np.where(np.arange(12) < 6, -5.5, frames.energy))
    require_labels(Collection.of(half), toy_config())


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_training_with_bad_labels_takes_no_step(toy, toy_config, tmp_path, monkeypatch, part):
    frames = toy.toy_frames(seed=7)
    write_store(replace(frames, energy=0 * frames.energy), tmp_path / "bad.npz")
    source = toy_config().data.train[0]
    sources = {"train": [source], "n_validation": 2, part: [str(tmp_path / "bad.npz")]}

    def never(self, batch, batch_idx):
        raise AssertionError("a step was taken")

    monkeypatch.setattr(ForceFieldModule, "training_step", never)
    with pytest.raises(EgraffError, match="placeholders"):
        train(toy_config(data=sources), tmp_path / "out", progress=False)
