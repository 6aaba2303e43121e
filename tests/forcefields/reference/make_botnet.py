"""Reference values of the class BOTNet in mace-torch 0.3.6, the last release that has it.

In an environment of its own, as it wants e3nn 0.4.4:

    python -m venv ref && ref/bin/pip install torch==2.13.0 e3nn==0.4.4 mace-torch==0.3.6
    TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1 ref/bin/python make_botnet.py botnet.json
"""

import json
import sys
from functools import partial

import numpy as np
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list
from e3nn import o3
from mace.modules import blocks
from mace.modules.models import BOTNet
from weights import weights

VARIANTS = {
    "agnostic": ("AgnosticNonlinearInteractionBlock", "AgnosticResidualNonlinearInteractionBlock"),
    "element": ("ResidualElementDependentInteractionBlock",) * 2,
}
R_MAX, NEIGHBOURS, SCALE = 4.0, 4.0, 1.0


def structure() -> Atoms:
    """Twelve atoms of two elements in a triclinic cell with heights below 2 r_max."""
    rng = np.random.default_rng(5)
    cell = np.array([[6.1, 0.0, 0.0], [1.2, 5.7, 0.0], [-0.8, 1.1, 6.4]])
    return Atoms("Ge5Te7", scaled_positions=rng.random((12, 3)), cell=cell, pbc=True)


def evaluate(variant: str) -> dict:
    hidden = o3.Irreps("6x0e + 6x0o + 4x1o + 4x1e + 3x2e")
    # The base class of that release asks for an argument that BOTNet does not hand on or use.
    first, rest = (
        partial(getattr(blocks, name), hidden_irreps=hidden) for name in VARIANTS[variant]
    )
    model = BOTNet(
        r_max=R_MAX,
        num_bessel=6,
        num_polynomial_cutoff=5,
        max_ell=2,
        interaction_cls=rest,
        interaction_cls_first=first,
        num_interactions=3,
        num_elements=2,
        hidden_irreps=hidden,
        MLP_irreps=o3.Irreps("5x0e"),
        atomic_energies=np.zeros(2),
        gate=torch.nn.functional.silu,
        avg_num_neighbors=NEIGHBOURS,
        atomic_numbers=[32, 52],
    )
    names = sorted(name for name, _ in model.named_parameters())
    parameters = dict(model.named_parameters())
    for position, name in enumerate(names):
        value = weights(position, tuple(parameters[name].shape), SCALE)
        parameters[name].data = torch.tensor(value)
    atoms = structure()
    i, j, shifts = neighbor_list("ijS", atoms, R_MAX)

    class Data(dict):
        __getattr__ = dict.__getitem__

    positions = torch.tensor(atoms.positions)
    data = Data(
        positions=positions,
        node_attrs=torch.nn.functional.one_hot(
            torch.tensor((atoms.numbers == 52).astype(int)), 2
        ).to(torch.float64),
        batch=torch.zeros(len(atoms), dtype=torch.long),
        num_graphs=1,
        edge_index=torch.tensor(np.array([j, i])),
        shifts=torch.tensor(-shifts @ atoms.cell.array),
    )
    out = model(data)
    return {
        "parameters": {name: list(parameters[name].shape) for name in names},
        "energy_ev": float(out["energy"]),
        "forces_ev_per_angstrom": out["forces"].tolist(),
    }


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    frame = structure()
    result = {
        "source": "mace-torch 0.3.6, e3nn 0.4.4",
        "r_max": R_MAX,
        "scale": SCALE,
        "avg_num_neighbors": NEIGHBOURS,
        "species": frame.get_chemical_symbols(),
        "positions": frame.positions.tolist(),
        "cell": frame.cell.array.tolist(),
        **{variant: evaluate(variant) for variant in VARIANTS},
    }
    with open(sys.argv[1], "w") as stream:
        json.dump(result, stream, indent=1)
        stream.write("\n")
