"""ET against the torchmd-net package, for the same weights, and its original's jump."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from egraff_lmp.forcefields import FORCE_FIELDS, NetworkContext, edge_forces
from egraff_lmp.graph import find_edges

HERE = Path(__file__).parent / "reference"
# The package computes means and widths of its radial basis in float32, as ours with `basis:
# float32`; what remains is rounding in float64.
PARITY_EV = 1e-8

LAYER = {
    "layernorm": "norm",
    "q_proj": "query",
    "k_proj": "key",
    "v_proj": "value",
    "o_proj": "out",
    "vec_proj": "vectors",
    "dk_proj": "key_filter",
    "dv_proj": "value_filter",
}
REST = {
    "network.embedding": "embedding",
    "network.neighbor_embedding.embedding": "neighbour_embedding",
    "network.neighbor_embedding.distance_proj": "neighbour_filter",
    "network.neighbor_embedding.combine": "combine",
    "network.out_norm": "norm",
    "readout.output_network.layers.0": "readout.0",
    "readout.output_network.layers.2": "readout.2",
}
SPECIES = ("Ge", "Te")


def theirs_to_ours(name: str) -> str:
    """Name of a parameter of the package in our network."""
    module, kind = name.rsplit(".", 1)
    if module.startswith("network.attention_layers"):
        layer, part = module.split(".")[2:]
        return f"layers.{layer}.{LAYER[part]}.{kind}"
    return f"{REST[module]}.{kind}"


@pytest.mark.parametrize("variant", ["vector_cutoff", "original"])
def test_equals_the_package(variant: str) -> None:
    """Atomic energies and forces of torchmd-net 3.1.0 (reference/make_torchmdnet.py), periodic."""
    reference = json.loads((HERE / "torchmdnet.json").read_text())
    weights = runpy.run_path(str(HERE / "weights.py"))["weights"]
    settings = {
        "embedding_dimension": 16,
        "num_layers": 3,
        "num_rbf": 8,
        "num_heads": 4,
        "trainable_rbf": True,
        "vector_cutoff": variant == "vector_cutoff",
        "basis": "float32",
    }
    context = NetworkContext(SPECIES, reference["r_max"], 10.0, torch.float64, 0)
    network = FORCE_FIELDS["torchmdnet"].build(settings, context)
    ours = dict(network.named_parameters())
    shapes = reference[variant]["parameters"]
    assert {theirs_to_ours(name) for name in shapes} | {"means", "betas"} == set(ours)
    for position, (name, shape) in enumerate(shapes.items()):
        value = weights(position, tuple(shape), reference["scale"])
        ours[theirs_to_ours(name)].data = torch.tensor(value)
    for name in ("means", "betas"):
        theirs = torch.tensor(reference[name], dtype=torch.float64)
        assert torch.equal(ours[name].data, theirs)

    positions, cell = np.array(reference["positions"]), np.array(reference["cell"])
    edges = find_edges(positions, cell, (True, True, True), reference["r_max"])
    vectors = torch.tensor(edges.vectors(positions, cell), requires_grad=True)
    types, index = torch.tensor(reference["types"]), torch.tensor(edges.index)
    energies = network(vectors, index, types, len(types))["energy"]
    (gradient,) = torch.autograd.grad(energies.sum(), vectors)
    expected = np.array(reference[variant]["forces_ev_per_angstrom"])
    assert np.abs(expected).max() > 0.1  # the comparison means something
    np.testing.assert_allclose(
        energies.detach(), reference[variant]["atomic_energies_ev"], rtol=0, atol=PARITY_EV
    )
    np.testing.assert_allclose(
        edge_forces(gradient, index, len(types)).detach(), expected, rtol=0, atol=PARITY_EV
    )


def test_basis_of_earlier_checkpoints() -> None:
    """Settings without a basis have the exact one, which rounds to the package's."""
    entry = FORCE_FIELDS["torchmdnet"]
    assert all(preset["basis"] == "float32" for preset in entry.presets.values())
    context = NetworkContext(SPECIES, 5.0, 14.0, torch.float64, 0)
    earlier = {key: value for key, value in entry.presets["small"].items() if key != "basis"}
    exact, rounded = (entry.build(s, context) for s in (earlier, entry.presets["small"]))
    start = float(np.exp(-5.0))
    means = np.linspace(start, 1.0, 16)
    np.testing.assert_allclose(exact.means.detach(), means, rtol=0, atol=1e-15)
    np.testing.assert_allclose(exact.betas.detach(), (1 - start) ** -2 * 64, rtol=1e-14)
    for name in ("means", "betas"):
        one, other = getattr(exact, name).detach(), getattr(rounded, name).detach()
        assert not torch.equal(one, other)
        torch.testing.assert_close(one, other, rtol=1e-6, atol=0)


@pytest.mark.parametrize(("vector_cutoff", "jumps"), [(True, False), (False, True)])
def test_jump_of_the_original(vector_cutoff: bool, jumps: bool) -> None:
    """The original leaves vectors uncut and jumps when a neighbour passes r_max.

    Biases start at zero, where the radial basis vanishes at the cutoff with everything that it
    multiplies; trained biases do not, so they are set here.
    """
    entry = FORCE_FIELDS["torchmdnet"]
    settings = {**entry.presets["small"], "vector_cutoff": vector_cutoff}
    network = entry.build(settings, NetworkContext(SPECIES, 5.0, 14.0, torch.float64, 0))
    for layer in network.layers:
        torch.nn.init.constant_(layer.value_filter.bias, 0.3)
    index = torch.tensor([[0, 1, 0, 2], [1, 0, 2, 0]])
    types = torch.tensor([0, 1, 0])
    near = [[1.1, 2.0, 0.4], [-1.1, -2.0, -0.4]]
    inside = torch.tensor(
        [[0.0, 0.0, 5.0 - 1e-7], [0.0, 0.0, -5.0 + 1e-7], *near], dtype=torch.float64
    )
    with_edge = network(inside, index, types, 3)["energy"]
    without = network(inside[2:], index[:, 2:], types, 3)["energy"]
    jump = float((with_edge - without).detach().abs().max())
    assert jump > 1e-4 if jumps else jump < 1e-9


def test_wrong_settings() -> None:
    """Heads that do not divide the width, and unknown settings, are errors."""
    entry = FORCE_FIELDS["torchmdnet"]
    context = NetworkContext(SPECIES, 5.0, 14.0, torch.float64, 0)
    with pytest.raises(ValueError, match="multiple of num_heads = 5"):
        entry.build({**entry.presets["small"], "num_heads": 5}, context)
    with pytest.raises(ValueError, match="basis: expected one of exact, float32, got 'float16'"):
        entry.build({**entry.presets["small"], "basis": "float16"}, context)
    with pytest.raises(ValueError, match="unknown setting max_z"):
        entry.build({**entry.presets["small"], "max_z": 100}, context)
