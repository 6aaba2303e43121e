"""A deployed file evaluated from Python, without LAMMPS: the independent side of every comparison.

Neighbours come from vesin or ASE, the network from the same file that LAMMPS loads; nothing of the
pair style is used. Needs torch, numpy and ase only.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from egraff_lmp.contract import contract_in, read_contract
from egraff_lmp.errors import EgraffError
from egraff_lmp.graph import find_edges
from egraff_lmp.operators import load_operators
from egraff_lmp.untrusted import MAX_ARCHIVE_BYTES


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
        sha256: SHA-256 that the file must have, in hexadecimal; None takes any. A TorchScript file
            is a program that runs when it is loaded: it is loaded only after its bytes, all of
            them and no others, were found to be the right ones.

    Raises:
        EgraffError: the file is not a deployed model or has another hash, or the device is not
            there.
    """

    def __init__(self, path: str | Path, device: str = "cpu", *, sha256: str | None = None) -> None:
        content = _content(Path(path))
        self.sha256 = hashlib.sha256(content).hexdigest()
        if sha256 is not None and self.sha256 != sha256.lower():
            raise EgraffError(
                f"{path}: expected the file with SHA-256 {sha256}, got {self.sha256}: it was not "
                "loaded; get the right file."
            )
        self.contract = contract_in(io.BytesIO(content), Path(path))
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise EgraffError(
                f"expected a GPU for device '{device}', got none that torch can use: use 'cpu', or "
                "install a CUDA build of torch and its driver."
            )
        load_operators()
        self.device = torch.device(device)
        self._require_operators(path)
        try:
            self._module = torch.jit.load(io.BytesIO(content), map_location=self.device).eval()
        except RuntimeError as error:
            raise EgraffError(
                f"{path}: its network could not be loaded ({str(error).splitlines()[0]}): copy "
                "the file again, or deploy it again with this version of torch."
            ) from None

    def _require_operators(self, path: str | Path) -> None:
        key = "CUDA" if self.device.type == "cuda" else "CPU"
        missing = [
            name
            for name in self.contract.operators
            if not hasattr(torch.ops.egraff, name)
            or not torch._C._dispatch_has_kernel_for_dispatch_key(f"egraff::{name}", key)
        ]
        if missing:
            advice = "update egraff_lmp" if key == "CPU" else "use the device cpu"
            raise EgraffError(
                f"{path}: expected an egraff_lmp with the operators that the file calls, got one "
                f"without {', '.join(missing)} for the device {self.device}: {advice}, or deploy "
                "the model with --reference."
            )

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
        edges = find_edges(positions, cell, pbc, self.contract.r_max)
        r = edges.vectors(positions, cell)
        atomic, g = self.evaluate_graph(r, edges.index, species)
        forces = np.zeros((len(species), 3))
        np.add.at(forces, edges.index[0], g)
        np.subtract.at(forces, edges.index[1], g)
        return Evaluation(float(atomic.sum()), atomic, forces, -r.T @ g)

    def evaluate_graph(
        self,
        vectors: NDArray[np.float64],
        index: NDArray[np.int64],
        species: tuple[str, ...] | list[str],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What the network says of a graph, which may be of several structures.

        Args:
            vectors: r_j - r_i of each edge in A, (E, 3).
            index: centre i and neighbour j of each edge, (2, E).
            species: element of each atom, length N.

        Returns:
            Energies of the atoms in eV, (N,), and the gradient of their sum with respect to the
            edge vectors in eV/A, (E, 3).
        """
        r = torch.tensor(vectors, device=self.device).requires_grad_(True)
        energies = self.outputs(r, index, species)["atomic_energy"]
        (gradient,) = torch.autograd.grad(energies.sum(), r)
        return energies.detach().cpu().numpy(), gradient.detach().cpu().numpy()

    def outputs(
        self,
        vectors: torch.Tensor,
        index: NDArray[np.int64],
        species: tuple[str, ...] | list[str],
    ) -> dict[str, torch.Tensor]:
        """All that the network returns for a graph, as tensors with their history.

        Args:
            vectors: r_j - r_i of each edge in A, (E, 3) in float64, on `device`.
            index: centre i and neighbour j of each edge, (2, E).
            species: element of each atom, length N.

        Returns:
            "atomic_energy" in eV, (N,), and the contract's `outputs`.
        """
        types = torch.tensor(self._types(species), dtype=torch.int64, device=self.device)
        # The optimising executor recompiles at every new shape.
        with torch.jit.optimized_execution(False):
            found = self._module(
                vectors, torch.tensor(index, device=self.device), types, len(species)
            )
        return dict(found)

    def check_species(self, species: tuple[str, ...] | list[str]) -> None:
        """Refuse elements that the model does not know.

        Raises:
            EgraffError: it does not know one of them.
        """
        self._types(species)

    def _types(self, species: tuple[str, ...] | list[str]) -> list[int]:
        known = {element: index for index, element in enumerate(self.contract.species)}
        unknown = sorted(set(species) - set(known))
        if unknown:
            raise EgraffError(
                f"expected elements out of {' '.join(known)}, which the model was trained on, got "
                f"{' '.join(unknown)}: use a model that knows them."
            )
        return [known[element] for element in species]


def _content(path: Path) -> bytes:
    if not path.is_file() or path.stat().st_size > MAX_ARCHIVE_BYTES:
        read_contract(path)  # says what is wrong with it
        raise EgraffError(f"{path}: expected a model file of at most {MAX_ARCHIVE_BYTES} bytes.")
    return path.read_bytes()
