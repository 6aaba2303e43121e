"""Shuffled weights: the same numbers in other places, and other forces."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from egraff_lmp.contract import read_contract
from egraff_lmp.deployed import DeployedModel
from egraff_lmp.forcefields import FORCE_FIELDS, NetworkContext
from egraff_lmp.forcefields.base import AtomicEnergyModel
from egraff_lmp.train.deploy import deploy
from egraff_lmp.train.run import train
from egraff_lmp.train.shuffle import RADIAL_BASIS, shuffle_weights


def model(name: str) -> AtomicEnergyModel:
    field = FORCE_FIELDS[name]
    context = NetworkContext(("C", "H"), 4.0, 10.0, torch.float32, 0)
    network = field.build(field.presets["small"], context)
    return AtomicEnergyModel(network, 1.7, torch.tensor([-3.0, -5.0], dtype=torch.float64))


def shuffled(name: str, seed: int) -> dict[str, torch.Tensor]:
    found = model(name)
    shuffle_weights(found, seed)
    return found.state_dict()


@pytest.mark.parametrize("name", ["nequip", "torchmdnet"])
def test_every_weight_keeps_its_entries_and_nothing_else_changes(name: str) -> None:
    before, broken = model(name).state_dict(), model(name)
    names = shuffle_weights(broken, 1)
    after = broken.state_dict()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed <= set(names)
    # Zeros (fresh biases) and ones look the same in any order.
    varied = {key for key in names if before[key].unique().numel() > 1}
    assert len(varied) > 10
    assert changed == varied
    for key in names:
        assert torch.equal(before[key].flatten().sort()[0], after[key].flatten().sort()[0])
        assert before[key].shape == after[key].shape
    kept = {key.rsplit(".", 1)[-1] for key in before} - {n.rsplit(".", 1)[-1] for n in names}
    assert {"scale", "shift"} <= kept
    assert kept & set(RADIAL_BASIS)


def test_the_seed_decides_the_order() -> None:
    first, again, other = (shuffled("nequip", seed) for seed in (1, 1, 2))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_a_deployed_control_has_other_forces_and_says_what_it_is(toy, toy_config, tmp_path):
    trained = train(toy_config(), tmp_path / "out", progress=False)
    sound = deploy(trained.checkpoint, tmp_path / "sound.pt")
    broken, again = (
        deploy(trained.checkpoint, tmp_path / f"{name}.pt", shuffle_seed=5) for name in "ab"
    )
    assert np.array_equal(broken.self_test.forces, again.self_test.forces)
    ours, theirs = np.array(sound.self_test.forces), np.array(broken.self_test.forces)
    # Nothing learned is left: the difference is as large as the forces.
    assert np.linalg.norm(ours - theirs) > 0.3 * np.linalg.norm(ours)
    contract = read_contract(tmp_path / "a.pt")
    assert contract.provenance["broken_on_purpose"]["seed"] == 5
    assert "validation_errors" not in contract.provenance
    assert "broken_on_purpose" not in sound.provenance
    assert broken.energy_reference == sound.energy_reference
    assert broken.r_max == sound.r_max
    # It is still a force field: no force on the whole, and a file like any other.
    assert theirs.sum(axis=0) == pytest.approx(0, abs=1e-9)
    DeployedModel(tmp_path / "a.pt")
