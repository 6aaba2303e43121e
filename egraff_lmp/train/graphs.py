"""Frames as graphs, and graphs as batches.

Edges are found once per frame and kept in few bytes; edge vectors are computed from positions when
a batch is put together, in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.graph import find_edges


@dataclass(frozen=True)
class Graph:
    """One frame.

    Attributes:
        types: (N,) int64, index into the species of the model.
        positions: (N, 3) float64 in A.
        cell: (3, 3) float64 in A.
        edge_index: (2, E) int32, centres and neighbours.
        shifts: (E, 3) int16, lattice vectors added to the neighbour.
        energy: scalar float64 in eV; NaN where unknown.
        forces: (N, 3) float64 in eV/A; NaN where unknown.
        stress: (3, 3) float64 in eV/A^3; NaN where unknown.
        weights: (3,) float64 of the errors of energy, forces and stress in a loss.
    """

    types: torch.Tensor
    positions: torch.Tensor
    cell: torch.Tensor
    edge_index: torch.Tensor
    shifts: torch.Tensor
    energy: torch.Tensor
    forces: torch.Tensor
    stress: torch.Tensor
    weights: torch.Tensor

    def edge_vectors(self) -> torch.Tensor:
        """r_j + shift @ cell - r_i in A, (E, 3) float64."""
        # numpy and einsum take one thread: torch's own would wait for cores that a step works on.
        i, j = self.edge_index.numpy()
        positions = self.positions.numpy()
        images = np.einsum("es,sx->ex", self.shifts.numpy().astype(np.float64), self.cell.numpy())
        return torch.from_numpy(positions[j] - positions[i] + images)


class Batch(NamedTuple):
    """Graphs side by side, atoms and edges concatenated; all atoms are local.

    Attributes:
        edge_vectors: (E, 3) float64 in A.
        edge_index: (2, E) int64.
        types: (N,) int64.
        frame: (N,) int64, the frame of each atom.
        n_atoms: (B,) int64, atoms of each frame.
        n_edges: (B,) int64, edges of each frame.
        energy: (B,) float64 in eV.
        forces: (N, 3) float64 in eV/A.
        stress: (B, 3, 3) float64 in eV/A^3.
        volume: (B,) float64 in A^3; infinite without a cell.
        weights: (B, 3) float64 of the errors of energy, forces and stress in a loss.
    """

    edge_vectors: torch.Tensor
    edge_index: torch.Tensor
    types: torch.Tensor
    frame: torch.Tensor
    n_atoms: torch.Tensor
    n_edges: torch.Tensor
    energy: torch.Tensor
    forces: torch.Tensor
    stress: torch.Tensor
    volume: torch.Tensor
    weights: torch.Tensor


def type_indices(names: Sequence[str], species: Sequence[str], source: str) -> NDArray[np.int64]:
    """Index of each element in `species`, (N,).

    Raises:
        EgraffError: an element that the model does not know.
    """
    index = {name: i for i, name in enumerate(species)}
    unknown = sorted(set(names) - set(index))
    if unknown:
        raise EgraffError(
            f"{source}: expected the elements {' '.join(species)}, got {' '.join(unknown)} too: "
            "add them to `species` of the config, or leave this source out."
        )
    return np.array([index[name] for name in names], dtype=np.int64)


def build_graphs(frames: Frames, species: Sequence[str], r_max: float) -> list[Graph]:
    """A graph of each frame, with all edges shorter than r_max (A)."""
    types = torch.from_numpy(type_indices(frames.species, species, frames.source))
    # Of a cluster or a slab the volume, and with it the stress, is nobody's.
    stress = frames.stress if all(frames.pbc) else None
    graphs = []
    for t in range(len(frames)):
        edges = find_edges(frames.positions[t], frames.cell[t], frames.pbc, r_max)
        energy = np.nan if frames.energy is None else frames.energy[t]
        forces = (
            np.full_like(frames.positions[t], np.nan) if frames.forces is None else frames.forces[t]
        )
        graphs.append(
            Graph(
                types=types,
                positions=torch.tensor(frames.positions[t], dtype=torch.float64),
                cell=torch.tensor(frames.cell[t], dtype=torch.float64),
                edge_index=torch.from_numpy(edges.index.astype(np.int32)),
                shifts=torch.from_numpy(edges.shifts.astype(np.int16)),
                energy=torch.tensor(energy, dtype=torch.float64),
                forces=torch.tensor(forces, dtype=torch.float64),
                stress=torch.tensor(
                    np.full((3, 3), np.nan) if stress is None else stress[t], dtype=torch.float64
                ),
                weights=torch.tensor(
                    np.ones(3) if frames.weights is None else frames.weights[t],
                    dtype=torch.float64,
                ),
            )
        )
    return graphs


def collate(graphs: Sequence[Graph]) -> Batch:
    """One batch of several graphs, put together by one thread."""
    n_atoms = np.array([len(graph.types) for graph in graphs])
    n_edges = np.array([graph.edge_index.shape[1] for graph in graphs])
    offsets = np.repeat(np.cumsum(n_atoms) - n_atoms, n_edges)

    def joined(arrays: Iterable[torch.Tensor], join: Callable = np.concatenate) -> torch.Tensor:
        return torch.from_numpy(join([array.numpy() for array in arrays]))

    index = np.concatenate([graph.edge_index.numpy() for graph in graphs], axis=1)
    volume = np.abs(np.linalg.det(np.stack([graph.cell.numpy() for graph in graphs])))
    return Batch(
        edge_vectors=joined(graph.edge_vectors() for graph in graphs),
        edge_index=torch.from_numpy(index.astype(np.int64) + offsets),
        types=joined(graph.types for graph in graphs),
        frame=torch.from_numpy(np.repeat(np.arange(len(graphs)), n_atoms)),
        n_atoms=torch.from_numpy(n_atoms),
        n_edges=torch.from_numpy(n_edges),
        energy=joined((graph.energy for graph in graphs), np.stack),
        forces=joined(graph.forces for graph in graphs),
        stress=joined((graph.stress for graph in graphs), np.stack),
        volume=torch.from_numpy(np.where(volume > 0, volume, np.inf)),
        weights=joined((graph.weights for graph in graphs), np.stack),
    )


def split(batch: Batch, max_edges: int | None) -> list[Batch]:
    """Parts of a batch, whole frames in order, of at most `max_edges` edges or one frame each.

    A batch that needs no splitting is its only part, unchanged.
    """
    if max_edges is None or len(batch.n_edges) == 1:
        return [batch]
    edges, atoms = batch.n_edges.tolist(), batch.n_atoms.tolist()
    if sum(edges) <= max_edges:
        return [batch]
    parts, start = [], 0
    while start < len(edges):
        end, size = start + 1, edges[start]
        while end < len(edges) and size + edges[end] <= max_edges:
            size += edges[end]
            end += 1
        parts.append(_frames(batch, slice(start, end), edges, atoms))
        start = end
    return parts


def _frames(batch: Batch, which: slice, edges: list[int], atoms: list[int]) -> Batch:
    """Consecutive frames of a batch, given the edges and atoms of all of its frames."""
    first_edge, first_atom = sum(edges[: which.start]), sum(atoms[: which.start])
    of_edges = slice(first_edge, first_edge + sum(edges[which]))
    of_atoms = slice(first_atom, first_atom + sum(atoms[which]))
    return Batch(
        edge_vectors=batch.edge_vectors[of_edges],
        edge_index=batch.edge_index[:, of_edges] - first_atom,
        types=batch.types[of_atoms],
        frame=batch.frame[of_atoms] - which.start,
        n_atoms=batch.n_atoms[which],
        n_edges=batch.n_edges[which],
        energy=batch.energy[which],
        forces=batch.forces[of_atoms],
        stress=batch.stress[which],
        volume=batch.volume[which],
        weights=batch.weights[which],
    )


_ONE_A_GRAPH = ("cell", "energy", "stress", "weights")


def pack(graphs: Sequence[Graph]) -> dict[str, torch.Tensor]:
    """Graphs as few tensors, for other processes, which share their memory tensor by tensor."""
    names = [field.name for field in fields(Graph)]
    packed = {
        name: torch.cat([_flat(name, getattr(graph, name)) for graph in graphs]) for name in names
    }
    packed["n_atoms"] = torch.tensor([len(graph.types) for graph in graphs])
    packed["n_edges"] = torch.tensor([graph.edge_index.shape[1] for graph in graphs])
    return packed


def unpack(packed: Mapping[str, torch.Tensor]) -> list[Graph]:
    """Inverse of `pack`; the graphs share its memory."""
    atoms, edges = packed["n_atoms"].tolist(), packed["n_edges"].tolist()
    ones = [1] * len(atoms)
    lengths = {**dict.fromkeys(_ONE_A_GRAPH, ones), "edge_index": edges, "shifts": edges}
    columns = {
        field.name: packed[field.name].split(lengths.get(field.name, atoms))
        for field in fields(Graph)
    }
    shaped = {"edge_index": torch.t, **dict.fromkeys(_ONE_A_GRAPH, _first)}
    return [
        Graph(**{name: shaped.get(name, _same)(parts[t]) for name, parts in columns.items()})
        for t in range(len(atoms))
    ]


def _flat(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """With what differs between graphs, or else the graphs, along the first axis."""
    if name == "edge_index":
        return tensor.t()
    return tensor.unsqueeze(0) if name in _ONE_A_GRAPH else tensor


def _first(tensor: torch.Tensor) -> torch.Tensor:
    return tensor[0]


def _same(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


def mean_neighbours(graphs: Sequence[Graph]) -> float:
    """Mean number of edges per atom over all graphs; 1 where there are no edges at all."""
    edges = sum(graph.edge_index.shape[1] for graph in graphs)
    return edges / sum(len(graph.types) for graph in graphs) or 1.0


class EpochSampler(torch.utils.data.Sampler[int]):
    """A shuffle that depends on seed and epoch alone, so that a resumed run sees the same order.

    Args:
        n: frames.
        seed: of the shuffle.
        rank: of this process; each takes every `ranks`-th frame of the same shuffle.
        ranks: processes that train together.
        shuffle: all processes get the same number of frames, for which the first ones of the
            shuffle are taken twice where it does not divide. False keeps the order, and takes
            every frame once.
    """

    def __init__(
        self, n: int, seed: int, rank: int = 0, ranks: int = 1, *, shuffle: bool = True
    ) -> None:
        self.n = n
        self.seed = seed
        self.rank = rank
        self.ranks = ranks
        self.shuffle = shuffle
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls this before each."""
        self.epoch = epoch

    def __len__(self) -> int:
        if self.shuffle:
            return -(-self.n // self.ranks)
        return len(range(self.rank, self.n, self.ranks))

    def __iter__(self) -> Iterator[int]:
        if not self.shuffle:
            return iter(range(self.rank, self.n, self.ranks))
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.n)
        mine = np.resize(order, len(self) * self.ranks)[self.rank :: self.ranks]
        return iter(mine.tolist())
