"""Training as a whole: it learns, it resumes exactly, and it refuses what is not its own."""

from __future__ import annotations

import csv
import signal

import numpy as np
import pytest
import torch

from egraff_lmp.errors import EgraffError
from egraff_lmp.train.checkpoint import load_checkpoint
from egraff_lmp.train.module import ForceFieldModule
from egraff_lmp.train.run import train

# Of the machine and not of the training.
MEASURED = ("wall_seconds", "frames_per_second", "peak_memory_gb")


def rows(path):
    with open(path) as stream:
        return [
            {key: float(value) for key, value in row.items() if key not in MEASURED}
            for row in csv.DictReader(stream)
        ]


def flat(value, prefix=""):
    """Leaves of nested dicts and lists, times left out."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in (*MEASURED, "epoch_seconds", "resumes", "loops", "egraff_record"):
                yield from flat(inner, f"{prefix}/{key}")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from flat(inner, f"{prefix}/{index}")
    else:
        yield prefix, value


def assert_same_state(one, two):
    first = dict(flat(torch.load(one, weights_only=True)))
    second = dict(flat(torch.load(two, weights_only=True)))
    assert first.keys() == second.keys()
    for key, value in first.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, second[key]), key
        else:
            assert value == second[key], key


def test_loss_falls_and_errors_are_of_the_best_epoch(toy_config, tmp_path):
    config = toy_config(stop__max_epochs=40, schedule__patience=25)
    result = train(config, tmp_path / "out", progress=False)
    log = rows(result.log)
    assert len(log) == result.epochs == 40
    losses = [row["validation_loss"] for row in log]
    assert min(losses) < 0.2 * losses[0]
    assert result.best_epoch == 1 + int(np.argmin(losses))
    best = log[result.best_epoch - 1]
    assert best["validation_forces_mae_mev_per_angstrom"] == pytest.approx(
        result.validation["forces_mae_mev_per_angstrom"]
    )
    # the test frames come from the same distribution: the same order of magnitude
    ratio = (
        result.test["forces_mae_mev_per_angstrom"]
        / result.validation["forces_mae_mev_per_angstrom"]
    )
    assert 0.2 < ratio < 5


@pytest.mark.parametrize("schedule", ["plateau", "cosine"])
def test_resumed_equals_uninterrupted(toy_config, tmp_path, schedule):
    # dropout makes the weights depend on the random stream, small patience on the plateau's state
    fixed = {
        "overrides": {"dropout": 0.3},
        "schedule__name": schedule,
        "schedule__epochs": 6,
        "optimiser__learning_rate": 0.1,
    }
    whole = train(toy_config(**fixed, stop__max_epochs=6), tmp_path / "whole", progress=False)
    for last in (1, 4, 6):
        parts = train(
            toy_config(**fixed, stop__max_epochs=last), tmp_path / "parts", progress=False
        )
        assert parts.epochs == last
    assert rows(whole.log) == rows(parts.log)
    rates = [row["learning_rate"] for row in rows(whole.log)]
    assert len(set(rates)) > 1, "the schedule must have moved for this test to mean something"
    assert_same_state(tmp_path / "whole/last.ckpt", tmp_path / "parts/last.ckpt")
    assert parts.validation == whole.validation


def test_resume_after_a_death_within_an_epoch(toy_config, tmp_path, monkeypatch):
    config = toy_config(overrides={"dropout": 0.3}, stop__max_epochs=5)
    handler = signal.getsignal(signal.SIGINT)  # a shell starts background jobs with SIG_IGN
    train(config, tmp_path / "whole", progress=False)
    real = ForceFieldModule.training_step

    def dies(self, batch, batch_idx):
        if self.progress.epoch == 2 and batch_idx == 1:
            raise KeyboardInterrupt
        return real(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(ForceFieldModule, "training_step", dies)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "cut", progress=False)
    assert signal.getsignal(signal.SIGINT) is handler
    assert len(rows(tmp_path / "cut/log.csv")) == 2
    result = train(config, tmp_path / "cut", progress=False)
    assert result.epochs == 5
    assert_same_state(tmp_path / "whole/last.ckpt", tmp_path / "cut/last.ckpt")
    assert rows(tmp_path / "whole/log.csv") == rows(tmp_path / "cut/log.csv")
    assert load_checkpoint(tmp_path / "cut/last.ckpt").state["progress"]["resumes"] == 1


def test_finished_training_is_not_repeated(toy_config, tmp_path):
    config = toy_config(stop__max_epochs=2)
    first = train(config, tmp_path / "out", progress=False)
    stamp = (tmp_path / "out/last.ckpt").stat().st_mtime_ns
    second = train(config, tmp_path / "out", progress=False)
    assert (tmp_path / "out/last.ckpt").stat().st_mtime_ns == stamp
    assert second == first


def test_early_stopping_and_its_continuation(toy_config, tmp_path):
    stop = {"max_epochs": 50, "patience": 1}
    config = toy_config(optimiser__learning_rate=0.5, stop=stop, ema_decay=None)
    result = train(config, tmp_path / "out", progress=False)
    assert result.epochs == result.best_epoch + 1 < 50
    assert "patience" in result.stop
    longer = toy_config(
        optimiser__learning_rate=0.5,
        stop={"max_epochs": result.epochs + 1, "patience": 9},
        ema_decay=None,
    )
    assert train(longer, tmp_path / "out", progress=False).epochs == result.epochs + 1


def test_another_config_in_the_folder(toy_config, tmp_path):
    train(toy_config(stop__max_epochs=1), tmp_path / "out", progress=False)
    with pytest.raises(EgraffError, match=r"another config.*--out"):
        train(toy_config(seed=1), tmp_path / "out", progress=False)


def test_a_cosine_of_another_length_says_how_to_go_on(toy_config, tmp_path):
    cosine = {"name": "cosine"}
    train(toy_config(stop__max_epochs=1, schedule=cosine), tmp_path / "out", progress=False)
    longer = {"stop__max_epochs": 2, "schedule": cosine}
    with pytest.raises(EgraffError, match=r"falls over 1: `--set schedule.epochs=1` goes on"):
        train(toy_config(**longer), tmp_path / "out", progress=False)
    longer["schedule"] = {**cosine, "epochs": 1}
    assert train(toy_config(**longer), tmp_path / "out", progress=False).epochs == 2


def test_other_data_under_the_same_name(toy, toy_config, tmp_path):
    train(toy_config(stop__max_epochs=1), tmp_path / "out", progress=False)
    toy.write_npz(tmp_path / "toy.npz", toy.toy_frames(seed=5))
    with pytest.raises(EgraffError, match="another data"):
        train(toy_config(stop__max_epochs=2), tmp_path / "out", progress=False)


def test_resume_where_the_data_were_moved(toy_config, tmp_path):
    config = toy_config(stop__max_epochs=2, data__train=["toy.npz"])
    train(toy_config(stop__max_epochs=1), tmp_path / "out", progress=False)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "toy.npz").rename(tmp_path / "elsewhere/toy.npz")
    result = train(config, tmp_path / "out", base=tmp_path / "elsewhere", progress=False)
    assert result.epochs == 2


def test_divergence_is_said_and_earlier_epochs_are_kept(toy_config, tmp_path, monkeypatch):
    real = ForceFieldModule.training_step

    def explodes(self, batch, batch_idx):
        if self.progress.epoch == 1:
            batch = batch._replace(energy=batch.energy * float("inf"))
        return real(self, batch, batch_idx)

    monkeypatch.setattr(ForceFieldModule, "training_step", explodes)
    with pytest.raises(EgraffError, match=r"diverged.*epoch 2.*learning_rate"):
        train(toy_config(), tmp_path / "out", progress=False)
    assert load_checkpoint(tmp_path / "out/best.ckpt").state["progress"]["epoch"] == 1


def test_out_is_a_file(toy_config, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(EgraffError, match="got a file"):
        train(toy_config(), tmp_path / "out", progress=False)


def test_wrong_preset_and_wrong_setting(toy_config, tmp_path):
    with pytest.raises(EgraffError, match="one of small for toy, got 'huge'"):
        train(toy_config(preset="huge"), tmp_path / "out", progress=False)
    with pytest.raises(EgraffError, match=r"cannot be built.*overrides"):
        train(toy_config(overrides={"width": "wide"}), tmp_path / "out", progress=False)
    with pytest.raises(EgraffError, match="force field out of"):
        train(toy_config(forcefield="nequipp"), tmp_path / "out", progress=False)


def test_slurm_variables_do_not_disturb(toy_config, tmp_path, monkeypatch):
    # inside an allocation of four tasks Lightning would otherwise demand four processes
    for key, value in {
        "SLURM_NTASKS": "4",
        "SLURM_NTASKS_PER_NODE": "4",
        "SLURM_JOB_NAME": "train",
        "SLURM_PROCID": "0",
        "SLURM_LOCALID": "0",
        "SLURM_JOB_ID": "1",
    }.items():
        monkeypatch.setenv(key, value)
    assert train(toy_config(stop__max_epochs=1), tmp_path / "out", progress=False).epochs == 1


def test_progress_goes_to_the_log_without_a_terminal(toy_config, tmp_path, caplog):
    with caplog.at_level("INFO"):
        train(toy_config(stop__max_epochs=2), tmp_path / "out")
    lines = [record.message for record in caplog.records if "epoch" in record.message]
    assert [line.split()[1] for line in lines] == ["1/2", "2/2"]
