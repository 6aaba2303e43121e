"""Splits are disjoint, repeatable, and leaks between them are found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from egraff_lmp.data.frames import Frames
from egraff_lmp.data.split import (
    SAME_POSITION_A,
    check_leakage,
    find_leaks,
    frame_hashes,
    split_frames,
    split_indices,
)
from egraff_lmp.errors import EgraffError


def frames(n, seed=0, species=("H", "O")):
    positions = np.random.default_rng(seed).normal(size=(n, 2, 3))
    return Frames(
        species, positions, np.zeros((n, 3, 3)), (False,) * 3, None, None, 0.5, f"set {seed}"
    )


@pytest.mark.parametrize("method", ["shuffled", "contiguous"])
def test_parts_are_disjoint_and_of_the_size_asked_for(method):
    parts = split_indices(20, [10, 4, 3], method=method, seed=3)
    assert [len(part) for part in parts] == [10, 4, 3]
    assert len(set(np.concatenate(parts).tolist())) == 17


def test_shuffle_depends_on_the_seed():
    one, again, other = (split_indices(50, [20], seed=seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_contiguous_blocks_with_gaps():
    train, nothing, test = split_indices(12, [5, 0, 4], method="contiguous", gap=3)
    assert train.tolist() == [0, 1, 2, 3, 4]
    assert nothing.tolist() == []
    assert test.tolist() == [8, 9, 10, 11]


def test_contiguous_parts_stay_time_series():
    whole = frames(10)
    first, second = split_frames(whole, [4, 3], method="contiguous")
    assert first.timestep_fs == second.timestep_fs == 0.5
    assert np.array_equal(second.positions, whole.positions[4:7])
    assert split_frames(whole, [4])[0].timestep_fs is None


def test_more_than_there_is():
    with pytest.raises(EgraffError, match="at least 11 frames for parts of 8, 3, got 10"):
        split_indices(10, [8, 3])
    with pytest.raises(EgraffError, match=r"at least 11 .* with gaps of 1"):
        split_indices(10, [5, 5], method="contiguous", gap=1)
    with pytest.raises(EgraffError, match="shuffled, contiguous, got 'random'"):
        split_indices(10, [5], method="random")
    with pytest.raises(EgraffError, match="0 or more"):
        split_indices(10, [-1])


def test_hash_knows_positions_and_elements():
    one = frames(3)
    assert len(set(frame_hashes(one))) == 3
    assert frame_hashes(one) == frame_hashes(replace(one, source="y", timestep_fs=None))
    assert frame_hashes(one)[0] != frame_hashes(replace(one, species=("O", "H")))[0]
    moved = one.positions.copy()
    moved[1, 0, 2] += 3 * SAME_POSITION_A
    changed = frame_hashes(replace(one, positions=moved))
    assert [a == b for a, b in zip(frame_hashes(one), changed, strict=True)] == [True, False, True]


def test_zero_has_one_sign():
    still = replace(frames(1), positions=np.zeros((1, 2, 3)))
    assert frame_hashes(still) == frame_hashes(replace(still, positions=-still.positions))


def test_leaks_are_found_across_sources():
    a, b = frames(4, 1), frames(5, 2)
    held_frames = Frames(
        b.species,
        np.stack([frames(1, 9).positions[0], b.positions[3]]),
        np.zeros((2, 3, 3)),
        b.pbc,
        None,
        None,
        None,
        "held",
    )
    (leak,) = find_leaks({"train": [a, b], "test": [held_frames]})
    assert (leak.first, leak.second, leak.frames) == ("train", "test", ((7, 1),))
    with pytest.raises(EgraffError, match=r"1 frames of test .* train \(first: frame 1 is"):
        check_leakage({"train": [a, b], "test": [held_frames]})
    assert check_leakage({"train": [a], "test": [b]}) == []


def test_warning_instead_of_error(caplog):
    one = frames(2)
    leaks = check_leakage({"train": [one], "test": [one]}, policy="warn")
    assert len(leaks[0].frames) == 2
    assert "flatter the model" in caplog.text
    with pytest.raises(EgraffError, match="error or warn"):
        check_leakage({}, policy="ignore")


@pytest.mark.parametrize(
    ("key", "first", "second", "n"),
    [
        ("acetylacetone", "val", "test", 650),  # published as the same file twice
        ("aspirin", "train", "test", 8),
        ("ethanol", "train", "test", 3),
        ("gete", "test", "val", 0),
        ("3bpa", "train", "val", 0),
    ],
)
def test_leaks_of_the_published_splits(ab_initio_data, key, first, second, n):
    from egraff_lmp.data.table import DATA_SETS

    parts = {part: [DATA_SETS[key].read(part)] for part in (first, second)}
    assert sum(len(leak.frames) for leak in find_leaks(parts)) == n
