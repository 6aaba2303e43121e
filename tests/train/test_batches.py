"""Batches in the background: the order of the sampler, errors where they belong, no thread left."""

from __future__ import annotations

import threading

import pytest
import torch

from egraff_lmp.train import batches
from egraff_lmp.train.batches import AHEAD, THREAD, Batches
from egraff_lmp.train.graphs import EpochSampler, build_graphs, collate, pack, unpack
from egraff_lmp.train.module import ForceFieldModule
from egraff_lmp.train.run import train


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(THREAD)]


@pytest.fixture
def graphs(toy):
    return build_graphs(toy.toy_frames(10), toy.SPECIES, toy.R_MAX)


def same(one, two) -> bool:
    return all(
        torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)) for a, b in zip(one, two, strict=True)
    )


@pytest.mark.parametrize("batch_size", [1, 3, 10, 20])
def test_every_epoch_is_in_the_sampler_s_order(graphs, batch_size):
    sampler = EpochSampler(len(graphs), seed=4)
    loader = Batches(graphs, batch_size, sampler)
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        order = list(sampler)
        found = list(loader)
        assert len(found) == len(loader) == -(-10 // batch_size)
        for number, batch in enumerate(found):
            chosen = order[number * batch_size : (number + 1) * batch_size]
            assert same(batch, collate([graphs[index] for index in chosen]))
    assert not threads()


def test_no_more_than_a_few_wait(graphs, monkeypatch):
    made = []
    monkeypatch.setattr(batches, "collate", lambda chosen: made.append(1) or collate(chosen))
    iterator = iter(Batches(graphs, 1, EpochSampler(10, 0)))
    next(iterator)
    iterator.close()  # waits for what was begun
    assert 1 <= len(made) <= 1 + AHEAD
    assert not threads()


def test_errors_are_raised_where_the_batch_is_asked_for(graphs, monkeypatch):
    calls = []

    def breaks(chosen):
        calls.append(1)
        if len(calls) == 2:
            raise ValueError("second batch")
        return collate(chosen)

    monkeypatch.setattr(batches, "collate", breaks)
    iterator = iter(Batches(graphs, 2, EpochSampler(10, 0)))
    next(iterator)
    with pytest.raises(ValueError, match="second batch"):
        next(iterator)
    assert not threads()


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_no_thread_is_left_by_a_training_that_ends_early(toy_config, tmp_path, monkeypatch, error):
    alive = []

    def dies(self, batch, batch_idx):
        alive.extend(threads())
        raise error

    monkeypatch.setattr(ForceFieldModule, "training_step", dies)
    with pytest.raises(error):
        train(toy_config(batch_size=1), tmp_path / "out", progress=False)
    assert alive, "the batches came from a thread"
    assert not threads()


def test_packed_graphs_are_the_same(toy, graphs):
    graphs += build_graphs(toy.toy_frames(2, cell_a=60.0), toy.SPECIES, 1.0)  # without edges
    found = unpack(pack(graphs))
    assert len(found) == len(graphs)
    for one, two in zip(graphs, found, strict=True):
        for name in one.__dataclass_fields__:
            a, b = getattr(one, name), getattr(two, name)
            assert a.dtype == b.dtype
            assert torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)), name
    assert same(collate(graphs), collate(found))
