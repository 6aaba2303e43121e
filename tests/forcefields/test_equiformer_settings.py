"""Equiformer's training: against its authors' conventions, and as earlier checkpoints have it."""

from __future__ import annotations

import json
import math
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from egraff_lmp.forcefields import FORCE_FIELDS, NetworkContext, edge_forces
from egraff_lmp.forcefields.equiformer import EARLIER, FAITHFUL, FanInLinear
from egraff_lmp.graph import find_edges
from egraff_lmp.train.config import named_config
from egraff_lmp.train.schedule import build_optimiser

HERE = Path(__file__).parent / "reference"
ENTRY = FORCE_FIELDS["equiformer"]
SPECIES = ("Ge", "Te")
R_MAX = 4.0
# Energies and forces are of the order of 0.1 here; what remains is rounding.
ROUNDING = 1e-10
# The same sums, in the order of other libraries and instruction sets.
SAME_CODE = 1e-12
SIZES: dict[str, Any] = {
    "embedding": [8, 6, 4],
    "num_layers": 2,
    "num_heads": 2,
    "head": [4, 3, 2],
    "feed_forward": [12, 8, 4],
    "feature": 16,
    "num_rbf": 6,
    "radial_hidden": [8, 10],
}
SETTINGS = {**ENTRY.presets["paper-original"], **SIZES}


def context(avg_num_neighbors: float = 11.0) -> NetworkContext:
    return NetworkContext(SPECIES, R_MAX, avg_num_neighbors, torch.float64, 4)


def structure() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Edge vectors, edge index and types of twelve atoms in a periodic box."""
    rng = np.random.default_rng(6)
    cell = np.diag([7.4, 6.9, 7.3])
    types, positions = rng.integers(0, 2, 12), rng.random((12, 3)) @ cell
    edges = find_edges(positions, cell, (True, True, True), R_MAX)
    vectors = torch.tensor(edges.vectors(positions, cell), requires_grad=True)
    return vectors, torch.tensor(edges.index), torch.tensor(types)


@pytest.fixture(scope="module")
def authors() -> Mapping[str, Any]:
    """The reference's module."""
    return runpy.run_path(str(HERE / "equiformer_authors.py"))


def reference(authors: Mapping[str, Any], seed: int = 0) -> Any:
    """The authors' network, its parameters drawn."""
    s = SIZES
    sizes = authors["Sizes"](
        embedding=s["embedding"],
        head=s["head"],
        feed_forward=s["feed_forward"],
        feature=s["feature"],
        n_blocks=s["num_layers"],
        n_heads=s["num_heads"],
        n_basis=s["num_rbf"],
        radial_hidden=s["radial_hidden"],
        n_types=len(SPECIES),
        r_max=R_MAX,
    )
    network = authors["AuthorsEquiformer"](sizes, seed)
    network.energies(*structure())
    return network


def as_ours(network: Any) -> dict[str, torch.Tensor]:
    """The reference's parameters by the names of ours; no number is changed, only its place."""
    found: dict[str, torch.Tensor] = {}
    theirs: dict[str, torch.Tensor] = dict(network.parameters.values)
    sizes = network.sizes
    copies = [sizes.embedding[first] for first, _, _ in sizes.paths]
    # Theirs are in the order of the paths, ours by the degree of the result first.
    order = sorted(range(len(copies)), key=lambda path: sizes.paths[path][2])

    def linear(source: str, target: str) -> None:
        matrices = [theirs.pop(f"{source}.{d}", None) for d in range(len(sizes.embedding))]
        found[f"{target}.weight"] = torch.cat([m.reshape(-1) for m in matrices if m is not None])
        if f"{source}.bias" in theirs:
            found[f"{target}.bias"] = theirs.pop(f"{source}.bias")

    def by_path(values: torch.Tensor) -> torch.Tensor:
        parts = values.split(copies)
        return torch.cat([parts[path] for path in order])

    def radial(source: str, target: str) -> None:
        last = len(sizes.radial_hidden)
        for index in range(last):
            layer, norm = f"{target}.net.{3 * index}", f"{target}.net.{3 * index + 1}"
            found[f"{layer}.weight"] = theirs.pop(f"{source}.{index}")
            found[f"{layer}.bias"] = theirs.pop(f"{source}.{index}.bias")
            found[f"{norm}.weight"] = theirs.pop(f"{source}.{index}.norm")
            found[f"{norm}.bias"] = theirs.pop(f"{source}.{index}.shift")
        found[f"{target}.net.{3 * last}.weight"] = by_path(theirs.pop(f"{source}.{last}"))
        found[f"{target}.net.{3 * last}.bias"] = by_path(theirs.pop(f"{source}.offset"))

    found["atom_embedding.weight"] = theirs.pop("types").reshape(-1)
    found["atom_embedding.bias"] = theirs.pop("types.bias")
    linear("degree.constant", "degree_embedding.constant")
    radial("degree.radial", "degree_embedding.radial")
    linear("degree.out", "degree_embedding.project")
    for block in range(sizes.n_blocks):
        name = f"blocks.{block}"
        linear(f"{name}.norm_1", f"{name}.norm_1")
        linear(f"{name}.norm_2", f"{name}.norm_2")
        linear(f"{name}.attention.sent", f"{name}.attention.from_neighbor")
        linear(f"{name}.attention.own", f"{name}.attention.from_center")
        radial(f"{name}.attention.radial", f"{name}.attention.radial")
        linear(f"{name}.attention.alpha", f"{name}.attention.alpha")
        found[f"{name}.attention.alpha_dot"] = theirs.pop(f"{name}.attention.dot")
        linear(f"{name}.attention.value", f"{name}.attention.to_gate")
        inner = by_path(theirs.pop(f"{name}.attention.inner"))
        found[f"{name}.attention.value_product.weight"] = inner
        linear(f"{name}.attention.heads", f"{name}.attention.to_value")
        linear(f"{name}.attention.out", f"{name}.attention.project")
        linear(f"{name}.first", f"{name}.linear_1")
        linear(f"{name}.second", f"{name}.linear_2")
    linear(f"{name}.shortcut", f"{name}.shortcut")
    linear("norm", "norm")
    linear("readout.first", "readout.0")
    linear("readout.second", "readout.2")
    assert not theirs
    return {key: value.detach().clone() for key, value in found.items()}


def mapped(network: Any, settings: Mapping[str, Any] = SETTINGS) -> torch.nn.Module:
    """Ours with the reference's parameters."""
    ours = ENTRY.build(settings, context())
    weights = as_ours(network)
    parameters = dict(ours.named_parameters())
    assert set(weights) == set(parameters)
    with torch.no_grad():
        for name, parameter in parameters.items():
            assert parameter.shape == weights[name].shape, name
            parameter.copy_(weights[name])
    return ours


def energies_and_forces(network: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the atoms, in the network's units."""
    vectors, index, types = structure()
    if isinstance(network, torch.nn.Module):
        energies = network(vectors, index, types, len(types))["energy"]
    else:
        energies = network.energies(vectors, index, types)
    (gradient,) = torch.autograd.grad(energies.sum(), vectors)
    return energies.detach(), edge_forces(gradient, index, len(types)).detach()


def test_the_authors_function(authors: Mapping[str, Any]) -> None:
    """Energies and forces of "paper-original" are the reference's, for the same stored numbers."""
    theirs = reference(authors)
    energies, forces = energies_and_forces(mapped(theirs))
    expected_energies, expected_forces = energies_and_forces(theirs)
    assert float(expected_energies.std()) > 0.02
    assert float(expected_forces.abs().max()) > 0.02
    torch.testing.assert_close(energies, expected_energies, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(forces, expected_forces, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("name", [*(key for key in FAITHFUL if key != "radial_bias"), "norm"])
def test_each_convention_matters(name: str, authors: Mapping[str, Any]) -> None:
    """As an earlier version has it, and the function is another; "norm" where it is smooth."""
    theirs = reference(authors)
    with torch.no_grad():  # trained: norms and biases are not what they start as
        for value in theirs.parameters.values.values():
            value.add_(0.1 * torch.randn(value.shape, generator=theirs.parameters.generator))
    expected, _ = energies_and_forces(theirs)
    same, _ = energies_and_forces(mapped(theirs))
    torch.testing.assert_close(same, expected, rtol=0, atol=ROUNDING)
    other = {**EARLIER, "norm": "smooth"}[name]
    found, _ = energies_and_forces(mapped(theirs, {**SETTINGS, name: other}))
    assert float((found - expected).abs().max()) > 10 * ROUNDING


def test_the_authors_steps(authors: Mapping[str, Any]) -> None:
    """Three steps of AdamW with the settings of the config move both to the same function.

    Weight decay is 0.3 in place of 1e-6, so that it shows which parameters are decayed.
    """
    config = named_config("equiformer-paper", {"train": ["gete:test"]}).optimiser
    decay = {"weight_decay": 0.3, "learning_rate": 0.01}
    config = config.model_copy(update=decay)
    theirs = reference(authors)
    ours = mapped(theirs)
    values, decayed = theirs.parameters.values, theirs.parameters.decayed
    groups: list[dict[str, Any]] = [
        {"params": [value for name, value in values.items() if decayed[name]]},
        {"params": [value for name, value in values.items() if not decayed[name]]},
    ]
    groups[1]["weight_decay"] = 0.0
    optimiser = torch.optim.AdamW(groups, lr=0.01, weight_decay=0.3)
    own_optimiser = build_optimiser(ours.parameters(), config, ENTRY.spared(ours))
    before, _ = energies_and_forces(theirs)
    vectors, index, types = structure()
    wanted = torch.linspace(-1.0, 1.0, len(types), dtype=torch.float64)
    for _ in range(3):
        for made, stepper in (
            (theirs.energies(vectors, index, types), optimiser),
            (ours(vectors, index, types, len(types))["energy"], own_optimiser),
        ):
            stepper.zero_grad()
            (made - wanted).pow(2).mean().backward()
            for value in values.values():
                # Degrees that the last block does not read: stored with those that it does, they
                # have gradients of zero, and are decayed.
                value.grad = torch.zeros_like(value) if value.grad is None else value.grad
            stepper.step()
    after, forces = energies_and_forces(theirs)
    assert float((after - before).abs().max()) > 0.02
    found, found_forces = energies_and_forces(ours)
    # Adam divides gradients by their size, and with it the rounding of those that are tiny.
    torch.testing.assert_close(found, after, rtol=0, atol=1e-7)
    torch.testing.assert_close(found_forces, forces, rtol=0, atol=1e-7)
    expected = as_ours(theirs)
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.detach(), expected[name], rtol=0, atol=1e-6, msg=name)


def test_what_is_spared_from_decay() -> None:
    """Norms and biases, but not the last radial layers' biases; all weights are decayed."""
    network = ENTRY.build(SETTINGS, context())
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    spared = {names[id(parameter)] for parameter in ENTRY.spared(network)}
    last = 3 * len(SIZES["radial_hidden"])
    norms = {f"net.{3 * index + 1}" for index in range(len(SIZES["radial_hidden"]))}
    for name in names.values():
        module, kind = name.rsplit(".", 1)
        is_norm = "norm" in module.rsplit(".", 1)[-1] or any(module.endswith(n) for n in norms)
        expected = is_norm or (kind == "bias" and not module.endswith(f"net.{last}"))
        assert (name in spared) == expected, name


def test_how_weights_start() -> None:
    """Spread 1 / sqrt(fan-in), biases of zero; and what scales the embedding and the energy."""
    assert all({**preset, **FAITHFUL} == preset for preset in ENTRY.presets.values())
    network = ENTRY.build({**ENTRY.presets["paper-original"], "num_layers": 2}, context())
    maps = [module for module in network.modules() if isinstance(module, FanInLinear)]
    assert len(maps) == 2 + 2 * 8 + 1 + 2
    for module in maps:
        start = 0
        for path in (path for path in module.instructions if path.i_in != -1):
            size = math.prod(path.path_shape)
            weight = module.weight[start : start + size].detach()
            start += size
            if size < 4000:
                continue
            # All irreps of the paper's maps are joined: the fan-in is that of the one path.
            spread = float(weight.std()) * path.path_shape[0] ** 0.5
            # The spread of n normal numbers is known to 1 / sqrt(2 n).
            assert abs(spread - 1.0) < 5.0 / (2 * size) ** 0.5
        assert start == module.weight.numel()
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Linear):
            last = module.out_features > 64
            size = float(module.bias.detach().abs().max())
            assert size <= module.in_features**-0.5
            assert (size > 0.0) == last, name
    assert network.degree_embedding.norm == pytest.approx(15.57930850982666**0.5)
    assert network.energy_divisor == pytest.approx(18.03065905448718**0.5)
    assert network.blocks[0].attention.leaky_factor == pytest.approx(1.5313, abs=1e-4)


def test_both_linear_maps_start_as_the_same_function() -> None:
    """For one seed, up to rounding: only what is stored differs."""
    unit, fan_in = (
        energies_and_forces(ENTRY.build({**SETTINGS, "linear": linear}, context()))
        for linear in ("unit", "fan_in")
    )
    for one, other in zip(unit, fan_in, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=ROUNDING)


def test_mean_degree_of_the_training_set() -> None:
    """The context's where the setting is null, and the setting where it is given."""
    norms = {
        degree: ENTRY.build(
            {**SETTINGS, "mean_degree": degree}, context(25.0)
        ).degree_embedding.norm
        for degree in (None, 9.0)
    }
    assert norms == {None: 5.0, 9.0: 3.0}


@pytest.mark.parametrize("variant", ["default", "original", "without norm"])
def test_networks_of_earlier_checkpoints(variant: str) -> None:
    """Their settings give their network: names, start, energies (make_equiformer_earlier.py)."""
    file = json.loads((HERE / "equiformer_earlier.json").read_text())
    earlier = file[variant]
    weights = runpy.run_path(str(HERE / "weights.py"))["weights"]
    network = ENTRY.build(earlier["settings"], context())
    assert earlier["state"] == {
        name: list(value.shape) for name, value in network.state_dict().items()
    }
    parameters = dict(network.named_parameters())
    assert list(parameters) == earlier["parameters"]
    for name, parameter in parameters.items():
        norm = float(parameter.detach().norm())
        assert norm == pytest.approx(earlier["norms_at_start"][name], rel=1e-9), name
    with torch.no_grad():
        for position, parameter in enumerate(parameters.values()):
            value = weights(position, tuple(parameter.shape), file["scale"])
            parameter.copy_(torch.tensor(value))
    energies, forces = energies_and_forces(network)
    assert np.abs(np.array(earlier["forces"])).max() > 0.02
    np.testing.assert_allclose(energies, earlier["atomic_energies"], rtol=0, atol=SAME_CODE)
    np.testing.assert_allclose(forces, earlier["forces"], rtol=0, atol=SAME_CODE)
