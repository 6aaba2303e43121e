"""Reference values of TorchMD_ET with the output model Scalar in torchmd-net 3.1.0.

In an environment of its own:

    python -m venv ref && ref/bin/pip install torch==2.13.0 torchmd-net==3.1.0
    ref/bin/python make_torchmdnet.py torchmdnet.json
"""

import json
import sys

import numpy as np
import torch
from torchmdnet.models.output_modules import Scalar
from torchmdnet.models.torchmd_et import TorchMD_ET
from weights import weights

R_MAX, SCALE = 4.0, 0.6


def structure() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Twenty atoms of two elements in a periodic box (the package wants twice the cutoff)."""
    rng = np.random.default_rng(6)
    cell = np.diag([8.4, 8.9, 9.3])
    return rng.integers(0, 2, 20), rng.random((20, 3)) @ cell, cell


def evaluate(vector_cutoff: bool) -> dict:
    types, positions, cell = structure()
    network = TorchMD_ET(
        hidden_channels=16,
        num_layers=3,
        num_rbf=8,
        num_heads=4,
        max_z=2,
        cutoff_lower=0.0,
        cutoff_upper=R_MAX,
        max_num_neighbors=200,
        vector_cutoff=vector_cutoff,
        dtype=torch.float64,
    )
    readout = Scalar(16, dtype=torch.float64)
    model = torch.nn.ModuleDict({"network": network, "readout": readout}).double()
    parameters = dict(model.named_parameters())
    names = sorted(n for n in parameters if "distance_expansion" not in n)
    for position, name in enumerate(names):
        value = weights(position, tuple(parameters[name].shape), SCALE)
        parameters[name].data = torch.tensor(value)
    network.distance_expansion.reset_parameters()
    means, betas = network.distance_expansion._initial_params()
    network.distance_expansion.means.data = means.double()
    network.distance_expansion.betas.data = betas.double()
    pos = torch.tensor(positions, requires_grad=True)
    batch = torch.zeros(len(types), dtype=torch.long)
    z = torch.tensor(types)
    x, v, *_ = network(z, pos, batch, box=torch.tensor(cell))
    energy = readout.pre_reduce(x, v, z, pos, batch)
    (gradient,) = torch.autograd.grad(energy.sum(), pos)
    return {
        "parameters": {name: list(parameters[name].shape) for name in names},
        "atomic_energies_ev": energy.detach().view(-1).tolist(),
        "forces_ev_per_angstrom": (-gradient).tolist(),
    }


if __name__ == "__main__":
    frame = structure()
    result = {
        "source": "torchmd-net 3.1.0",
        "r_max": R_MAX,
        "scale": SCALE,
        "types": frame[0].tolist(),
        "positions": frame[1].tolist(),
        "cell": frame[2].tolist(),
        "vector_cutoff": evaluate(True),
        "original": evaluate(False),
    }
    means, betas = TorchMD_ET(num_rbf=8, cutoff_upper=R_MAX).distance_expansion._initial_params()
    result["means"], result["betas"] = means.tolist(), betas.tolist()
    with open(sys.argv[1], "w") as stream:
        json.dump(result, stream, indent=1)
        stream.write("\n")
