"""Noisy weights: as much noise as asked for, the same for a seed, and none of none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from egraff_lmp.contract import read_contract
from egraff_lmp.deployed import DeployedModel
from egraff_lmp.forcefields import FORCE_FIELDS, NetworkContext
from egraff_lmp.forcefields.base import AtomicEnergyModel
from egraff_lmp.train.deploy import deploy
from egraff_lmp.train.noise import WeightNoise, add_noise
from egraff_lmp.train.run import train
from egraff_lmp.train.shuffle import RADIAL_BASIS, weights_of

# Sample deviations of more than 1000 normal numbers are within 5 standard errors, 5/sqrt(2000).
RELATIVE_DEVIATION = 0.12
# Weights are float32: w + n - w is n up to rounding of w.
ROUNDING = 1e-5


def model(name: str = "nequip") -> AtomicEnergyModel:
    field = FORCE_FIELDS[name]
    context = NetworkContext(("C", "H"), 4.0, 10.0, torch.float32, 0)
    network = field.build(field.presets["small"], context)
    return AtomicEnergyModel(network, 1.7, torch.tensor([-3.0, -5.0], dtype=torch.float64))


def noisy(relative: float, seed: int = 5, name: str = "nequip") -> dict[str, torch.Tensor]:
    found = model(name)
    add_noise(found, WeightNoise(relative, seed))
    return found.state_dict()


@pytest.mark.parametrize("name", ["nequip", "torchmdnet"])
def test_no_noise_is_the_identity(name: str) -> None:
    before, after = model(name).state_dict(), noisy(0.0, name=name)
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_the_seed_decides_the_noise() -> None:
    first, again, other = noisy(0.1), noisy(0.1), noisy(0.1, seed=6)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_noise_is_relative_to_the_root_mean_square_of_each_tensor() -> None:
    before, after = model().state_dict(), noisy(0.1)
    large = [name for name, weight in weights_of(model()) if weight.numel() > 1000]
    assert large
    for name in large:
        noise = (after[name] - before[name]).double()
        ratio = noise.square().mean().sqrt() / before[name].double().square().mean().sqrt()
        assert ratio == pytest.approx(0.1, rel=RELATIVE_DEVIATION)


def test_more_noise_is_the_same_direction_of_the_weights() -> None:
    before, weak, strong = model().state_dict(), noisy(0.01), noisy(0.1)
    for name, weight in weights_of(model()):
        tolerance = ROUNDING * float(weight.detach().abs().max())
        expected = before[name] + 10 * (weak[name] - before[name])
        assert torch.allclose(strong[name], expected, rtol=0, atol=10 * tolerance)


def test_buffers_and_constants_of_the_radial_basis_stay() -> None:
    before, after = model("torchmdnet").state_dict(), noisy(0.1, name="torchmdnet")
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed <= {name for name, _ in weights_of(model("torchmdnet"))}
    kept = {key.rsplit(".", 1)[-1] for key in before.keys() - changed}
    assert {"scale", "shift"} <= kept
    assert kept & set(RADIAL_BASIS)


def test_a_deployed_control_says_how_noisy_it_is(toy, toy_config, tmp_path):
    trained = train(toy_config(), tmp_path / "out", progress=False)
    sound = deploy(trained.checkpoint, tmp_path / "sound.pt")
    found = {
        relative: deploy(
            trained.checkpoint, tmp_path / f"{relative}.pt", noise=WeightNoise(relative, 5)
        )
        for relative in (0.0, 0.01, 0.1)
    }
    forces = {relative: np.array(one.self_test.forces) for relative, one in found.items()}
    error = {r: np.linalg.norm(f - np.array(sound.self_test.forces)) for r, f in forces.items()}
    assert error[0.0] == 0
    assert 0 < error[0.01] < error[0.1]
    contract = read_contract(tmp_path / "0.1.pt")
    said = contract.provenance["broken_on_purpose"]
    assert (said["noise"], said["seed"]) == (0.1, 5)
    assert said["weights_noisy"] > 0
    assert "validation_errors" not in contract.provenance
    assert "broken_on_purpose" not in sound.provenance
    # It is still a force field: no force on the whole, and a file like any other.
    assert forces[0.1].sum(axis=0) == pytest.approx(0, abs=1e-9)
    DeployedModel(tmp_path / "0.1.pt")
