"""Equiformer as it was before its settings said how weights are stored: names, shapes, values.

At commit 424b8ea, the last one without those settings, in its environment:

    python make_equiformer_earlier.py equiformer_earlier.json

It holds what checkpoints of that time need: `tests/forcefields/test_equiformer_settings.py` builds
their networks with the present code.
"""

import json
import sys

import numpy as np
import torch
from weights import weights

from egraff_lmp.forcefields import FORCE_FIELDS, NetworkContext, edge_forces
from egraff_lmp.graph import find_edges

R_MAX, SCALE = 4.0, 0.6
BASE = {
    "embedding": [8, 4, 2],
    "num_layers": 2,
    "num_heads": 2,
    "head": [4, 2, 2],
    "feed_forward": [12, 8, 4],
    "feature": 8,
    "num_rbf": 6,
    "radial_hidden": [8, 8],
}
VARIANTS = {
    "default": {"parity": True, "smooth": True, "norm": "smooth"},
    "original": {"parity": False, "smooth": False, "norm": "layer"},
    "without norm": {"parity": True, "smooth": True},
}


def structure() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Twelve atoms of two elements in a periodic box."""
    rng = np.random.default_rng(6)
    cell = np.diag([7.4, 6.9, 7.3])
    return rng.integers(0, 2, 12), rng.random((12, 3)) @ cell, cell


def evaluate(settings: dict) -> dict:
    types, positions, cell = structure()
    context = NetworkContext(("Ge", "Te"), R_MAX, 11.0, torch.float64, 4)
    network = FORCE_FIELDS["equiformer"].build(settings, context)
    first = {name: float(p.double().norm()) for name, p in network.named_parameters()}
    for position, (_, parameter) in enumerate(network.named_parameters()):
        parameter.data = torch.tensor(weights(position, tuple(parameter.shape), SCALE))
    edges = find_edges(positions, cell, (True, True, True), R_MAX)
    vectors = torch.tensor(edges.vectors(positions, cell), requires_grad=True)
    index = torch.tensor(edges.index)
    energies = network(vectors, index, torch.tensor(types), len(types))["energy"]
    (gradient,) = torch.autograd.grad(energies.sum(), vectors)
    return {
        "settings": settings,
        "state": {name: list(value.shape) for name, value in network.state_dict().items()},
        "parameters": [name for name, _ in network.named_parameters()],
        "norms_at_start": first,
        "atomic_energies": energies.tolist(),
        "forces": edge_forces(gradient, index, len(types)).tolist(),
    }


if __name__ == "__main__":
    frame = structure()
    result = {
        "source": "egraff_lmp at commit 424b8ea",
        "r_max": R_MAX,
        "scale": SCALE,
        "types": frame[0].tolist(),
        "positions": frame[1].tolist(),
        "cell": frame[2].tolist(),
        **{name: evaluate({**BASE, **changes}) for name, changes in VARIANTS.items()},
    }
    with open(sys.argv[1], "w") as stream:
        json.dump(result, stream, indent=1)
        stream.write("\n")
