"""The settings of Tables 11-16 start and train on real data."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from egraff_lmp.forcefields import FORCE_FIELDS, NetworkContext
from egraff_lmp.train.config import named_config
from egraff_lmp.train.run import train

SOURCES = {"gete": "gete:val", "lips20": "lips20:Li7PS6"}


@pytest.mark.parametrize("key", FORCE_FIELDS)
def test_paper_networks_are_built(key: str) -> None:
    """With the settings of the paper's table, finite energies of an atom and of a pair."""
    entry = FORCE_FIELDS[key]
    network = entry.build(
        entry.presets["paper"], NetworkContext(("Ge", "Te"), 5.0, 14.0, torch.float32, 0)
    )
    vectors = torch.tensor([[0.0, 1.0, 2.5], [0.0, -1.0, -2.5]], dtype=torch.float64)
    index = torch.tensor([[0, 1], [1, 0]])
    energy = network(vectors, index, torch.tensor([0, 1]), 2)["energy"]
    assert torch.isfinite(energy).all()


@pytest.mark.study
@pytest.mark.parametrize("data", SOURCES)
@pytest.mark.parametrize("key", FORCE_FIELDS)
def test_paper_settings_train_an_epoch(
    key: str, data: str, ab_initio_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One epoch of nine frames: more than one batch, where a batch is of eight."""
    monkeypatch.setenv("EGRAFF_DATA", str(ab_initio_data))
    config = named_config(
        f"{key}-paper", {"train": [SOURCES[data]], "n_train": 9, "n_validation": 2}
    )
    config = config.model_copy(
        update={
            "stop": config.stop.model_copy(update={"max_epochs": 1}),
            "device": "cpu",
        }
    )
    result = train(config, tmp_path / "out", progress=False)
    assert result.epochs == 1
    assert math.isfinite(result.validation["forces_mae_mev_per_angstrom"])
