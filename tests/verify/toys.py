"""Small TorchScript modules of known physics, right and wrong, with a contract around them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from egraff_lmp.contract import Contract, EnergyReference, SelfTest, save_deployed
from egraff_lmp.deployed import DeployedModel

R_MAX = 4.0
SPECIES = ("Ge", "Te")


class Pairs(torch.nn.Module):
    """E_i = -5 n_i + sum_j a_ij exp(-r) (1 - (r / r_max)^2)^3: smooth, short-ranged, attractive."""

    def __init__(self, r_max: float, power: float = 3.0, single: bool = False) -> None:
        super().__init__()
        self.r_max = r_max
        self.power = power
        self.single = single
        strength = torch.tensor([[2.0, 5.0], [5.0, 1.0]], dtype=torch.float64)
        self.register_buffer("strength", strength)
        self.register_buffer("shift", torch.tensor([-100.0, -200.0], dtype=torch.float64))

    def forward(
        self,
        edge_vectors: torch.Tensor,
        edge_index: torch.Tensor,
        types: torch.Tensor,
        n_local: int,
    ) -> dict[str, torch.Tensor]:
        r = edge_vectors.square().sum(dim=1).sqrt()
        envelope = (1.0 - (r / self.r_max).square()).clamp(min=0.0).pow(self.power)
        terms = self.strength[types[edge_index[0]], types[edge_index[1]]] * torch.exp(-r) * envelope
        energy = self.shift[types[:n_local]].index_add(0, edge_index[0], terms)
        if self.single:
            energy = energy.to(torch.float32).to(torch.float64)
        return {"atomic_energy": energy}


class Symmetric(Pairs):
    """Beside the pairs, the length of the sum of unit vectors: a cusp where neighbours balance."""

    def forward(
        self,
        edge_vectors: torch.Tensor,
        edge_index: torch.Tensor,
        types: torch.Tensor,
        n_local: int,
    ) -> dict[str, torch.Tensor]:
        r = edge_vectors.square().sum(dim=1).sqrt()
        envelope = (1.0 - (r / self.r_max).square()).clamp(min=0.0).pow(self.power)
        units = edge_vectors * (envelope / r).unsqueeze(1)
        total = torch.zeros(n_local, 3, dtype=torch.float64).index_add(0, edge_index[0], units)
        length = (total.square().sum(dim=1) + 1e-12).sqrt()
        return {"atomic_energy": self.shift[types[:n_local]] + length}


class Swapped(Pairs):
    """Takes the first species for the second."""

    def forward(
        self,
        edge_vectors: torch.Tensor,
        edge_index: torch.Tensor,
        types: torch.Tensor,
        n_local: int,
    ) -> dict[str, torch.Tensor]:
        types = 1 - types
        r = edge_vectors.square().sum(dim=1).sqrt()
        envelope = (1.0 - (r / self.r_max).square()).clamp(min=0.0).pow(self.power)
        terms = self.strength[types[edge_index[0]], types[edge_index[1]]] * torch.exp(-r) * envelope
        energy = self.shift[types[:n_local]].index_add(0, edge_index[0], terms)
        return {"atomic_energy": energy}


def frame() -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """27 atoms on a jittered lattice."""
    rng = np.random.default_rng(8)
    grid = np.stack(np.meshgrid(*[range(3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    positions = (grid + 0.5) * 2.9 + rng.normal(0, 0.12, (27, 3))
    return tuple(SPECIES[k % 2] for k in range(27)), positions, np.eye(3) * 8.7


def save(module: torch.nn.Module, path: Path, honest: torch.nn.Module | None = None) -> Path:
    """Write a module as a deployed file; the self test is that of `honest`, by default its own."""
    if honest is not None:
        contract = DeployedModel(save(honest, path)).contract
    else:
        species, positions, cell = frame()
        test = SelfTest(
            species=species,
            positions=tuple(map(tuple, positions.tolist())),
            cell=tuple(map(tuple, cell.tolist())),
            pbc=(True, True, True),
            energies=(0.0,) * len(species),
            forces=((0.0, 0.0, 0.0),) * len(species),
            n_edges=0,
        )
        contract = Contract(
            architecture="Pairs",
            forcefield="pairs",
            r_max=R_MAX,
            n_layers=1,
            exchange_widths=(),
            species=SPECIES,
            masses_amu=(72.63, 127.6),
            dtype="float64",
            energy_reference=EnergyReference("none", {"Ge": -100.0, "Te": -200.0}),
            memory_bytes_per_edge=1000.0,
            n_parameters=0,
            provenance={},
            citations=(),
            versions={},
            self_test=test,
            halo_layers=1,
        )
    save_deployed(torch.jit.script(module), contract, path)
    if honest is None:
        species, positions, cell = frame()
        found = DeployedModel(path).evaluate(species, positions, cell, (True,) * 3)
        test = replace(
            contract.self_test,
            energies=tuple(found.energies.tolist()),
            forces=tuple(map(tuple, found.forces.tolist())),
            n_edges=_edges(positions, cell),
        )
        save_deployed(torch.jit.script(module), replace(contract, self_test=test), path)
    return path


def _edges(positions: np.ndarray, cell: np.ndarray) -> int:
    from egraff_lmp.graph import find_edges

    return int(find_edges(positions, cell, (True,) * 3, R_MAX).index.shape[1])
