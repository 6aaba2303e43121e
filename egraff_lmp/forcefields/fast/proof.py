"""That a fast network is the reference: energies and edge gradients on graphs, at every export."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from egraff_lmp.errors import NotEqualError
from egraff_lmp.graph import find_edges

# Relative to the largest energy and edge gradient of a graph. A network of six layers carries
# float32's rounding on to about 1e-5 of them.
TOLERANCE = {torch.float32: 5e-5, torch.float64: 1e-8}
N_GRAPHS = 3
N_ATOMS = 24


Network = Callable[..., dict[str, torch.Tensor]]
Graph = tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]


def require_equal(
    fast: Network, reference: Network, graphs: list[Graph], dtype: torch.dtype
) -> float:
    """The largest difference relative to the largest value, of atomic energies and edge gradients.

    Args:
        fast: the network on the operators.
        reference: what it stands for.
        graphs: edge vectors (E, 3), edge index (2, E), types (n,) and n.
        dtype: of both networks.

    Raises:
        NotEqualError: the difference is above `TOLERANCE`, or no number.
    """
    worst = 0.0
    for graph in graphs:
        for got, expected in zip(_evaluate(fast, graph), _evaluate(reference, graph), strict=True):
            scale = max(float(expected.abs().max()) if expected.numel() else 0.0, 1e-30)
            error = float((got - expected).abs().max()) / scale if expected.numel() else 0.0
            worst = max(worst, error if np.isfinite(error) else np.inf)
    if worst > TOLERANCE[dtype]:
        raise NotEqualError(
            f"expected the network on the kernels to equal the reference network to "
            f"{TOLERANCE[dtype]:g}, got a difference of {worst:.1e} of the largest value: deploy "
            "with --reference, which leaves the kernels out, and report this model."
        )
    return worst


def random_graphs(n_species: int, r_max: float, seed: int = 0) -> list[Graph]:
    """Clusters of atoms of random species at about a liquid's density for this cutoff."""
    rng = np.random.default_rng(seed)
    graphs = []
    for number in range(N_GRAPHS):
        edge = r_max * (0.9 + 0.3 * number)
        positions = rng.uniform(0.0, edge, (N_ATOMS, 3))
        positions = positions[_apart(positions, 0.2 * r_max)]
        graphs.append(
            graph_of(
                positions,
                np.eye(3),
                (False,) * 3,
                rng.integers(0, n_species, len(positions)),
                r_max,
            )
        )
    return graphs


def graph_of(
    positions: Any, cell: Any, pbc: tuple[bool, bool, bool], types: Any, r_max: float
) -> Graph:
    """The graph of one frame, all of whose atoms are local."""
    edges = find_edges(positions, cell, pbc, r_max)
    vectors = torch.tensor(edges.vectors(positions, cell)).reshape(-1, 3)
    return vectors, torch.tensor(edges.index), torch.tensor(types), len(types)


def _apart(positions: Any, distance: float) -> list[int]:
    """Atoms that are no nearer than this to one kept before."""
    kept: list[int] = []
    for i, position in enumerate(positions):
        if all(np.linalg.norm(position - positions[k]) > distance for k in kept):
            kept.append(i)
    return kept


def _evaluate(network: Network, graph: Graph) -> tuple[torch.Tensor, torch.Tensor]:
    vectors, index, types, n_local = graph
    vectors = vectors.clone().requires_grad_(True)
    with torch.jit.optimized_execution(False):
        energies = network(vectors, index, types, n_local)["energy"]
    (gradient,) = torch.autograd.grad(energies.double().sum(), vectors, allow_unused=True)
    if gradient is None:
        gradient = torch.zeros_like(vectors)
    return energies.detach().double(), gradient
