"""Energies and forces of a batch, and the errors of a model on labelled frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch

from egraff_lmp.forcefields.base import edge_forces
from egraff_lmp.train.graphs import Batch, Graph, collate

MEV = 1000.0


@dataclass(frozen=True)
class Errors:
    """Errors of a model: energies per atom of a frame, forces per Cartesian component.

    NaN where the labels are missing.
    """

    energy_mae_mev_per_atom: float
    energy_rmse_mev_per_atom: float
    forces_mae_mev_per_angstrom: float
    forces_rmse_mev_per_angstrom: float

    def as_dict(self) -> dict[str, float]:
        """The four numbers by name."""
        return asdict(self)


def energy_and_forces(
    model: torch.nn.Module, batch: Batch, *, create_graph: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Energy of each frame, (B,) in eV, and forces, (N, 3) in eV/A.

    Forces are gradients with respect to edge vectors, as in the simulation.

    Args:
        model: an `AtomicEnergyModel`, or its scripted form.
        batch: all atoms local.
        create_graph: keep the graph of the forces, to train on them.
    """
    n_atoms = len(batch.types)
    with torch.enable_grad():
        vectors = batch.edge_vectors.detach().requires_grad_(True)
        atomic = model(vectors, batch.edge_index, batch.types, n_atoms)["atomic_energy"]
        energy = atomic.new_zeros(len(batch.n_atoms)).index_add(0, batch.frame, atomic)
        if atomic.requires_grad and len(vectors):
            (gradient,) = torch.autograd.grad(energy.sum(), vectors, create_graph=create_graph)
        else:  # isolated atoms alone
            gradient = torch.zeros_like(vectors)
        forces = edge_forces(gradient, batch.edge_index, n_atoms)
    return (energy, forces) if create_graph else (energy.detach(), forces.detach())


class ErrorSums:
    """Running sums over batches, finished by `errors`."""

    def __init__(self) -> None:
        self._sums = torch.zeros(6, dtype=torch.float64)  # n, |dE|, dE^2, n, |dF|, dF^2

    def add(self, batch: Batch, energy: torch.Tensor, forces: torch.Tensor) -> None:
        """Count one batch: energies (B,) in eV, forces (N, 3) in eV/A."""
        de = ((energy - batch.energy) / batch.n_atoms).cpu()
        df = (forces - batch.forces).flatten().cpu()
        for start, delta in ((0, de), (3, df)):
            self._sums[start] += delta.numel()
            self._sums[start + 1] += delta.abs().sum()
            self._sums[start + 2] += (delta**2).sum()

    def errors(self) -> Errors:
        """Mean absolute and root-mean-square errors of all that was counted."""
        n_e, abs_e, sq_e, n_f, abs_f, sq_f = self._sums.tolist()
        return Errors(
            energy_mae_mev_per_atom=MEV * abs_e / max(n_e, 1),
            energy_rmse_mev_per_atom=MEV * (sq_e / max(n_e, 1)) ** 0.5,
            forces_mae_mev_per_angstrom=MEV * abs_f / max(n_f, 1),
            forces_rmse_mev_per_angstrom=MEV * (sq_f / max(n_f, 1)) ** 0.5,
        )


def evaluate(model: torch.nn.Module, graphs: Sequence[Graph], batch_size: int = 5) -> Errors:
    """Errors of `model` on `graphs`."""
    sums = ErrorSums()
    for start in range(0, len(graphs), batch_size):
        batch = collate(graphs[start : start + batch_size])
        sums.add(batch, *energy_and_forces(model, batch))
    return sums.errors()
