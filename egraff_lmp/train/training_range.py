"""How far the training frames go: shortest distances, largest force; for a simulation's guards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from egraff_lmp.contract import ShortestDistance, TrainingRange
from egraff_lmp.train.graphs import Graph


def training_range(graphs: Sequence[Graph], species: Sequence[str]) -> TrainingRange:
    """The range that the frames of `graphs` span.

    Distances are those of the edges that the network is trained on, every periodic image counted.

    Args:
        graphs: of the training part.
        species: elements in type order.
    """
    n = len(species)
    shortest = np.full(n * n, np.inf)
    largest = np.nan
    for graph in graphs:
        types = graph.types.numpy()
        i, j = types[graph.edge_index.long().numpy()]
        # Both directions of an edge are listed.
        np.minimum.at(shortest, i * n + j, graph.edge_vectors().norm(dim=1).numpy())
        sizes = graph.forces.norm(dim=1).numpy()
        largest = np.fmax(largest, np.fmax.reduce(sizes, initial=np.nan))
    pairs = tuple(
        ShortestDistance((species[a], species[b]), float(shortest[a * n + b]))
        for a in range(n)
        for b in range(a, n)
        if np.isfinite(shortest[a * n + b])
    )
    return TrainingRange(pairs, None if np.isnan(largest) else float(largest))
