"""The range of the training frames: against a plain double loop, and from training to file."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from egraff_lmp.contract import read_contract
from egraff_lmp.train.checkpoint import RECORD_KEY, load_checkpoint
from egraff_lmp.train.deploy import deploy
from egraff_lmp.train.graphs import build_graphs
from egraff_lmp.train.run import train
from egraff_lmp.train.training_range import training_range

ROUNDING = 1e-12  # A and eV/A


def by_hand(frames, r_max):
    """Shortest distance of each pair of elements, by a loop over atoms and their 125 images."""
    shortest = {}
    images = [np.array(shift) for shift in product((-2, -1, 0, 1, 2), repeat=3)]
    for positions, cell in zip(frames.positions, frames.cell, strict=True):
        for i, j in product(range(frames.n_atoms), repeat=2):
            for shift in images:
                if i == j and not shift.any():
                    continue
                distance = np.linalg.norm(positions[j] + shift @ cell - positions[i])
                pair = tuple(sorted((frames.species[i], frames.species[j])))
                if distance < min(r_max, shortest.get(pair, np.inf)):
                    shortest[pair] = distance
    return shortest


def as_dict(found):
    return {distance.elements: distance.angstrom for distance in found.shortest_distances}


@pytest.mark.parametrize("edge", [1.0, 0.45])
def test_against_a_double_loop(toy, edge):
    """Also in a cell so small that atoms are nearest to their own images."""
    frames = toy.toy_frames(3)
    frames = replace(frames, positions=frames.positions * edge, cell=frames.cell * edge)
    graphs = build_graphs(frames, toy.SPECIES, toy.R_MAX)
    found = training_range(graphs, toy.SPECIES)
    assert as_dict(found) == pytest.approx(by_hand(frames, toy.R_MAX), abs=ROUNDING)
    assert found.largest_force == pytest.approx(
        np.linalg.norm(frames.forces, axis=2).max(), abs=ROUNDING
    )


def test_without_forces_and_without_neighbours(toy):
    frames = replace(toy.toy_frames(2), forces=None)
    assert training_range(build_graphs(frames, toy.SPECIES, 4.0), toy.SPECIES).largest_force is None
    assert training_range(build_graphs(frames, toy.SPECIES, 0.1), toy.SPECIES) == (
        type(training_range([], toy.SPECIES))((), None)
    )


def test_from_training_to_file(toy_config, toy, tmp_path):
    from egraff_lmp.train.data import read_parts

    result = train(toy_config(stop__max_epochs=1), tmp_path / "out", progress=False)
    found = deploy(result.checkpoint, tmp_path / "m.pt").training_range
    assert found == read_contract(tmp_path / "m.pt").training_range
    (frames,) = read_parts(toy_config(), None).train
    assert as_dict(found) == pytest.approx(by_hand(frames, toy.R_MAX), abs=ROUNDING)


def test_checkpoints_of_the_first_schema(toy_config, tmp_path):
    """They deploy without; resumed, they have it, because the data is the same."""
    out = tmp_path / "out"
    result = train(toy_config(stop__max_epochs=1), out, progress=False)
    for path in (result.checkpoint, out / "last.ckpt"):
        raw = torch.load(path, weights_only=True)
        del raw[RECORD_KEY]["training_range"]
        raw[RECORD_KEY]["schema"] = 1
        torch.save(raw, path)
    assert deploy(result.checkpoint, tmp_path / "m.pt").training_range is None
    assert json.loads(read_contract(tmp_path / "m.pt").to_json())["training_range"] is None
    train(toy_config(stop__max_epochs=2), out, progress=False)
    assert load_checkpoint(out / "last.ckpt").record.training_range is not None
