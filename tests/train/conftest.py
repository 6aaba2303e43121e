"""The toy force field as a row of the table, and a config that trains it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from egraff_lmp.forcefields import FORCE_FIELDS
from egraff_lmp.train.config import TrainConfig, parse_config


@pytest.fixture(scope="session")
def toy() -> ModuleType:
    """The module beside this file."""
    path = Path(__file__).with_name("toy.py")
    spec = importlib.util.spec_from_file_location("egraff_toy", path)
    module = sys.modules["egraff_toy"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def toy_config(toy, tmp_path, monkeypatch):
    """A function from changes (dotted keys) to a config of the toy on twelve frames."""
    monkeypatch.setitem(FORCE_FIELDS, "toy", toy.TOY)
    source = tmp_path / "toy.npz"
    toy.write_npz(source, toy.toy_frames())

    def make(**changes) -> TrainConfig:
        raw = {
            "forcefield": "toy",
            "data": {"train": [str(source)], "n_train": 8, "n_validation": 2, "n_test": 2},
            "r_max": toy.R_MAX,
            "dtype": "float64",
            "batch_size": 3,
            "optimiser": {"learning_rate": 0.02},
            "schedule": {"name": "plateau", "patience": 0},
            "stop": {"max_epochs": 4},
            "device": "cpu",
            "threads": 1,
        }
        for key, value in changes.items():
            section, _, name = key.partition("__")
            if name:
                raw[section] = {**raw.get(section, {}), name: value}
            else:
                raw[section] = value
        return parse_config(raw, "test")

    return make
