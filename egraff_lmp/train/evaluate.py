"""Energies and forces of a batch, and the errors of a model on labelled frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch

from egraff_lmp.forcefields.base import edge_forces
from egraff_lmp.train.graphs import Batch, Graph, collate

MEV = 1000.0


@dataclass(frozen=True)
class Errors:
    """Errors of a model: energies per atom of a frame, forces and stress per Cartesian component.

    `zero_forces_mae_mev_per_angstrom` is what a model without any forces would score, and
    `zero_stress_mae_mev_per_angstrom3` what one without stress would. NaN where the labels are
    missing; those of the stress, which few data have, are then left out of `as_dict`.
    """

    energy_mae_mev_per_atom: float
    energy_rmse_mev_per_atom: float
    forces_mae_mev_per_angstrom: float
    forces_rmse_mev_per_angstrom: float
    zero_forces_mae_mev_per_angstrom: float
    stress_mae_mev_per_angstrom3: float = math.nan
    zero_stress_mae_mev_per_angstrom3: float = math.nan

    def as_dict(self) -> dict[str, float]:
        """The numbers by name."""
        absent = math.isnan(self.zero_stress_mae_mev_per_angstrom3)
        return {k: v for k, v in asdict(self).items() if not (absent and "stress" in k)}


class Prediction(NamedTuple):
    """What a model says of a batch of B frames and N atoms.

    Attributes:
        energy: (B,) in eV.
        forces: (N, 3) in eV/A.
        stress: (B, 3, 3) in eV/A^3, positive under tension; zero without a cell.
    """

    energy: torch.Tensor
    forces: torch.Tensor
    stress: torch.Tensor


def predict(model: torch.nn.Module, batch: Batch, *, create_graph: bool = False) -> Prediction:
    """Energies, forces and stresses of a batch.

    Forces and stress are gradients with respect to edge vectors, as in the simulation:
    sigma = (1 / V) sum over edges of r_ij x dE/dr_ij.

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
        outer = (vectors.unsqueeze(2) * gradient.unsqueeze(1)).reshape(-1, 9)
        frame = batch.frame[batch.edge_index[0]]
        work = outer.new_zeros(len(batch.n_atoms), 9).index_add(0, frame, outer)
        stress = work.view(-1, 3, 3) / batch.volume.view(-1, 1, 1)
        # Rotational invariance makes it symmetric up to rounding.
        stress = 0.5 * (stress + stress.transpose(1, 2))
    found = Prediction(energy, forces, stress)
    return found if create_graph else Prediction(*(tensor.detach() for tensor in found))


class ErrorSums:
    """Running sums over batches, finished by `errors`."""

    def __init__(self) -> None:
        # n, |dE|, dE^2, n, |dF|, dF^2, |F|, n, |dS|, |S|
        self._sums = torch.zeros(10, dtype=torch.float64)

    def add(self, batch: Batch, found: Prediction) -> None:
        """Count one batch."""
        de = ((found.energy - batch.energy) / batch.n_atoms).cpu()
        df = (found.forces - batch.forces).flatten().cpu()
        for start, delta in ((0, de), (3, df)):
            self._sums[start] += delta.numel()
            self._sums[start + 1] += delta.abs().sum()
            self._sums[start + 2] += (delta**2).sum()
        self._sums[6] += batch.forces.abs().sum().cpu()
        known = batch.stress.isfinite().flatten(1).all(dim=1)
        stress = batch.stress[known]
        self._sums[7] += stress.numel()
        self._sums[8] += (found.stress[known] - stress).abs().sum().cpu()
        self._sums[9] += stress.abs().sum().cpu()

    def merge(self, sums: torch.Tensor) -> None:
        """Take the sums (10,) of all processes in place of this one's own."""
        self._sums = sums.cpu()

    @property
    def sums(self) -> torch.Tensor:
        """n, sum |dE|, sum dE^2, n, sum |dF|, sum dF^2, sum |F|, n, sum |dS|, sum |S|: (10,).

        They are added over processes.
        """
        return self._sums

    def errors(self) -> Errors:
        """Mean absolute and root-mean-square errors of all that was counted."""
        n_e, abs_e, sq_e, n_f, abs_f, sq_f, zero_f, n_s, abs_s, zero_s = self._sums.tolist()
        return Errors(
            energy_mae_mev_per_atom=MEV * abs_e / max(n_e, 1),
            energy_rmse_mev_per_atom=MEV * (sq_e / max(n_e, 1)) ** 0.5,
            forces_mae_mev_per_angstrom=MEV * abs_f / max(n_f, 1),
            forces_rmse_mev_per_angstrom=MEV * (sq_f / max(n_f, 1)) ** 0.5,
            zero_forces_mae_mev_per_angstrom=MEV * zero_f / max(n_f, 1),
            stress_mae_mev_per_angstrom3=MEV * abs_s / n_s if n_s else math.nan,
            zero_stress_mae_mev_per_angstrom3=MEV * zero_s / n_s if n_s else math.nan,
        )


def evaluate(
    model: torch.nn.Module,
    graphs: Sequence[Graph],
    batch_size: int = 5,
    seen: Callable[[Batch, Prediction], None] | None = None,
) -> Errors:
    """Errors of `model` on `graphs`; each batch and what is said of it goes to `seen`, too."""
    sums = ErrorSums()
    for start in range(0, len(graphs), batch_size):
        batch = collate(graphs[start : start + batch_size])
        found = predict(model, batch)
        sums.add(batch, found)
        if seen is not None:
            seen(batch, found)
    return sums.errors()
