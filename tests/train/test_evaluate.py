"""Forces are minus the gradient of the energy, for every force field, and errors are counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from egraff_lmp.forcefields import FORCE_FIELDS, AtomicEnergyModel, NetworkContext
from egraff_lmp.train.evaluate import ErrorSums, evaluate, predict
from egraff_lmp.train.graphs import build_graphs, collate

STEP_A = 1e-4  # central differences: truncation 1e-8, rounding of 1e3 eV in float64 1e-9
FORCE_TOLERANCE = 2e-6  # eV/A


def model_for(entry, toy, dtype=torch.float64):
    context = NetworkContext(toy.SPECIES, toy.R_MAX, 10.0, dtype, 3)
    network = entry.build(entry.presets["small"], context)
    shift = torch.tensor([toy.REFERENCE_EV[name] for name in toy.SPECIES])
    return AtomicEnergyModel(network, 0.7, shift).eval()


@pytest.mark.parametrize("key", ["toy", *FORCE_FIELDS])
def test_forces_are_finite_differences_of_the_energy(toy, key):
    # the box is smaller than two cutoffs: several images of a pair, and atoms that see themselves
    model = model_for({**FORCE_FIELDS, "toy": toy.TOY}[key], toy)
    frames = toy.toy_frames(1, cell_a=4.5)
    _, forces, _ = predict(model, collate(build_graphs(frames, toy.SPECIES, toy.R_MAX)))
    assert forces.abs().max() > 1e-3

    def energy_at(atom, axis, step):
        moved = frames.positions.copy()
        moved[0, atom, axis] += step
        batch = collate(build_graphs(replace(frames, positions=moved), toy.SPECIES, toy.R_MAX))
        return float(predict(model, batch)[0][0])

    for atom, axis in ((0, 0), (5, 1), (11, 2)):
        numeric = -(energy_at(atom, axis, STEP_A) - energy_at(atom, axis, -STEP_A)) / (2 * STEP_A)
        assert float(forces[atom, axis]) == pytest.approx(numeric, abs=FORCE_TOLERANCE)
    assert torch.allclose(forces.sum(0), torch.zeros(3, dtype=torch.float64), atol=1e-10)


def test_double_backward_is_the_gradient_of_the_forces(toy):
    model = model_for(toy.TOY, toy)
    batch = collate(build_graphs(toy.toy_frames(2), toy.SPECIES, toy.R_MAX))
    weight = model.network.mlp[3].weight

    def force_loss():
        return (predict(model, batch, create_graph=True)[1] ** 2).mean()

    (gradient,) = torch.autograd.grad(force_loss(), weight)
    with torch.no_grad():
        weight[0, 2] += 1e-6
        up = force_loss().item()
        weight[0, 2] -= 2e-6
        down = force_loss().item()
        weight[0, 2] += 1e-6
    assert gradient[0, 2].item() == pytest.approx((up - down) / 2e-6, rel=1e-5)
    assert gradient[0, 2].item() != 0


def test_a_batch_is_its_frames_side_by_side(toy):
    model = model_for(toy.TOY, toy)
    graphs = build_graphs(toy.toy_frames(3), toy.SPECIES, toy.R_MAX)
    graphs += build_graphs(toy.toy_frames(1, n_ge=9), toy.SPECIES, toy.R_MAX)
    energy, forces, _ = predict(model, collate(graphs))
    for index, graph in enumerate(graphs):
        alone_energy, alone_forces, _ = predict(model, collate([graph]))
        assert torch.allclose(energy[index], alone_energy[0], rtol=1e-13)
        assert torch.allclose(forces[12 * index : 12 * index + 12], alone_forces, atol=1e-12)


def test_isolated_atoms_have_reference_energy_and_no_force(toy):
    model = model_for(toy.TOY, toy)
    frames = toy.toy_frames(1, cell_a=7.0)
    far = replace(frames, cell=frames.cell * 100, positions=frames.positions * 100)
    energy, forces, _ = predict(model, collate(build_graphs(far, toy.SPECIES, toy.R_MAX)))
    assert energy.item() == pytest.approx(sum(toy.REFERENCE_EV[s] for s in frames.species))
    assert torch.equal(forces, torch.zeros(12, 3, dtype=torch.float64))


def test_errors_against_numpy_in_any_batch_size(toy):
    model = model_for(toy.TOY, toy)
    frames = toy.toy_frames(5)
    graphs = build_graphs(frames, toy.SPECIES, toy.R_MAX)
    energy, forces, _ = predict(model, collate(graphs))
    de = 1000 * (energy.numpy() - frames.energy) / 12
    df = 1000 * (forces.numpy() - frames.forces.reshape(-1, 3))
    for batch_size in (1, 2, 5):
        errors = evaluate(model, graphs, batch_size)
        assert errors.energy_mae_mev_per_atom == pytest.approx(np.abs(de).mean())
        assert errors.energy_rmse_mev_per_atom == pytest.approx(np.sqrt((de**2).mean()))
        assert errors.forces_mae_mev_per_angstrom == pytest.approx(np.abs(df).mean())
        assert errors.forces_rmse_mev_per_angstrom == pytest.approx(np.sqrt((df**2).mean()))


def test_missing_labels_are_not_zero_errors(toy):
    model = model_for(toy.TOY, toy)
    unlabelled = replace(toy.toy_frames(2), energy=None)
    batch = collate(build_graphs(unlabelled, toy.SPECIES, toy.R_MAX))
    sums = ErrorSums()
    sums.add(batch, predict(model, batch))
    assert np.isnan(sums.errors().energy_mae_mev_per_atom)
    assert np.isfinite(sums.errors().forces_mae_mev_per_angstrom)


def test_stress_errors_against_numpy_in_any_batch_size(toy):
    """Two frames of five have no label: they do not count."""
    model = model_for(toy.TOY, toy)
    rng = np.random.default_rng(0)
    frames = toy.toy_frames(5)
    labels = rng.normal(scale=0.01, size=(3, 3, 3))
    some = replace(frames.select(slice(0, 3)), stress=labels)
    graphs = build_graphs(some, toy.SPECIES, toy.R_MAX)
    found = predict(model, collate(graphs)).stress.numpy()
    graphs += build_graphs(frames.select(slice(3, 5)), toy.SPECIES, toy.R_MAX)
    for batch_size in (1, 2, 5):
        told = evaluate(model, graphs, batch_size).as_dict()
        assert told["stress_mae_mev_per_angstrom3"] == pytest.approx(
            1000 * np.abs(found - labels).mean()
        )
        assert told["zero_stress_mae_mev_per_angstrom3"] == pytest.approx(
            1000 * np.abs(labels).mean()
        )
    assert not [name for name in evaluate(model, graphs[3:]).as_dict() if "stress" in name]
