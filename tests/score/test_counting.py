"""Counting pair distances: dense batches and sorted columns against plain lists of distances."""

from __future__ import annotations

import numpy as np
import pytest

from egraff_lmp.data.frames import Frames
from egraff_lmp.score import counting
from egraff_lmp.score.counting import frame_counts
from egraff_lmp.score.distances import cell_heights, pair_distances, pair_names

TRICLINIC = np.array([[25.0, 0.3, -5.0], [-9.0, 23.0, -4.0], [0.2, 3.0, 24.0]])
WIDTH = 0.25
# A distance within float32's rounding of a bin edge may fall on either side: a few of 1e5.
EDGE_CASES = 6


def gas(n_atoms, cell=TRICLINIC, n_frames=3, seed=0, pbc=True, changing=0.0):
    rng = np.random.default_rng(seed)
    cells = cell * (1 + changing * np.arange(n_frames))[:, None, None]
    return Frames(
        species=tuple(rng.choice(["Ge", "Te", "Sb"], n_atoms, p=[0.3, 0.6, 0.1])),
        positions=(3 * rng.random((n_frames, n_atoms, 3)) - 1) @ cells,
        cell=cells,
        pbc=(pbc,) * 3,
        energy=None, forces=None, timestep_fs=None, source="gas",
    )  # fmt: skip


def plain(frames, n_bins):
    """Counts from `pair_distances`, which has MDAnalysis make them."""
    size = (len(pair_names(frames.species)), n_bins + 1)
    for labels, distances, _ in pair_distances(frames, n_bins * WIDTH):
        inside = distances < n_bins * WIDTH
        index = labels[inside] * size[1] + (distances[inside] / WIDTH).astype(int)
        yield np.bincount(index, minlength=size[0] * size[1]).reshape(size)


def same(frames, n_bins):
    for ours, theirs in zip(
        frame_counts(frames, n_bins, WIDTH), plain(frames, n_bins), strict=True
    ):
        assert np.abs(ours[:, :-1] - theirs[:, :-1]).sum() <= EDGE_CASES
        yield int(theirs[:, :-1].sum())


@pytest.mark.parametrize("dense", [1000, 0], ids=["dense", "columns"])
@pytest.mark.parametrize("changing", [0.0, 0.03])
@pytest.mark.parametrize("cell", [TRICLINIC, 24 * np.eye(3)], ids=["triclinic", "cubic"])
def test_bulk_up_to_half_the_height(monkeypatch, dense, changing, cell):
    frames = gas(300, cell, changing=changing)
    n_bins = int(cell_heights(cell).min() / 2 / WIDTH)
    expected = list(same(frames, n_bins))
    monkeypatch.setattr(counting, "DENSE_ATOMS", dense)
    assert list(same(frames, n_bins)) == expected
    assert min(expected) > 5000


@pytest.mark.parametrize("n_bins", [3, 12, 20])
def test_columns_of_many_atoms(monkeypatch, n_bins):
    frames = gas(1500, n_frames=1)
    monkeypatch.setattr(counting, "DENSE_ATOMS", 0)
    assert next(same(frames, n_bins)) > 100


@pytest.mark.parametrize("dense", [1000, 0], ids=["dense", "columns"])
def test_molecules_and_what_flew_away(monkeypatch, dense):
    frames = gas(200, 8 * np.eye(3), pbc=False)
    frames.positions[1, :5] *= 1e7
    frames.positions[2, 7] = 1e25  # squares overflow float32
    monkeypatch.setattr(counting, "DENSE_ATOMS", dense)
    first, second = np.triu_indices(200, 1)
    found = list(frame_counts(frames, 40, WIDTH))
    for counts, x in zip(found, frames.positions, strict=True):
        distances = np.linalg.norm(x[first] - x[second], axis=1)
        expected = np.histogram(distances, 40, (0, 40 * WIDTH))[0]
        assert np.abs(counts.sum(axis=0)[:-1] - expected).sum() <= EDGE_CASES
        assert expected.sum() > 3000
    assert len(found) == 3


def test_more_frames_than_a_batch_and_more_bins_than_a_buffer(monkeypatch):
    frames = gas(40, n_frames=70)
    whole = np.array(list(frame_counts(frames, 40, WIDTH)))
    assert len(list(same(frames, 40))) == len(frames)
    monkeypatch.setattr(counting, "COORDINATES_AT_A_TIME", 40 * 17)
    monkeypatch.setattr(counting, "BINS_AT_A_TIME", 1000)
    assert np.array_equal(list(frame_counts(frames, 40, WIDTH)), whole)
    monkeypatch.setattr(counting, "MAX_THREADS", 1)
    assert np.array_equal(list(frame_counts(frames, 40, WIDTH)), whole)
