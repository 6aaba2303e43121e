"""Batches that are computed in parts: the same loss, gradient and weights, in bounded memory."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from egraff_lmp.errors import EgraffError
from egraff_lmp.forcefields import AtomicEnergyModel, NetworkContext
from egraff_lmp.train import memory
from egraff_lmp.train.checkpoint import load_checkpoint
from egraff_lmp.train.evaluate import predict
from egraff_lmp.train.graphs import build_graphs, collate, split
from egraff_lmp.train.module import ForceFieldModule
from egraff_lmp.train.run import train

SUM_OF_PARTS = 1e-12  # relative: the same float64 numbers, added in another order
ROUNDING = 1e-9  # after some steps
ONE_FRAME_GB = 1e-9  # less than any frame takes, so that each is a part of its own


@pytest.fixture
def graphs(toy):
    """Frames of different density: as many atoms, other numbers of edges."""
    loose = toy.toy_frames(3, cell_a=8.5)
    found = build_graphs(loose, toy.SPECIES, toy.R_MAX)
    found += build_graphs(toy.toy_frames(2, seed=1), toy.SPECIES, toy.R_MAX)
    half = toy.toy_frames(2, seed=2)
    keep = slice(0, 7)
    half = replace(
        half,
        species=half.species[keep],
        positions=half.positions[:, keep],
        forces=half.forces[:, keep],
    )
    return found + build_graphs(half, toy.SPECIES, toy.R_MAX)


def make_module(toy, config) -> ForceFieldModule:
    context = NetworkContext(toy.SPECIES, toy.R_MAX, 10.0, torch.float64, 3)
    network = toy.TOY.build(toy.TOY.presets["small"], context)
    shift = torch.tensor([toy.REFERENCE_EV[name] for name in toy.SPECIES])
    return ForceFieldModule(AtomicEnergyModel(network, 0.7, shift), config)


def test_parts_are_the_frames_in_order(graphs):
    batch = collate(graphs)
    sizes = batch.n_edges.tolist()
    limit = max(sizes) + min(sizes)
    parts = split(batch, limit)
    assert 1 < len(parts) < len(graphs)
    start = 0
    for part in parts:
        n = len(part.n_atoms)
        alone = collate(graphs[start : start + n])
        for name, value in alone._asdict().items():
            # Labels that are not there are NaN on both sides.
            assert torch.equal(torch.nan_to_num(getattr(part, name)), torch.nan_to_num(value)), name
        start += n
        size = int(part.n_edges.sum())
        assert n == 1 or size <= limit
        if start < len(graphs):
            assert size + sizes[start] > limit, "the next frame would have fitted"
    assert start == len(graphs)


def test_what_fits_is_left_alone(graphs):
    batch = collate(graphs)
    assert split(batch, int(batch.n_edges.sum()))[0] is batch
    assert split(batch, None)[0] is batch
    assert len(split(batch, 1)) == len(graphs)


@pytest.mark.parametrize("kind", ["squared", "absolute"])
@pytest.mark.parametrize("energy_per", ["atom", "frame"])
def test_losses_and_gradients_of_parts_add_up(toy, toy_config, graphs, kind, energy_per):
    loss = {"energy": 0.7, "forces": 1.3, "stress": 2.0, "kind": kind, "energy_per": energy_per}
    module = make_module(toy, toy_config(loss=loss))
    batch = collate(graphs)
    torch.manual_seed(0)
    batch = batch._replace(stress=torch.randn(batch.stress.shape, dtype=torch.float64))
    weights = list(module.model.parameters())

    def gradient(parts):
        losses = [
            module.loss(part, predict(module.model, part, create_graph=True), batch)
            for part in parts
        ]
        return sum(losses).detach(), torch.autograd.grad(sum(losses), weights)

    whole_loss, whole = gradient([batch])
    for limit in (1, int(batch.n_edges.max() + batch.n_edges.min())):
        parts = split(batch, limit)
        assert len(parts) > 1
        loss_sum, found = gradient(parts)
        assert float(loss_sum) == pytest.approx(float(whole_loss), rel=SUM_OF_PARTS)
        for one, two in zip(whole, found, strict=True):
            torch.testing.assert_close(one, two, rtol=0, atol=SUM_OF_PARTS * one.abs().max())


def test_training_in_parts_takes_the_same_steps(toy_config, tmp_path):
    """With accumulation, clipping and the average; the curve is the same, too."""
    fixed = {"accumulate": 2, "optimiser__gradient_clip": 0.1, "stop__max_epochs": 3}
    found = []
    for memory_gb in (None, ONE_FRAME_GB):
        config = toy_config(**fixed, memory_gb=memory_gb)
        result = train(config, tmp_path / str(memory_gb), progress=False)
        checkpoint = load_checkpoint(tmp_path / str(memory_gb) / "last.ckpt")
        found.append((checkpoint, result))
    (one, whole), (two, parts) = found
    assert (one.state["max_edges"] or 0) > 1000
    assert two.state["max_edges"] == 1
    for name, value in {**one.weights, **one.state["average"]["average"]}.items():
        other = {**two.weights, **two.state["average"]["average"]}[name]
        torch.testing.assert_close(other, value, rtol=0, atol=ROUNDING)
    assert dict(parts.validation) == pytest.approx(dict(whole.validation))
    for row, other in zip(one.state["history"], two.state["history"], strict=True):
        assert other["train_loss"] == pytest.approx(row["train_loss"])
        assert other["validation_loss"] == pytest.approx(row["validation_loss"])


def test_a_resumed_training_keeps_its_parts(toy_config, tmp_path, monkeypatch):
    """On a machine with less memory, too; another bound in the config is a new choice."""
    train(toy_config(stop__max_epochs=1), tmp_path / "out", progress=False)
    chosen = load_checkpoint(tmp_path / "out/last.ckpt").state["max_edges"]
    monkeypatch.setattr(memory, "machine_bytes", lambda: 1e4)
    train(toy_config(stop__max_epochs=2), tmp_path / "out", progress=False)
    assert load_checkpoint(tmp_path / "out/last.ckpt").state["max_edges"] == chosen
    train(toy_config(stop__max_epochs=3, memory_gb=ONE_FRAME_GB), tmp_path / "out", progress=False)
    assert load_checkpoint(tmp_path / "out/last.ckpt").state["max_edges"] == 1


def test_the_bound_follows_what_a_frame_takes(toy, toy_config, graphs):
    module = make_module(toy, toy_config(memory_gb=0.01))
    largest = max(graphs, key=lambda graph: graph.edge_index.shape[1])
    module.bound_memory(largest)
    batch = collate([largest])
    edges = int(batch.n_edges.sum())
    taken = memory.PEAK_OVER_SAVED * memory.saved_bytes(module, batch)
    assert module.max_edges == int(0.01 * memory.GB * edges / taken)
    # two frames keep twice as much as one, weights left out
    two = memory.saved_bytes(module, collate([largest, largest]))
    assert two == pytest.approx(2 * memory.saved_bytes(module, batch), rel=0.01)


def test_a_frame_beyond_the_bound_is_said(toy, toy_config, graphs, caplog):
    module = make_module(toy, toy_config(memory_gb=ONE_FRAME_GB))
    module.bound_memory(graphs[0])
    assert "cannot be split" in caplog.text
    assert module.max_edges == 1


def test_counting_leaves_random_numbers_and_modes_alone(toy, toy_config, graphs):
    module = make_module(toy, toy_config())
    module.train()
    before = torch.get_rng_state()
    first = memory.saved_bytes(module, collate(graphs[:2]))
    assert torch.equal(torch.get_rng_state(), before)
    assert module.model.network.mlp.training
    assert all(parameter.grad is None for parameter in module.parameters())
    assert memory.saved_bytes(module, collate(graphs[:2])) == first > 0


def test_limits_of_control_groups(tmp_path):
    own = tmp_path / "cgroup"
    own.write_text("12:cpu:/elsewhere\n0::/job/step\n")
    inner = tmp_path / "root/job/step"
    inner.mkdir(parents=True)
    (inner / "memory.max").write_text("max\n")
    (tmp_path / "root/job/memory.max").write_text("5000000\n")
    (tmp_path / "memory.max").write_text("1\n")  # above the root: no limit of ours
    assert memory._group_limits(tmp_path / "root", own) == [5000000]
    assert memory._group_limits(tmp_path / "root", tmp_path / "none") == []


def test_a_gradient_that_is_not_finite_stops_before_the_step(
    toy, toy_config, tmp_path, monkeypatch
):
    """The loss is finite, its gradient is not: the weights of the epoch before are kept."""
    real = ForceFieldModule.loss

    class Poison(torch.autograd.Function):
        @staticmethod
        def forward(ctx, value):
            return value.clone()

        @staticmethod
        def backward(ctx, gradient):
            return gradient * float("nan")

    def poisoned(self, batch, found, whole=None):
        loss = real(self, batch, found, whole)
        return Poison.apply(loss) if self.progress.epoch == 1 and loss.requires_grad else loss

    stepped = []
    step = torch.optim.Adam.step

    def counted(self, *args, **kwargs):
        stepped.append(1)
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "step", counted)
    monkeypatch.setattr(ForceFieldModule, "loss", poisoned)
    for clip in (10.0, None):
        stepped.clear()
        config = toy_config(optimiser__gradient_clip=clip, memory_gb=ONE_FRAME_GB)
        with pytest.raises(EgraffError, match=r"norm of the gradient is nan in epoch 2.*kept"):
            train(config, tmp_path / str(clip), progress=False)
        assert len(stepped) == 3, "one epoch: 8 frames in batches of 3"
        assert load_checkpoint(tmp_path / str(clip) / "last.ckpt").state["progress"]["epoch"] == 1


def test_weights_that_the_loss_does_not_depend_on(toy, toy_config, graphs):
    module = make_module(toy, toy_config())
    module.model.unused = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
    batch = collate(graphs)
    module.add_gradient(batch, batch)
    assert module.model.unused.grad is None
    (expected,) = torch.autograd.grad(
        module.loss(batch, predict(module.model, batch, create_graph=True)),
        [module.model.network.mlp[0].weight],
    )
    assert torch.equal(module.model.network.mlp[0].weight.grad, expected)


def test_steps_that_an_earlier_release_counted(toy_config, tmp_path):
    """Its checkpoints keep them where Lightning's own optimisation does; a warm-up goes on."""
    warm = {"schedule": {"name": "constant", "warmup_epochs": 5}}
    whole = train(toy_config(**warm, stop__max_epochs=3), tmp_path / "whole", progress=False)
    train(toy_config(**warm, stop__max_epochs=2), tmp_path / "old", progress=False)
    path = tmp_path / "old/last.ckpt"
    raw = torch.load(path, weights_only=True)
    loops = raw["loops"]["fit_loop"]
    now = loops["epoch_loop.manual_optimization.optim_step_progress"]
    before = loops["epoch_loop.automatic_optimization.optim_progress"]
    for span in ("total", "current"):
        assert now[span]["completed"] > 0
        before["optimizer"]["step"][span].update(now[span])
        now[span] = dict.fromkeys(now[span], 0)
    for key in ("max_edges", "memory_gb"):
        del raw["egraff_state"][key]
    torch.save(raw, path)
    resumed = train(toy_config(**warm, stop__max_epochs=3), tmp_path / "old", progress=False)
    rates = [
        [
            row["learning_rate"]
            for row in load_checkpoint(r.log.parent / "last.ckpt").state["history"]
        ]
        for r in (whole, resumed)
    ]
    assert rates[0] == rates[1]
    assert len(set(rates[0])) == 3
