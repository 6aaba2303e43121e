"""Deployed files around small TorchScript modules, for behaviour that no real network shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from egraff_lmp.contract import read_contract, save_deployed
from egraff_lmp.forcefields.base import edge_forces
from egraff_lmp.graph import find_edges


class Pairwise(torch.nn.Module):
    """Half the sum over neighbours of some function of the distance: strictly local."""

    def pair(self, r: torch.Tensor) -> torch.Tensor:
        """(E,) energies of edges in eV at distances in A."""
        return (5.0 - r) ** 3

    def forward(
        self, vectors: torch.Tensor, index: torch.Tensor, types: torch.Tensor, n_local: int
    ) -> dict[str, torch.Tensor]:
        """As the contract has it."""
        r = torch.linalg.norm(vectors, dim=1)
        energy = torch.zeros(n_local, dtype=vectors.dtype)
        return {"atomic_energy": energy.index_add(0, index[0], 0.5 * self.pair(r))}


class Raising(Pairwise):
    """Raises on a rank that owns an atom of the type, and in nothing else."""

    def __init__(self, type_index: int) -> None:
        super().__init__()
        self.type_index = type_index

    def forward(
        self, vectors: torch.Tensor, index: torch.Tensor, types: torch.Tensor, n_local: int
    ) -> dict[str, torch.Tensor]:
        """As the contract has it."""
        if bool((types[:n_local] == self.type_index).any()):
            raise RuntimeError("this network does not like the element")
        r = torch.linalg.norm(vectors, dim=1)
        energy = torch.zeros(n_local, dtype=vectors.dtype)
        return {"atomic_energy": energy.index_add(0, index[0], 0.5 * self.pair(r))}


class Rough(Pairwise):
    """An energy with features far below the steps of finite differences."""

    def pair(self, r: torch.Tensor) -> torch.Tensor:
        """See `Pairwise`."""
        return 1e-3 * torch.sin(1e6 * r)


class WrongGradient(Pairwise):
    """Half of the derivative is lost on the way back."""

    def pair(self, r: torch.Tensor) -> torch.Tensor:
        """See `Pairwise`."""
        return r.detach() * r


def deploy_toy(module: torch.nn.Module, template: Path, path: Path) -> Path:
    """`module` in a file whose contract is that of `template` but for what the module is.

    Its self test holds what the module gives; where it raises, what the template gave.
    """
    contract = read_contract(template)
    test = contract.self_test
    positions, cell = np.array(test.positions), np.array(test.cell)
    edges = find_edges(positions, cell, test.pbc, contract.r_max)
    vectors = torch.tensor(edges.vectors(positions, cell), requires_grad=True)
    index = torch.tensor(edges.index)
    types = torch.tensor([contract.species.index(element) for element in test.species])
    scripted = torch.jit.script(module)
    try:
        energies = scripted(vectors, index, types, len(positions))["atomic_energy"]
        (gradient,) = torch.autograd.grad(energies.sum(), vectors)
        forces = edge_forces(gradient, index, len(positions))
        test = replace(
            test,
            energies=tuple(energies.tolist()),
            forces=tuple(map(tuple, forces.tolist())),
        )
    except torch.jit.Error:
        pass
    contract = replace(
        contract,
        architecture=type(module).__name__,
        exchange_widths=(),
        halo_layers=1,
        outputs=(),
        dtype="float64",
        self_test=test,
    )
    save_deployed(scripted, contract, path)
    return path
