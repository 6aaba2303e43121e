"""A force field small enough for exact tests, and a data set that it can learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from egraff_lmp.contract import Citation
from egraff_lmp.data.frames import Frames
from egraff_lmp.forcefields import ForceField, NetworkContext
from egraff_lmp.graph import find_edges

R_MAX = 4.0
SPECIES = ("Ge", "Te")
REFERENCE_EV = {"Ge": -103.25, "Te": -221.5}


class ToyNetwork(torch.nn.Module):
    """A sum over edges of an MLP of distance and species, smooth at the cutoff."""

    def __init__(self, settings: Mapping[str, Any], context: NetworkContext) -> None:
        super().__init__()
        width, self.n_species = int(settings["width"]), len(context.species)
        self.n_layers = 1
        self.exchange_widths = ()
        self.outputs = ()
        self.r_max = context.r_max
        self.dtype = context.dtype
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(context.seed)
            self.mlp = torch.nn.Sequential(
                torch.nn.Linear(8 + 2 * self.n_species, width, dtype=context.dtype),
                torch.nn.SiLU(),
                torch.nn.Dropout(float(settings["dropout"])),
                torch.nn.Linear(width, 1, dtype=context.dtype),
            )
        # Thirds are no float32 numbers: they show whether constants are rebuilt in float64.
        self.register_buffer("centres", torch.linspace(1, 4, 8, dtype=context.dtype) / 3 * 3)

    def forward(
        self,
        edge_vectors: torch.Tensor,
        edge_index: torch.Tensor,
        types: torch.Tensor,
        n_local: int,
    ) -> dict[str, torch.Tensor]:
        r = torch.linalg.vector_norm(edge_vectors.to(self.dtype), dim=1, keepdim=True)
        one_hot = torch.nn.functional.one_hot(types, self.n_species).to(self.dtype)
        basis = torch.exp(-2.0 * (r - self.centres) ** 2)
        pair = torch.cat([basis, one_hot[edge_index[0]], one_hot[edge_index[1]]], dim=1)
        edge_energy = (self.mlp(pair) * (1 - (r / self.r_max) ** 2) ** 3).view(-1)
        zero = torch.zeros(n_local, dtype=self.dtype, device=types.device)
        return {"energy": zero.index_add(0, edge_index[0], edge_energy)}


TOY = ForceField(
    key="toy",
    architecture="Toy",
    build=ToyNetwork,
    presets={"small": {"width": 16, "dropout": 0.0}},
    citations=(Citation("A toy (2024)"),),
    packages=("ase",),
)


def toy_frames(n_frames: int = 12, seed: int = 0, cell_a: float = 7.0, n_ge: int = 4) -> Frames:
    """Twelve atoms on a jittered grid in a periodic box, under a smooth pair potential."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(range(3), range(2), range(2), indexing="ij"), -1).reshape(-1, 3)
    cell = np.diag([cell_a, cell_a * 0.8, cell_a * 0.8])
    base = (grid + 0.25) / np.array([3, 2, 2]) @ cell
    positions = base + rng.normal(scale=0.15, size=(n_frames, 12, 3))
    species = ("Ge",) * n_ge + ("Te",) * (12 - n_ge)
    labels = [toy_labels(species, frame, cell) for frame in positions]
    return Frames(
        species=species,
        positions=positions,
        cell=np.broadcast_to(cell, (n_frames, 3, 3)).copy(),
        pbc=(True, True, True),
        energy=np.array([energy for energy, _ in labels]),
        forces=np.stack([forces for _, forces in labels]),
        timestep_fs=None,
        source=f"toy {seed}",
    )


def toy_labels(
    species: tuple[str, ...], positions: np.ndarray, cell: np.ndarray
) -> tuple[float, np.ndarray]:
    """Energy (eV) and forces (eV/A) of the pair potential, on top of the reference energies."""
    edges = find_edges(positions, cell, (True, True, True), R_MAX)
    x = torch.tensor(positions, requires_grad=True)
    i, j = torch.from_numpy(edges.index)
    r = torch.linalg.vector_norm(x[j] - x[i] + torch.from_numpy(edges.shifts @ cell), dim=1)
    well = (1 - torch.exp(-1.5 * (r - 2.6))) ** 2 - 1
    energy = 0.5 * (well * (1 - (r / R_MAX) ** 2) ** 3).sum()
    (gradient,) = torch.autograd.grad(energy, x)
    zero = sum(REFERENCE_EV[name] for name in species)
    return float(energy.detach()) + zero, -gradient.numpy()


def write_npz(path, frames: Frames) -> None:
    """The frames in the layout of MDBENCHGNN."""
    from ase.data import atomic_numbers

    np.savez(
        path,
        pos=frames.positions,
        energy=frames.energy[:, None],
        forces=frames.forces,
        cell=frames.cell[0],
        pbc=np.array(frames.pbc),
        atomic_numbers=np.array([atomic_numbers[name] for name in frames.species]),
    )
