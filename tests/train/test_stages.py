"""Forms of the loss, warm-up, the second stage, several processes, pictures and logs."""

from __future__ import annotations

import csv
import itertools
import math

import numpy as np
import pytest
import torch
from lightning.pytorch.loggers.logger import Logger

from egraff_lmp.errors import EgraffError
from egraff_lmp.train import run, wandb_log
from egraff_lmp.train.checkpoint import load_checkpoint
from egraff_lmp.train.config import load_config, named_config, parse_config, shipped_configs
from egraff_lmp.train.ema import MovingAverage
from egraff_lmp.train.evaluate import Prediction, predict
from egraff_lmp.train.graphs import EpochSampler, build_graphs, collate
from egraff_lmp.train.module import ForceFieldModule
from egraff_lmp.train.run import train
from egraff_lmp.train.schedule import warmup_factor

# Two processes add the same numbers in another order.
ROUNDING = 1e-9


# Of the machine and not of the training.
MEASURED = ("wall_seconds", "frames_per_second", "peak_memory_gb")


def rows(path):
    with open(path, newline="") as stream:
        return [
            {k: float(v) for k, v in row.items() if k not in MEASURED}
            for row in csv.DictReader(stream)
        ]


@pytest.fixture
def batch(toy):
    return collate(build_graphs(toy.toy_frames(2), toy.SPECIES, toy.R_MAX))


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ({"energy": 2.0, "forces": 0.0}, 2 * (6 / 12) ** 2 / 4),
        ({"energy": 2.0, "forces": 0.0, "energy_per": "frame"}, 2 * 6**2 / 4),
        ({"energy": 0.0, "forces": 3.0}, 3 * (0.3**2 + 0.4**2) / 3 / 4),
        ({"energy": 0.0, "forces": 3.0, "kind": "absolute"}, 3 * 0.5 / 2),
        ({"energy": 1.0, "forces": 0.0, "kind": "absolute", "energy_per": "frame"}, 6 / 2),
        ({"energy": 0.0, "forces": 0.0, "stress": 5.0}, 5 * 0.01**2 / 0.02**2),
        (
            {"energy": 0.0, "forces": 0.0, "stress": 5.0, "stress_scale": "forces"},
            5 * 0.01**2 / 4,
        ),
    ],
)
def test_loss_by_hand(toy_config, toy, batch, loss, expected):
    """Errors of 6 eV on 12 atoms, (0.3, 0.4, 0) eV/A and 0.01 eV/A^3, at a scale of 2.

    The root mean square of the training stresses is 0.02 eV/A^3.
    """
    from egraff_lmp.forcefields import AtomicEnergyModel, NetworkContext

    context = NetworkContext(toy.SPECIES, toy.R_MAX, 5.0, torch.float64, 0)
    network = toy.TOY.build(toy.TOY.presets["small"], context)
    model = AtomicEnergyModel(network, 2.0, torch.zeros(2))
    module = ForceFieldModule(model, toy_config(loss=loss, ema_decay=None), 0.02)
    batch = batch._replace(stress=torch.zeros(2, 3, 3, dtype=torch.float64))
    found = Prediction(
        batch.energy + 6.0,
        batch.forces + torch.tensor([0.3, 0.4, 0.0]),
        batch.stress + 0.01,
    )
    assert float(module.loss(batch, found)) == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["squared", "absolute"])
def test_weights_of_frames_multiply_their_errors(toy_config, toy, batch, kind):
    """A weight of 3 of one label of one frame counts its errors three times, no other's."""
    from egraff_lmp.forcefields import AtomicEnergyModel, NetworkContext

    context = NetworkContext(toy.SPECIES, toy.R_MAX, 5.0, torch.float64, 0)
    network = toy.TOY.build(toy.TOY.presets["small"], context)
    model = AtomicEnergyModel(network, 2.0, torch.zeros(2))
    batch = batch._replace(stress=torch.zeros(2, 3, 3, dtype=torch.float64))
    for column, name in enumerate(("energy", "forces", "stress")):
        loss = {"energy": 0.0, "forces": 0.0, "kind": kind, name: 1.0}
        module = ForceFieldModule(model, toy_config(loss=loss, ema_decay=None), 0.02)
        errors = torch.tensor([1.0, 2.0])  # of the two frames
        found = Prediction(
            batch.energy + errors,
            batch.forces + errors[batch.frame].unsqueeze(1),
            batch.stress + errors.view(2, 1, 1),
        )
        weighted = batch.weights.clone()
        weighted[1, column] = 3.0
        plain = float(module.loss(batch, found))
        # Errors of 1 and 2: their squares are 1 and 4, their sizes 1 and 2.
        share = (1 + 3 * 4) / (1 + 4) if kind == "squared" else (1 + 3 * 2) / (1 + 2)
        changed = float(module.loss(batch._replace(weights=weighted), found))
        assert changed == pytest.approx(share * plain)


def test_frames_without_stress_have_no_error_of_it(toy_config, toy, batch):
    from egraff_lmp.forcefields import AtomicEnergyModel, NetworkContext

    context = NetworkContext(toy.SPECIES, toy.R_MAX, 5.0, torch.float64, 0)
    network = toy.TOY.build(toy.TOY.presets["small"], context)
    model = AtomicEnergyModel(network, 2.0, torch.zeros(2))
    loss = {"energy": 0.0, "forces": 0.0, "stress": 1.0}
    module = ForceFieldModule(model, toy_config(loss=loss, ema_decay=None), 0.02)
    stress = torch.zeros(2, 3, 3, dtype=torch.float64)
    guess = (stress + 0.01).requires_grad_(True)
    found = Prediction(batch.energy, batch.forces, guess)
    whole = module.loss(batch._replace(stress=stress), found).detach()
    stress[1] = math.nan
    value = module.loss(batch._replace(stress=stress), found)
    assert float(value.detach()) == pytest.approx(float(whole) / 2)
    (gradient,) = torch.autograd.grad(value, guess)
    assert gradient[0].all()
    assert not gradient[1].any()


def test_stress_is_the_strain_derivative(toy, batch):
    """sigma = (1/V) dE/d(strain), by central differences of the cell of frame 0."""
    from egraff_lmp.forcefields import AtomicEnergyModel, NetworkContext

    context = NetworkContext(toy.SPECIES, toy.R_MAX, 5.0, torch.float64, 0)
    network = toy.TOY.build(toy.TOY.presets["small"], context)
    model = AtomicEnergyModel(network, 1.0, torch.zeros(2, dtype=torch.float64)).eval()
    found = predict(model, batch).stress[0].numpy()
    frames, step = toy.toy_frames(2), 1e-5
    volume = np.linalg.det(frames.cell[0])
    for a, b in ((0, 0), (1, 2)):
        energies = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[a, b] += sign * step / 2
            strain[b, a] += sign * step / 2
            from dataclasses import replace

            moved = replace(frames, positions=frames.positions @ strain, cell=frames.cell @ strain)
            graphs = collate(build_graphs(moved, toy.SPECIES, toy.R_MAX))
            energies.append(float(predict(model, graphs).energy[0]))
        slope = (energies[0] - energies[1]) / (2 * step) / volume
        assert found[a, b] == pytest.approx(slope, abs=1e-8)
    np.testing.assert_allclose(found, found.T)


def test_training_on_stress_needs_stress(toy_config, tmp_path):
    with pytest.raises(EgraffError, match="expected stress to train on, it has none"):
        train(toy_config(loss={"stress": 1.0}), tmp_path / "out", progress=False)


def test_training_on_stress_says_its_error(toy, toy_config, tmp_path, caplog):
    """In the log, the line of an epoch and the result, and it falls below that of no stress."""
    from dataclasses import replace

    from egraff_lmp.data.store import write_store

    frames = toy.toy_frames()
    steps = np.eye(3) * 1e-5
    stress = np.zeros((len(frames), 3, 3))
    for t in range(len(frames)):
        for a in range(3):
            energies = []
            for sign in (1, -1):
                strain = np.eye(3) + sign * np.diag(steps[a])
                cell = frames.cell[t] @ strain
                energies.append(
                    toy.toy_labels(frames.species, frames.positions[t] @ strain, cell)[0]
                )
            stress[t, a, a] = (energies[0] - energies[1]) / 2e-5 / np.linalg.det(frames.cell[t])
    write_store(replace(frames, stress=stress), tmp_path / "stress.npz")
    config = toy_config(
        data__train=[str(tmp_path / "stress.npz")],
        loss={"energy": 0.0, "forces": 0.0, "stress": 1000.0},
        stop__max_epochs=30,
    )
    with caplog.at_level("INFO"):
        result = train(config, tmp_path / "out")
    name = "validation_stress_mae_mev_per_angstrom3"
    errors = [row[name] for row in rows(result.log)]
    zero = rows(result.log)[0]["validation_zero_stress_mae_mev_per_angstrom3"]
    assert min(errors) < 0.5 * zero
    assert min(errors) < errors[0]
    assert result.validation["stress_mae_mev_per_angstrom3"] == pytest.approx(
        errors[result.best_epoch - 1]
    )
    assert "stress_mae_mev_per_angstrom3" in result.test
    assert f"  S {errors[0]:.3g} meV/A^3" in caplog.text


def test_warmup_is_linear_and_ends():
    assert [warmup_factor(step, 4) for step in (0, 1, 3, 9)] == [0.25, 0.5, 1.0, 1.0]
    assert warmup_factor(0, 0) == 1.0


def test_all_groups_have_the_rate_of_each_stage(toy, toy_config, tmp_path, monkeypatch):
    """Warm-up, cosine and second stage, where the force field spares biases; and it resumes."""
    from dataclasses import replace

    from egraff_lmp.forcefields import FORCE_FIELDS

    def spared(network):
        return [p for name, p in network.named_parameters() if name.endswith("bias")]

    config = toy_config(
        schedule={"name": "cosine", "epochs": 4, "warmup_epochs": 1},
        second_stage={"start_epoch": 2, "learning_rate": 0.003},
        optimiser={"name": "adamw", "weight_decay": 0.1, "weight_decay_on": "authors"},
        stop__max_epochs=3,
    )
    monkeypatch.setitem(FORCE_FIELDS, "toy", replace(toy.TOY, spared=spared))
    seen: list[list[float]] = []

    def note(module, *_):
        seen.append([group["lr"] for group in module.optimizers().param_groups])

    monkeypatch.setattr(ForceFieldModule, "on_before_optimizer_step", note)
    whole = train(config, tmp_path / "whole", progress=False)
    assert [len(rates) for rates in seen] == [2] * 9  # 8 frames in batches of 3, three epochs
    assert all(one == other for one, other in seen)
    assert len({one for one, _ in seen}) >= 4
    assert seen[-1] == [0.003, 0.003]
    for epochs in (1, 3):
        stop = config.stop.model_copy(update={"max_epochs": epochs})
        part = train(config.model_copy(update={"stop": stop}), tmp_path / "part", progress=False)
    first, second = (
        torch.load(result.checkpoint.with_name("last.ckpt"), weights_only=True)
        for result in (whole, part)
    )
    for name, value in first["state_dict"].items():
        assert torch.equal(value, second["state_dict"][name])
    groups = second["optimizer_states"][0]["param_groups"]
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert [len(group["params"]) for group in groups] == [2, 2]


def test_warmup_does_not_spoil_the_schedule(toy_config, tmp_path):
    """During the warm-up the logged rate is the last step's; afterwards the cosine's own."""
    config = toy_config(
        schedule={"name": "cosine", "epochs": 4, "warmup_epochs": 2},
        optimiser__learning_rate=0.1,
        stop__max_epochs=4,
    )
    log = rows(train(config, tmp_path / "out", progress=False).log)
    steps = 3  # 8 frames in batches of 3
    cosine = [0.001 + 0.099 * 0.5 * (1 + math.cos(math.pi * epoch / 4)) for epoch in range(4)]
    factors = [steps / (2 * steps), 1.0, 1.0, 1.0]
    expected = [rate * factor for rate, factor in zip(cosine, factors, strict=True)]
    assert [row["learning_rate"] for row in log] == pytest.approx(expected)


def test_uniform_average_is_the_mean():
    layer = torch.nn.Linear(1, 1, bias=False)
    average = MovingAverage(layer, 0.9)
    average.update(layer)
    average.start_uniform()
    for value in (1.0, 2.0, 6.0):
        with torch.no_grad():
            layer.weight.fill_(value)
        average.update(layer)
    assert average.average["weight"].item() == pytest.approx(3.0)
    other = MovingAverage(layer, 0.9)
    other.load_state_dict(average.state_dict())
    assert (other.uniform, other.updates) == (True, 3)


def test_second_stage(toy_config, tmp_path):
    """Its own rate and weights, and the best epoch is one of its own, whatever came before."""
    stage = {"start_epoch": 3, "energy": 5000.0, "forces": 1.0, "learning_rate": 0.003}
    config = toy_config(
        second_stage=stage, stop__max_epochs=6, stop__patience=1, overrides={"dropout": 0.3}
    )
    result = train(config, tmp_path / "whole", progress=False)
    log = rows(result.log)
    assert [row["learning_rate"] for row in log[3:]] == [0.003] * (len(log) - 3)
    assert log[3]["validation_loss"] > 10 * log[2]["validation_loss"]  # other weights
    assert result.best_epoch > 3
    # Patience 1 cannot end the first stage.
    assert result.epochs > 3
    for picture in ("learning_curve.png", "parity.png"):
        assert (tmp_path / "whole" / picture).read_bytes().startswith(b"\x89PNG")
    for last in (2, 3, 4, 6):  # cut before, at and after the change
        again = toy_config(
            second_stage=stage, stop__max_epochs=last, stop__patience=1, overrides={"dropout": 0.3}
        )
        resumed = train(again, tmp_path / "parts", progress=False)
    assert rows(resumed.log) == log
    states = [load_checkpoint(tmp_path / run / "last.ckpt").state for run in ("whole", "parts")]
    one, two = (state["average"]["average"] for state in states)
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize(("average", "steps"), [("uniform", 6), ("exponential", 9)])
def test_average_of_the_second_stage(toy_config, tmp_path, average, steps):
    """It begins anew, or goes on, over three steps an epoch; without a decay only the latter is."""
    stage = {"start_epoch": 1, "average": average}
    result = train(
        toy_config(second_stage=stage, stop__max_epochs=3), tmp_path / "out", progress=False
    )
    state = load_checkpoint(result.checkpoint.with_name("last.ckpt")).state["average"]
    assert state["uniform"] == (average == "uniform")
    assert state["updates"] == steps
    if average == "uniform":
        with pytest.raises(EgraffError, match="ema_decay: null keeps no average"):
            toy_config(second_stage=stage, ema_decay=None)
    else:
        assert toy_config(second_stage=stage, ema_decay=None).ema_decay is None


def test_two_processes_train_like_one(toy, tmp_path, capfd):
    """Two processes with batches of 2 take the same steps as one with batches of 4, and say so.

    Those of the two are computed frame by frame.
    """
    source = tmp_path / "toy.npz"
    toy.write_npz(source, toy.toy_frames())
    weights = []
    for devices, batch_size in ((1, 4), (2, 2)):
        config = parse_config(
            {
                "forcefield": "torchmdnet",
                "overrides": {"embedding_dimension": 8, "num_layers": 1, "num_rbf": 4},
                "data": {"train": [str(source)], "n_train": 8, "n_validation": 4},
                "r_max": toy.R_MAX,
                "dtype": "float64",
                "batch_size": batch_size,
                "devices": devices,
                "memory_gb": None if devices == 1 else 1e-9,
                "device": "cpu",
                "threads": 1,
                "stop": {"max_epochs": 2},
                "tensorboard": True,
            },
            "test",
        )
        out = tmp_path / f"out{devices}"
        capfd.readouterr()
        result = train(config, out, progress=True)
        assert result.epochs == 2
        said = capfd.readouterr().err
        assert "Warning" not in said
        if devices == 2:  # one process caught its lines for pytest; these two print theirs
            assert [line[:9] for line in said.splitlines()] == ["epoch 1/2", "epoch 2/2"], said
        assert list((out / "tensorboard").glob("events*"))
        weights.append((load_checkpoint(result.checkpoint).weights, rows(result.log)))
    (one, log_1), (two, log_2) = weights
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=0, atol=ROUNDING)
    for key in ("train_loss", "validation_loss", "validation_forces_mae_mev_per_angstrom"):
        assert [row[key] for row in log_2] == pytest.approx([row[key] for row in log_1])


def test_accumulated_batches_are_one_batch(toy_config, tmp_path):
    """Two batches of four a step give the weights and the average of one of eight."""
    found = []
    for batch_size, accumulate in ((8, 1), (4, 2)):
        config = toy_config(batch_size=batch_size, accumulate=accumulate, stop__max_epochs=3)
        result = train(config, tmp_path / str(batch_size), progress=False)
        checkpoint = load_checkpoint(result.checkpoint)
        found.append({**checkpoint.weights, **checkpoint.state["average"]["average"]})
        assert checkpoint.state["average"]["updates"] == result.best_epoch
    one, two = found
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=0, atol=ROUNDING)


def test_samples_are_shared_out():
    """Training: every frame at least once, equal shares; validation: every frame once."""
    shares = [list(EpochSampler(7, 0, rank, 3)) for rank in range(3)]
    assert [len(share) for share in shares] == [3, 3, 3]
    assert set(itertools.chain(*shares)) == set(range(7))
    shares = [list(EpochSampler(7, 0, rank, 3, shuffle=False)) for rank in range(3)]
    assert sorted(itertools.chain(*shares)) == list(range(7))


def test_shipped_settings(tmp_path):
    """Every shipped file is a whole config but for its data, and can be changed key by key."""
    names = shipped_configs()
    keys = ("nequip", "allegro", "botnet", "mace", "equiformer", "torchmdnet")
    assert set(names) == {f"{key}-{preset}" for key in keys for preset in ("small", "paper")}
    for name in names:
        config = named_config(name, {"train": ["gete:val"], "n_validation": 5})
        assert f"{config.forcefield}-{config.preset}" == name
    path = tmp_path / "mine.yaml"
    path.write_text(
        "inherits: mace-paper\ndata: {train: [gete:val], n_validation: 5}\n"
        "optimiser: {learning_rate: 0.5}\nsecond_stage: null\n"
    )
    config = load_config(path)
    assert (config.optimiser.learning_rate, config.optimiser.name) == (0.5, "amsgrad")
    assert config.loss.forces == 10.0
    assert config.second_stage is None
    path.write_text("inherits: mace-papers\ndata: {train: [gete:val]}\n")
    with pytest.raises(EgraffError, match="'inherits': expected one of allegro-paper"):
        load_config(path)


def test_forces_in_kcal_are_refused(toy, toy_config, tmp_path):
    """Forces 23 times too large are an error, and `units: warn` the way around it."""
    from dataclasses import replace

    frames = toy.toy_frames()
    factor = 23.06 / np.sqrt((frames.forces**2).mean())
    source = tmp_path / "kcal.npz"
    toy.write_npz(source, replace(frames, forces=frames.forces * factor))
    data = {"train": [str(source)], "n_train": 8, "n_validation": 2}
    with pytest.raises(EgraffError, match=r"usual for kcal/mol/A.*units: warn"):
        train(toy_config(data=data), tmp_path / "out", progress=False)
    config = toy_config(data={**data, "units": "warn"}, stop__max_epochs=1)
    assert train(config, tmp_path / "out", progress=False).epochs == 1


class Listener(Logger):
    """What Lightning asks of a logger; keeps what it is given."""

    def __init__(self):
        super().__init__()
        self.rows = []

    name, version = "listener", 0

    def log_hyperparams(self, *args, **kwargs):
        pass

    def log_metrics(self, metrics, step=None):
        self.rows.append((step, dict(metrics)))


def test_a_logger_gets_the_rows_of_the_log(toy_config, tmp_path, monkeypatch):
    listener, asked = Listener(), {}

    def logger(out, record, config):
        asked.update(out=out, config=config)
        return listener

    monkeypatch.setattr(run, "require_wandb", lambda: None)
    monkeypatch.setattr(run, "wandb_logger", logger)
    train(toy_config(logger="wandb", stop__max_epochs=1), tmp_path / "a", progress=False)
    # With other words the same course: the run is resumed, and says the second epoch alone.
    result = train(toy_config(logger="wandb", stop__max_epochs=2), tmp_path / "a", progress=False)
    assert [step for step, _ in listener.rows] == [1, 2]
    kept = rows(result.log)
    for (_, said), row in zip(listener.rows, kept, strict=True):
        assert said["validation_loss"] == pytest.approx(row["validation_loss"])
        assert "epoch" not in said
    assert asked["config"]["forcefield"] == "toy"
    assert toy_config(logger="wandb").sha256() == toy_config().sha256()


def test_wandb_is_asked_for_before_anything_is_done(toy_config, tmp_path, monkeypatch):
    monkeypatch.setattr(wandb_log.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EgraffError, match=r"package wandb, it is not installed: `pip install"):
        train(toy_config(logger="wandb"), tmp_path / "x", progress=False)
    assert not list((tmp_path / "x").glob("*.ckpt"))
