"""Second derivatives of the energy of a deployed file with respect to positions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from egraff_lmp.deployed import DeployedModel
from egraff_lmp.errors import EgraffError
from egraff_lmp.graph import find_edges

METHODS = ("autograd", "differences")
LARGEST_BYTES = 1 << 30  # of the matrix


def hessian(
    model: DeployedModel,
    species: tuple[str, ...] | list[str],
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    pbc: tuple[bool, bool, bool] | NDArray[np.bool_],
    *,
    method: str = "autograd",
    step: float = 0.005,
    of_atoms: Sequence[int] | None = None,
) -> NDArray[np.float64]:
    """d2E / dx_a dx_b in eV/A^2, (3N, 3N) in the order x1 y1 z1 x2 ...; the cell is held.

    Its rows sum to zero over atoms (translation), exactly so by "autograd", and it is symmetric up
    to the rounding of the network's precision: about 1e-4 of the largest element in float32, 1e-10
    in float64. It is returned as it was found.

    Args:
        model: the deployed file.
        species: element of each atom, length N.
        positions: (N, 3) in A.
        cell: (3, 3) in A, rows are lattice vectors.
        pbc: periodicity along each lattice vector.
        method: "autograd" differentiates the network twice, exactly, one backward pass a row.
            "differences" takes central differences of forces, two evaluations a row, whose error
            is step^2 / 6 times the fourth derivatives of the energy, plus about eps |F| / step of
            rounding (eps 1e-7 in float32, 1e-16 in float64).
        step: displacement of the differences in A.
        of_atoms: indices of n atoms whose rows are wanted, (3n, 3N); all if None.

    Raises:
        EgraffError: an unknown method, a step or an index out of range, a matrix of more than
            `LARGEST_BYTES`, or a network that cannot be differentiated twice.
    """
    positions = np.asarray(positions, dtype=np.float64)
    atoms = list(range(len(species))) if of_atoms is None else [int(index) for index in of_atoms]
    _check(method, step, atoms, len(species))
    if method == "differences":
        return _by_differences(model, species, positions, cell, pbc, step, atoms)
    return _by_autograd(model, species, positions, cell, pbc, atoms)


def _check(method: str, step: float, atoms: list[int], n_atoms: int) -> None:
    if method not in METHODS:
        raise EgraffError(f"method: expected one of {', '.join(METHODS)}, got {method!r}.")
    if not 0 < step < 0.5:
        raise EgraffError(f"step: expected a displacement between 0 and 0.5 A, got {step:g}.")
    wrong = [index for index in atoms if not 0 <= index < n_atoms]
    if wrong:
        raise EgraffError(f"of_atoms: expected indices below {n_atoms}, got {wrong[0]}.")
    size = 9 * len(atoms) * n_atoms * 8
    if size > LARGEST_BYTES:
        raise EgraffError(
            f"expected a Hessian of at most {LARGEST_BYTES >> 20} MiB, got {len(atoms)} x "
            f"{n_atoms} atoms, {size >> 20} MiB: ask for the rows of some atoms with of_atoms."
        )


def _by_autograd(
    model: DeployedModel,
    species: tuple[str, ...] | list[str],
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    pbc: tuple[bool, bool, bool] | NDArray[np.bool_],
    atoms: list[int],
) -> NDArray[np.float64]:
    edges = find_edges(positions, cell, pbc, model.contract.r_max)
    x = torch.tensor(positions, device=model.device).requires_grad_(True)
    i, j = torch.tensor(edges.index, device=model.device)
    shifts = torch.tensor(edges.shifts @ np.asarray(cell, dtype=np.float64), device=model.device)
    energy = model.outputs(x[j] - x[i] + shifts, edges.index, species)["atomic_energy"].sum()
    (gradient,) = torch.autograd.grad(energy, x, create_graph=True)
    found = np.zeros((3 * len(atoms), 3 * len(species)))
    if not gradient.requires_grad:  # atoms without neighbours
        return found
    try:
        for row, (atom, axis) in enumerate((atom, axis) for atom in atoms for axis in range(3)):
            (second,) = torch.autograd.grad(
                gradient[atom, axis], x, retain_graph=True, allow_unused=True
            )
            if second is not None:
                found[row] = second.reshape(-1).cpu().numpy()
    except RuntimeError as error:
        raise EgraffError(
            f"expected a network that can be differentiated twice, got {str(error).splitlines()[0]}"
            ': ask for method="differences".'
        ) from None
    return found


def _by_differences(
    model: DeployedModel,
    species: tuple[str, ...] | list[str],
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    pbc: tuple[bool, bool, bool] | NDArray[np.bool_],
    step: float,
    atoms: list[int],
) -> NDArray[np.float64]:
    found = []
    for atom in atoms:
        for axis in range(3):
            forces = []
            for sign in (1, -1):
                moved = positions.copy()
                moved[atom, axis] += sign * step
                forces.append(model.evaluate(species, moved, cell, pbc).forces.reshape(-1))
            found.append((forces[1] - forces[0]) / (2 * step))
    return np.array(found).reshape(3 * len(atoms), 3 * len(species))
