"""BOTNet against the class of its authors, for the same weights."""

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
# float64 against float64: rounding only.
PARITY_EV = 1e-8


def theirs_to_ours(name: str) -> str:
    """Name of a parameter of their class in our network."""
    for old, new in (
        ("interactions", "layers"),
        ("conv_tp_weights.layer", "radial.net.layer"),
        ("conv_tp_weights.weights", "radial.weights"),
        ("skip_tp", "skip"),
        ("node_embedding.linear", "embedding"),
    ):
        name = name.replace(old, new)
    if name.startswith("readouts") and "linear_" not in name:
        name = name.replace(".linear", "")
    return name


@pytest.mark.parametrize("variant", ["agnostic", "element"])
def test_equals_the_authors_class(variant: str) -> None:
    """Energy and forces of mace-torch 0.3.6 (reference/make_botnet.py) in a triclinic cell."""
    reference = json.loads((HERE / "botnet.json").read_text())
    weights = runpy.run_path(str(HERE / "weights.py"))["weights"]
    settings = {
        **FORCE_FIELDS["botnet"].presets["small"],
        "num_interactions": 3,
        "hidden_irreps": "6x0e + 6x0o + 4x1o + 4x1e + 3x2e",
        "MLP_irreps": "5x0e",
        "num_bessel": 6,
        "radial_MLP": [64, 64, 64],
        "radial": variant,
    }
    context = NetworkContext(
        ("Ge", "Te"), reference["r_max"], reference["avg_num_neighbors"], torch.float64, 0
    )
    network = FORCE_FIELDS["botnet"].build(settings, context)
    ours = dict(network.named_parameters())
    shapes = reference[variant]["parameters"]
    assert {theirs_to_ours(name) for name in shapes} == set(ours)
    for position, (name, shape) in enumerate(shapes.items()):
        value = weights(position, tuple(shape), reference["scale"])
        ours[theirs_to_ours(name)].data = torch.tensor(value)

    positions, cell = np.array(reference["positions"]), np.array(reference["cell"])
    edges = find_edges(positions, cell, (True, True, True), reference["r_max"])
    vectors = torch.tensor(edges.vectors(positions, cell), requires_grad=True)
    types = torch.tensor([("Ge", "Te").index(element) for element in reference["species"]])
    index = torch.tensor(edges.index)
    energy = network(vectors, index, types, len(types))["energy"].sum()
    (gradient,) = torch.autograd.grad(energy, vectors)
    expected = np.array(reference[variant]["forces_ev_per_angstrom"])
    assert np.abs(expected).max() > 0.1  # the comparison means something
    assert float(energy.detach()) == pytest.approx(reference[variant]["energy_ev"], abs=PARITY_EV)
    np.testing.assert_allclose(
        edge_forces(gradient, index, len(types)).detach(), expected, rtol=0, atol=PARITY_EV
    )


def test_wrong_settings() -> None:
    """An unknown kind of radial weights or setting is an error."""
    entry = FORCE_FIELDS["botnet"]
    context = NetworkContext(("Ge",), 5.0, 14.0, torch.float64, 0)
    with pytest.raises(ValueError, match="'agnostic' or 'element', got 'mlp'"):
        entry.build({**entry.presets["small"], "radial": "mlp"}, context)
    with pytest.raises(ValueError, match="unknown setting correlation"):
        entry.build({**entry.presets["small"], "correlation": 1}, context)
