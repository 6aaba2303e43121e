"""Predictions that are kept while a part is evaluated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from egraff_lmp.train.evaluate import Prediction
from egraff_lmp.train.graphs import build_graphs, collate
from egraff_lmp.train.parity import Parity


def test_frames_of_a_batch_are_told_apart(toy):
    """Each frame has its own species, labels and predictions; a missing label is None."""
    one, other = toy.toy_frames(2), replace(toy.toy_frames(1, n_ge=8), energy=None)
    graphs = [
        graph for frames in (one, other) for graph in build_graphs(frames, toy.SPECIES, toy.R_MAX)
    ]
    batch = collate(graphs)
    parity = Parity(toy.SPECIES, "test")
    said = torch.arange(3, dtype=torch.float64)
    parity.add(batch, Prediction(said, batch.forces + 0.5, batch.stress))
    results = parity._results
    assert [each.composition for each in results] == ["Ge4Te8", "Ge4Te8", "Ge8Te4"]
    assert [each.energy for each in results] == [(one.energy[0], 0.0), (one.energy[1], 1.0), None]
    assert np.array_equal(results[1].forces[0], one.forces[1])
    assert np.allclose(results[2].forces[1] - other.forces[0], 0.5)
    assert all(each.stress is None for each in results)


def test_nothing_to_draw(toy, tmp_path):
    bare = replace(toy.toy_frames(2), energy=None, forces=None)
    batch = collate(build_graphs(bare, toy.SPECIES, toy.R_MAX))
    parity = Parity(toy.SPECIES, "test")
    parity.add(batch, Prediction(torch.zeros(2), batch.forces, batch.stress))
    parity.draw(tmp_path / "p.png")
    assert not (tmp_path / "p.png").exists()
