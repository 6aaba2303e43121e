"""Deployed files: the contract says what the checkpoint holds, and the file computes it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from egraff_lmp.contract import read_contract
from egraff_lmp.deployed import DeployedModel
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import sha256_file
from egraff_lmp.forcefields import FORCE_FIELDS
from egraff_lmp.train.checkpoint import load_checkpoint
from egraff_lmp.train.deploy import deploy
from egraff_lmp.train.evaluate import predict
from egraff_lmp.train.graphs import build_graphs, collate
from egraff_lmp.train.run import train

# The eager and the scripted network differ in the order of float32 sums only.
TOLERANCE = {"float32": 5e-5, "float64": 1e-10}


@pytest.fixture
def trained(toy_config, tmp_path):
    return train(toy_config(stop__max_epochs=2), tmp_path / "out", progress=False)


def test_contract_says_what_was_trained(trained, toy, tmp_path):
    returned = deploy(trained.checkpoint, tmp_path / "m.pt")
    contract = read_contract(tmp_path / "m.pt")
    assert contract == returned
    assert contract.forcefield == "toy"
    assert contract.species == toy.SPECIES
    assert contract.masses_amu == pytest.approx((72.630, 127.60), abs=0.01)
    assert contract.r_max == toy.R_MAX
    assert contract.dtype == "float64"
    assert contract.n_parameters == 16 * (8 + 4 + 1) + 16 + 1
    assert contract.memory_bytes_per_edge > 8 * 8  # at least the basis in float64
    reference = contract.energy_reference
    assert reference.method == "least_squares"
    record = load_checkpoint(trained.checkpoint).record
    assert tuple(reference.per_species_ev.values()) == record.reference_ev
    provenance = contract.provenance
    assert provenance["checkpoint_sha256"] == sha256_file(trained.checkpoint)
    assert provenance["validation_errors"] == pytest.approx(dict(trained.validation))
    assert provenance["data"]["train"]["n_frames"] == [8]
    assert provenance["training"]["averaged_weights"] is True
    assert provenance["config"]["seed"] == provenance["seed"] == 0
    assert contract.versions["torch"] == torch.__version__


def test_self_test_frame_is_a_validation_frame(trained, toy, toy_config, tmp_path):
    from egraff_lmp.train.data import read_parts

    test = deploy(trained.checkpoint, tmp_path / "m.pt").self_test
    (held_out,) = read_parts(toy_config(), None).validation
    assert np.array_equal(np.array(test.positions), held_out.positions[0])
    # forces of a small model after two epochs are wrong, but the energy zero is in place
    assert sum(test.energies) == pytest.approx(held_out.energy[0], abs=20.0)


def test_self_test_of_a_given_frame(trained, toy, tmp_path):
    frames = toy.toy_frames(1, seed=9, n_ge=7)
    test = deploy(trained.checkpoint, tmp_path / "m.pt", self_test_frame=frames).self_test
    assert test.species == frames.species


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_deployed_file_equals_the_trained_model(trained, toy, tmp_path, dtype):
    deploy(trained.checkpoint, tmp_path / "m.pt", dtype=dtype)
    frames = toy.toy_frames(1, seed=3)
    batch = collate(build_graphs(frames, toy.SPECIES, toy.R_MAX))
    energy, forces, _ = predict(load_checkpoint(trained.checkpoint).build(), batch)
    model = DeployedModel(tmp_path / "m.pt")
    got = model.evaluate(frames.species, frames.positions[0], frames.cell[0], frames.pbc)
    assert model.contract.dtype == dtype
    assert got.energy == pytest.approx(float(energy[0]), abs=12 * TOLERANCE[dtype])
    assert np.abs(got.forces - forces.numpy()).max() < TOLERANCE[dtype]
    assert np.abs(forces.numpy()).max() > 100 * TOLERANCE[dtype]


@pytest.mark.parametrize("key", list(FORCE_FIELDS))
def test_each_force_field_from_frames_to_file(key, toy, toy_config, tmp_path):
    config = toy_config(forcefield=key, dtype="float32", stop__max_epochs=6, batch_size=4)
    result = train(config, tmp_path / "out", progress=False)
    losses = np.genfromtxt(result.log, delimiter=",", names=True)["train_loss"]
    assert losses[-1] < losses[0]
    for dtype in ("float32", "float64"):
        contract = deploy(result.checkpoint, tmp_path / f"{dtype}.pt", dtype=dtype)
        assert contract.forcefield == key
        assert contract.citations[0].doi
    frame = toy.toy_frames(1, seed=4)
    results = [
        DeployedModel(tmp_path / f"{dtype}.pt").evaluate(
            frame.species, frame.positions[0], frame.cell[0], frame.pbc
        )
        for dtype in ("float32", "float64")
    ]
    assert math.isfinite(results[0].energy)
    assert np.abs(results[0].forces - results[1].forces).max() < TOLERANCE["float32"]


def test_data_set_of_the_table_is_cited(ab_initio_data, toy_config, tmp_path):
    data = {"train": ["ethanol:val"], "n_train": 4, "n_validation": 2}
    config = toy_config(data=data, stop__max_epochs=1)
    result = train(config, tmp_path / "out", progress=False)
    contract = deploy(result.checkpoint, tmp_path / "m.pt")
    assert any("machine learning" in c.text.lower() for c in contract.citations)
    assert contract.self_test.pbc == (False, False, False)


def test_misuse(trained, toy, tmp_path):
    with pytest.raises(EgraffError, match="float32, float64, got 'half'"):
        deploy(trained.checkpoint, tmp_path / "m.pt", dtype="half")
    with pytest.raises(EgraffError, match="name of a model file"):
        deploy(trained.checkpoint, tmp_path)
    with pytest.raises(EgraffError, match="name of a model file"):
        deploy(trained.checkpoint, trained.checkpoint)
    deploy(trained.checkpoint, tmp_path / "m.pt")
    with pytest.raises(EgraffError, match="deployed already"):
        deploy(tmp_path / "m.pt", tmp_path / "again.pt")
    assert not (tmp_path / "again.pt").exists()
