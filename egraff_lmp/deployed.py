"""A deployed file evaluated from Python, without LAMMPS: the independent side of every comparison.

Neighbours come from vesin or ASE, the network from the same file that LAMMPS loads; nothing of the
pair style is used. Needs torch, numpy and ase only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from egraff_lmp.contract import read_contract
from egraff_lmp.errors import EgraffError
from egraff_lmp.graph import find_edges
from egraff_lmp.paths import OPS_LIBRARY, native_dir


@dataclass(frozen=True)
class Evaluation:
    """Results for one frame of N atoms.

    Attributes:
        energy: sum of the atomic energies in eV.
        energies: (N,) in eV.
        forces: (N, 3) in eV/A.
        virial: (3, 3) in eV, -sum over edges of r_ij x dE/dr_ij; stress is -virial / volume.
    """

    energy: float
    energies: NDArray[np.float64]
    forces: NDArray[np.float64]
    virial: NDArray[np.float64]


class DeployedModel:
    """A deployed file in memory.

    Args:
        path: file written by `egraff deploy`.
        device: "cpu", "cuda" or "cuda:N".

    Raises:
        EgraffError: the file is not a deployed model, or the device is not there.
    """

    def __init__(self, path: str | Path, device: str = "cpu") -> None:
        self.contract = read_contract(path)
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise EgraffError(
                f"expected a GPU for device '{device}', got none that torch can use: use 'cpu', or "
                "install a CUDA build of torch and its driver."
            )
        torch.ops.load_library(str(native_dir() / OPS_LIBRARY))
        missing = [name for name in self.contract.operators if not hasattr(torch.ops.egraff, name)]
        if missing:
            raise EgraffError(
                f"{path}: expected an egraff_lmp with the operators that the file calls, got one "
                f"without {', '.join(missing)}: update egraff_lmp, or deploy the model with "
                "--reference."
            )
        self.device = torch.device(device)
        try:
            self._module = torch.jit.load(str(path), map_location=self.device).eval()
        except RuntimeError as error:
            raise EgraffError(
                f"{path}: its network could not be loaded ({str(error).splitlines()[0]}): copy "
                "the file again, or deploy it again with this version of torch."
            ) from None

    def evaluate(
        self,
        species: tuple[str, ...] | list[str],
        positions: NDArray[np.float64],
        cell: NDArray[np.float64],
        pbc: tuple[bool, bool, bool] | NDArray[np.bool_],
    ) -> Evaluation:
        """Energy, forces and virial of one frame.

        Args:
            species: element of each atom, length N.
            positions: (N, 3) in A.
            cell: (3, 3) in A, rows are lattice vectors.
            pbc: periodicity along each lattice vector.
        """
        types = torch.tensor(self._types(species), dtype=torch.int64, device=self.device)
        edges = find_edges(positions, cell, pbc, self.contract.r_max)
        vectors = torch.tensor(edges.vectors(positions, cell), device=self.device)
        vectors.requires_grad_(True)
        index = torch.tensor(edges.index, device=self.device)
        # The optimising executor recompiles at every new shape.
        with torch.jit.optimized_execution(False):
            energies = self._module(vectors, index, types, len(species))["atomic_energy"]
        (gradient,) = torch.autograd.grad(energies.sum(), vectors)
        g = gradient.detach().cpu().numpy()
        r = vectors.detach().cpu().numpy()
        forces = np.zeros((len(species), 3))
        np.add.at(forces, edges.index[0], g)
        np.subtract.at(forces, edges.index[1], g)
        atomic = energies.detach().cpu().numpy()
        return Evaluation(float(atomic.sum()), atomic, forces, -r.T @ g)

    def _types(self, species: tuple[str, ...] | list[str]) -> list[int]:
        known = {element: index for index, element in enumerate(self.contract.species)}
        unknown = sorted(set(species) - set(known))
        if unknown:
            raise EgraffError(
                f"expected elements out of {' '.join(known)}, which the model was trained on, got "
                f"{' '.join(unknown)}: use a model that knows them."
            )
        return [known[element] for element in species]
