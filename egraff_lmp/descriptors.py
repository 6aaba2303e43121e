"""Descriptors of atoms: the invariant features of a deployed network after its last layer."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from egraff_lmp.deployed import DeployedModel
from egraff_lmp.errors import EgraffError
from egraff_lmp.graph import find_edges

FEATURES = "features"
# Rounding changes invariant features by 1e-5 of the largest in float32; what a rotation changes
# differs by its own size.
INVARIANT = 1e-3
_JITTER_A = 0.05  # in a perfect crystal what is not invariant may be zero


def descriptors(
    model: DeployedModel,
    species: tuple[str, ...] | list[str],
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    pbc: tuple[bool, bool, bool] | NDArray[np.bool_],
    columns: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """Features of each atom that rotation, reflection and translation leave as they are.

    Args:
        model: the deployed file.
        species: element of each atom, length N.
        positions: (N, 3) in A.
        cell: (3, 3) in A, rows are lattice vectors.
        pbc: periodicity along each lattice vector.
        columns: `invariant_columns(model)`, for those who ask often; found anew if None.

    Returns:
        (N, width), dimensionless, in the network's own scale.

    Raises:
        EgraffError: the network has no features of atoms.
    """
    if columns is None:
        columns = invariant_columns(model)
    found = _features(model, species, np.asarray(positions), np.asarray(cell), pbc)
    return found[:, columns]


def invariant_columns(model: DeployedModel) -> NDArray[np.int64]:
    """Which of the network's features are invariant, (width,).

    A network may keep vectors and tensors after its last layer. They are told from scalars by what
    a rotation with an inversion does to them, on the frame of the file's self test, whose atoms are
    displaced a little.

    Raises:
        EgraffError: the network has no features of atoms.
    """
    test = model.contract.self_test
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn = -turn if np.linalg.det(turn) > 0 else turn
    positions = np.array(test.positions)
    positions = positions + rng.normal(0, _JITTER_A, positions.shape)
    cell = np.array(test.cell)
    before = _features(model, test.species, positions, cell, test.pbc)
    after = _features(model, test.species, positions @ turn, cell @ turn, test.pbc)
    change = np.abs(after - before).max(axis=0)
    return np.flatnonzero(change <= INVARIANT * max(np.abs(before).max(), 1e-30))


def _features(
    model: DeployedModel,
    species: tuple[str, ...] | list[str],
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    pbc: tuple[bool, bool, bool] | NDArray[np.bool_],
) -> NDArray[np.float64]:
    known = {output.name: output for output in model.contract.outputs}
    if FEATURES not in known:
        edge = next((output.name for output in known.values() if output.per == "edge"), None)
        raise EgraffError(
            f"expected a network with features of atoms, got {model.contract.architecture}"
            + (
                f", which has them on edges and returns {edge} alone: take a descriptor from a "
                "network that passes messages, such as MACE or NequIP."
                if edge is not None
                else " in a file that does not return them: deploy its checkpoint again."
            )
        )
    edges = find_edges(positions, cell, pbc, model.contract.r_max)
    vectors = torch.tensor(edges.vectors(positions, cell), device=model.device)
    with torch.no_grad():
        found = model.outputs(vectors, edges.index, species)[FEATURES]
    return found.reshape(len(species), known[FEATURES].width).double().cpu().numpy()
