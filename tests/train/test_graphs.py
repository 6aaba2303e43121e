"""Graphs and batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from egraff_lmp.errors import EgraffError
from egraff_lmp.train.graphs import EpochSampler, build_graphs, collate, mean_neighbours


def test_edge_vectors_are_those_of_all_images(toy):
    # brute force over images, in a box below two cutoffs
    frames = toy.toy_frames(1, cell_a=4.3)
    (graph,) = build_graphs(frames, toy.SPECIES, toy.R_MAX)
    x, cell = frames.positions[0], frames.cell[0]
    shifts = np.stack(np.meshgrid(*[range(-3, 4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    vectors = (x[None, :, None] + shifts @ cell)[0][None] - x[:, None, None]
    r = np.linalg.norm(vectors, axis=-1)
    near = (r < toy.R_MAX) & (r > 1e-9)
    assert graph.edge_index.shape[1] == near.sum()
    found = np.sort(np.linalg.norm(graph.edge_vectors().numpy(), axis=1))
    assert found == pytest.approx(np.sort(r[near]))
    assert (graph.edge_index[0] == graph.edge_index[1]).any(), "an atom sees its own image"


def test_collate_offsets_atoms_and_keeps_labels(toy):
    graphs = build_graphs(toy.toy_frames(2), toy.SPECIES, toy.R_MAX)
    batch = collate(graphs)
    first = graphs[0].edge_index.shape[1]
    assert torch.equal(batch.edge_index[:, first:], graphs[1].edge_index.long() + 12)
    assert torch.equal(batch.frame, torch.arange(2).repeat_interleave(12))
    assert torch.equal(batch.energy, torch.stack([g.energy for g in graphs]))
    assert batch.edge_vectors.dtype == torch.float64


def test_unknown_element(toy):
    with pytest.raises(EgraffError, match="got Te too"):
        build_graphs(toy.toy_frames(1), ("Ge", "S"), toy.R_MAX)


def test_mean_neighbours(toy):
    graphs = build_graphs(toy.toy_frames(3), toy.SPECIES, toy.R_MAX)
    assert mean_neighbours(graphs) == sum(g.edge_index.shape[1] for g in graphs) / 36
    assert mean_neighbours(build_graphs(toy.toy_frames(1), toy.SPECIES, 0.1)) == 1.0


def test_epoch_order_depends_on_seed_and_epoch_alone():
    def order(seed, epoch):
        sampler = EpochSampler(20, seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(1, 3) == order(1, 3)
    assert sorted(order(1, 3)) == list(range(20))
    assert order(1, 3) != order(1, 4)
    assert order(1, 3) != order(2, 3)
