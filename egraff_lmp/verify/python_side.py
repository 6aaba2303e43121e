"""Structures evaluated from Python, many at a time: the side of a check that LAMMPS has no part in.

Graphs that share no edge do not know of each other, so that hundreds of small structures are one
call of the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from egraff_lmp.deployed import DeployedModel, Evaluation
from egraff_lmp.graph import Edges, find_edges
from egraff_lmp.rollout.datafile import Structure

# Edges of one call: what is kept for the backward pass then stays below a few hundred MiB.
EDGES_AT_ONCE = 6000


class PythonSide:
    """A deployed file that evaluates structures; holds the network, changes nothing."""

    def __init__(self, model: DeployedModel) -> None:
        self._model = model

    def one(self, structure: Structure) -> Evaluation:
        """Evaluate one structure in a call of its own."""
        return self._model.evaluate(
            structure.species, structure.positions, structure.cell, structure.pbc
        )

    def many(self, structures: Sequence[Structure]) -> list[Evaluation]:
        """Evaluate structures in as few calls as memory allows."""
        r_max = self._model.contract.r_max
        graphs = [find_edges(s.positions, s.cell, s.pbc, r_max) for s in structures]
        found: list[Evaluation] = []
        for begin, end in _chunks(graphs):
            found += self._together(structures[begin:end], graphs[begin:end])
        return found

    def _together(self, structures: Sequence[Structure], graphs: list[Edges]) -> list[Evaluation]:
        starts = np.cumsum([0, *(len(s.species) for s in structures)])
        vectors = [
            edges.vectors(s.positions, s.cell) for s, edges in zip(structures, graphs, strict=True)
        ]
        index = [edges.index + start for edges, start in zip(graphs, starts[:-1], strict=True)]
        species = [element for s in structures for element in s.species]
        energies, gradient = self._model.evaluate_graph(
            np.concatenate(vectors), np.concatenate(index, axis=1), species
        )
        ends = np.cumsum([edges.index.shape[1] for edges in graphs])[:-1]
        return [
            _evaluation(energies[a:b], edges, r, g)
            for a, b, edges, r, g in zip(
                starts[:-1],
                starts[1:],
                graphs,
                vectors,
                np.split(gradient, ends),
                strict=True,
            )
        ]


def _chunks(graphs: Sequence[Edges]) -> Iterator[tuple[int, int]]:
    begin, edges = 0, 0
    for end, graph in enumerate(graphs):
        if edges and edges + graph.index.shape[1] > EDGES_AT_ONCE:
            yield begin, end
            begin, edges = end, 0
        edges += graph.index.shape[1]
    if graphs:
        yield begin, len(graphs)


def _evaluation(energies: np.ndarray, edges: Edges, r: np.ndarray, g: np.ndarray) -> Evaluation:
    forces = np.zeros((len(energies), 3))
    np.add.at(forces, edges.index[0], g)
    np.subtract.at(forces, edges.index[1], g)
    return Evaluation(float(energies.sum()), energies, forces, -r.T @ g)
