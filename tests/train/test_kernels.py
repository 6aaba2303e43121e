"""A training on kernels is the training of the reference network, up to rounding."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from egraff_lmp.data.store import write_store
from egraff_lmp.forcefields import FORCE_FIELDS, AtomicEnergyModel, NetworkContext
from egraff_lmp.forcefields.fast import TrainedNetwork
from egraff_lmp.train import kernels as train_kernels
from egraff_lmp.train import memory
from egraff_lmp.train.checkpoint import load_checkpoint
from egraff_lmp.train.config import TrainConfig, parse_config
from egraff_lmp.train.graphs import build_graphs, collate
from egraff_lmp.train.module import ForceFieldModule
from egraff_lmp.train.run import TrainResult, train

# Of numbers of a learning curve. Kernels add in another order, and Adam divides the first gradients
# by their own size, whatever it is: what is rounding at first may grow.
CURVE = 1e-4
# Two processes, or parts of a batch, add the same numbers in another order.
ROUNDING = 1e-9
# Of the machine and not of the training.
MEASURED = ("wall_seconds", "frames_per_second", "peak_memory_gb")
# Narrower than the small presets, and as deep but for NequIP and BOTNet.
NARROW: dict[str, dict[str, Any]] = {
    "nequip": {"num_layers": 2, "num_features": 4, "radial_mlp_width": 8},
    "allegro": {"num_scalar_features": 8, "num_tensor_features": 4},
    "botnet": {"num_interactions": 2, "hidden_irreps": "4x0e + 4x1o", "radial_MLP": [8]},
    "mace": {"hidden_irreps": "4x0e + 4x1o", "radial_MLP": [8]},
    "equiformer": {
        "embedding": [8, 4],
        "head": [4, 2],
        "feed_forward": [12, 8],
        "feature": 8,
        "num_rbf": 6,
        "radial_hidden": [8],
    },
    "torchmdnet": {"embedding_dimension": 8, "num_rbf": 4},
}
# What the tests of one network take: the quickest.
KEY = "torchmdnet"
ONE_FRAME_GB = 1e-9
Train = Callable[..., TrainResult]


@pytest.fixture
def make_config(toy, tmp_path) -> Callable[..., TrainConfig]:
    """Of a force field and changes: eight frames with stress in batches of two."""
    frames = toy.toy_frames()
    rng = np.random.default_rng(0)
    source = tmp_path / "frames.npz"
    stress = rng.normal(scale=0.01, size=(len(frames), 3, 3))
    write_store(replace(frames, stress=stress + stress.transpose(0, 2, 1)), source)

    def make(key: str = KEY, **changes: object) -> TrainConfig:
        raw = {
            "forcefield": key,
            "overrides": NARROW[key],
            "data": {"train": [str(source)], "n_train": 8, "n_validation": 2, "n_test": 2},
            "r_max": toy.R_MAX,
            "dtype": "float64",
            "batch_size": 2,
            "loss": {"energy": 1.0, "forces": 1.0, "stress": 10.0},
            "device": "cpu",
            "threads": 1,
            "stop": {"max_epochs": 2},
        }
        return parse_config({**raw, **changes}, "test")

    return make


@pytest.fixture
def run(make_config, tmp_path, monkeypatch) -> Train:
    """Trains into a folder of that name, and sees to it that kernels are used where asked for."""

    def run(folder: str, key: str = KEY, **changes: object) -> TrainResult:
        config = make_config(key, **changes)
        real = ForceFieldModule.evaluated.fget
        seen = set()

        def evaluated(module: ForceFieldModule) -> torch.nn.Module:
            found = real(module)
            seen.add(isinstance(found.network, TrainedNetwork))
            return found

        with monkeypatch.context() as patch:
            if config.devices == 1:  # others would have to take the patch with them
                patch.setattr(ForceFieldModule, "evaluated", property(evaluated))
            result = train(config, tmp_path / folder, progress=False)
        assert seen <= {config.kernels == "auto"}
        return result

    return run


def rows(result: TrainResult) -> list[dict[str, float]]:
    with open(result.log, newline="") as stream:
        return [
            {key: float(value) for key, value in row.items() if key not in MEASURED}
            for row in csv.DictReader(stream)
        ]


def require_same_curve(one: TrainResult, other: TrainResult, tolerance: float) -> None:
    assert len(rows(one)) == len(rows(other)) > 0
    for row, expected in zip(rows(one), rows(other), strict=True):
        assert row == pytest.approx(expected, rel=tolerance)
    assert dict(one.test) == pytest.approx(dict(other.test), rel=tolerance)


def last(result: TrainResult) -> Path:
    return result.checkpoint.with_name("last.ckpt")


def weights(result: TrainResult) -> dict[str, torch.Tensor]:
    """Those of the last epoch, and their average."""
    checkpoint = load_checkpoint(last(result))
    return {**checkpoint.weights, **checkpoint.state["average"]["average"]}


def require_same_weights(one: TrainResult, other: TrainResult, tolerance: float) -> None:
    found, expected = weights(one), weights(other)
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=tolerance)


def keys(value: object, prefix: str = "") -> set[str]:
    """Of nested dicts, with the shapes of tensors."""
    if isinstance(value, dict):
        inner = [keys(each, f"{prefix}/{key}") for key, each in value.items()]
        return set().union(*inner) if inner else {prefix}
    return {f"{prefix} {tuple(value.shape)}" if isinstance(value, torch.Tensor) else prefix}


@pytest.mark.parametrize("key", FORCE_FIELDS)
def test_same_curve(run: Train, key: str) -> None:
    """Of 20 steps, and a checkpoint of the same keys and shapes."""
    fast, slow = (run(each, key, kernels=each, stop={"max_epochs": 5}) for each in ("auto", "off"))
    losses = [row["train_loss"] for row in rows(fast)]
    assert losses[-1] < losses[0]  # it does learn
    require_same_curve(fast, slow, CURVE)
    one, other = (torch.load(last(each), weights_only=True) for each in (fast, slow))
    assert keys(one) == keys(other)
    assert one["global_step"] == other["global_step"] == 20


@pytest.mark.parametrize(("first", "then"), [("auto", "off"), ("off", "auto")])
def test_resumes_on_the_other(run: Train, first: str, then: str) -> None:
    """What one began the other ends, with the same numbers."""
    whole = run("whole", kernels=first, stop={"max_epochs": 4})
    run("parts", kernels=first, stop={"max_epochs": 2})
    parts = run("parts", kernels=then, stop={"max_epochs": 4})
    require_same_curve(parts, whole, CURVE)
    assert load_checkpoint(last(parts)).state["progress"]["resumes"] == 1


def test_resume_after_an_interruption(run: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of an epoch: every bit as without it."""
    whole = run("whole", stop={"max_epochs": 3})
    real = ForceFieldModule.training_step

    def dies(module: ForceFieldModule, batch: Any, batch_idx: int) -> None:
        if module.progress.epoch == 1 and batch_idx == 2:
            raise KeyboardInterrupt
        real(module, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(ForceFieldModule, "training_step", dies)
        with pytest.raises(KeyboardInterrupt):
            run("cut", stop={"max_epochs": 3})
    cut = run("cut", stop={"max_epochs": 3})
    assert rows(cut) == rows(whole)
    require_same_weights(cut, whole, 0.0)


def test_average_and_second_stage(run: Train) -> None:
    """Other weights of the loss, another rate, and the uniform average from then on."""
    stage = {"start_epoch": 2, "energy": 100.0, "forces": 1.0, "learning_rate": 0.002}
    fast, slow = (
        run(each, kernels=each, second_stage=stage, ema_decay=0.9, stop={"max_epochs": 4})
        for each in ("auto", "off")
    )
    require_same_curve(fast, slow, CURVE)
    assert rows(fast)[-1]["learning_rate"] == 0.002
    state = load_checkpoint(last(fast)).state["average"]
    assert (state["uniform"], state["updates"]) == (True, 8)
    require_same_weights(fast, slow, CURVE)
    # The best epoch's weights are the averages, and what is built of them has its errors.
    assert fast.best_epoch > 2


def test_tables_are_chosen_for_the_weights_of_each_epoch(run: Train, monkeypatch) -> None:
    """And for the averages that are validated: a resumed training begins with neither's tables."""
    seen: list[float] = []
    monkeypatch.setattr(
        "egraff_lmp.train.module.choose_tables",
        lambda model: seen.append(sum(float(p.detach().sum()) for p in model.parameters())),
    )
    run("out", ema_decay=0.9, stop={"max_epochs": 3})
    assert len(seen) == 6
    assert len(set(seen)) == 6  # weights, then their average, of three epochs


def test_in_parts(run: Train) -> None:
    """Frame by frame for want of memory: the same steps."""
    whole = run("whole")
    parts = run("parts", memory_gb=ONE_FRAME_GB)
    assert load_checkpoint(last(parts)).state["max_edges"] == 1
    assert load_checkpoint(last(whole)).state["max_edges"] > 1000
    require_same_weights(parts, whole, ROUNDING)
    require_same_curve(parts, whole, ROUNDING)


def test_parts_of_a_resumed_training(run: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference network takes more memory: there the bound of the kernels is not kept."""
    monkeypatch.setattr(memory, "machine_bytes", lambda: 1e9)

    def bound(folder: str, kernels: str, epochs: int) -> int:
        result = run(folder, kernels=kernels, stop={"max_epochs": epochs})
        found: int = load_checkpoint(last(result)).state["max_edges"]
        return found

    on_kernels, without = bound("on", "auto", 1), bound("off", "off", 1)
    assert on_kernels > 1.1 * without
    assert bound("on", "off", 2) == without
    assert bound("off", "auto", 2) == without


def test_two_processes(run: Train) -> None:
    """On kernels, each with half a batch, like one on the reference network."""
    changes = {"loss": {"energy": 1.0, "forces": 1.0}, "stop": {"max_epochs": 1}}
    one = run("one", kernels="off", batch_size=4, **changes)
    two = run("two", devices=2, **changes)
    require_same_weights(two, one, ROUNDING)
    for name in ("train_loss", "validation_loss"):
        assert rows(two)[0][name] == pytest.approx(rows(one)[0][name], rel=ROUNDING)


def test_kernels_are_not_of_the_course(make_config) -> None:
    """The hash, by which a run is known again."""
    assert make_config(kernels="auto").sha256() == make_config(kernels="off").sha256()
    assert make_config(kernels="auto").sha256() != make_config(seed=1).sha256()


def module_of(toy: Any, config: TrainConfig) -> ForceFieldModule:
    settings = {**FORCE_FIELDS[KEY].presets["small"], **NARROW[KEY]}
    context = NetworkContext(toy.SPECIES, toy.R_MAX, 10.0, torch.float64, 0)
    network = FORCE_FIELDS[KEY].build(settings, context)
    shift = torch.zeros(2, dtype=torch.float64)
    return ForceFieldModule(AtomicEnergyModel(network, 1.0, shift), config)


@pytest.mark.parametrize("kernels", ["auto", "off"])
def test_counts_of_memory_are_the_same_every_time(toy, make_config, kernels: str) -> None:
    """Wherever tensors happen to lie: some take the place of others that were freed."""
    (graph,) = build_graphs(toy.toy_frames(1), toy.SPECIES, toy.R_MAX)
    batch = collate([graph])
    modules = [module_of(toy, make_config(kernels=kernels)) for _ in range(3)]
    counts = {memory.saved_bytes(module, batch) for module in modules for _ in range(4)}
    assert len(counts) == 1


@pytest.mark.parametrize(("kernels", "asked"), [("auto", 1), ("off", 0)])
def test_freed_memory_is_kept_for_kernels_alone(
    toy, make_config, monkeypatch, kernels: str, asked: int
) -> None:
    calls: list[None] = []
    monkeypatch.setattr(train_kernels, "keep_freed_memory", lambda: calls.append(None))
    assert module_of(toy, make_config(kernels=kernels)).evaluated is not None
    assert len(calls) == asked


def test_on_a_gpu_the_reference_is_trained(toy, make_config, monkeypatch) -> None:
    """Also before the model is moved there, when memory is counted; and then it is the same."""
    (graph,) = build_graphs(toy.toy_frames(1), toy.SPECIES, toy.R_MAX)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    module = module_of(toy, make_config(device="auto", memory_gb=1.0))
    module.bound_memory(graph)
    assert module.evaluated is module.model
    module = module_of(toy, make_config(device="cpu", memory_gb=1.0))
    module.bound_memory(graph)
    assert module.evaluated is not module.model
    # Another process makes one of its own.
    assert module.__getstate__()["_evaluated"] == []
