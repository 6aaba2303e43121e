"""A training that a signal ends, on one and on two processes, goes on to the same weights."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
import yaml
from processes import PROGRAM

from egraff_lmp.errors import EgraffError
from egraff_lmp.locking import locked
from egraff_lmp.stopping import STOPPED
from egraff_lmp.train.checkpoint import load_checkpoint
from egraff_lmp.train.run import train

ENDLESS = 1_000_000  # epochs that no test waits for
PATIENCE_S = 300.0  # of a busy machine; nothing here is judged by time


@pytest.fixture
def config(toy, tmp_path) -> Path:
    pytest.importorskip("allegro")
    toy.write_npz(tmp_path / "frames.npz", toy.toy_frames())
    raw = {
        "forcefield": "allegro",
        "data": {"train": [str(tmp_path / "frames.npz")], "n_train": 8, "n_validation": 4},
        "r_max": toy.R_MAX,
        "batch_size": 4,
        "stop": {"max_epochs": ENDLESS},
        "device": "cpu",
        "threads": 1,
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


def start(config: Path, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, "train", str(config), "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.parametrize(
    ("number", "status", "devices"),
    [
        (signal.SIGTERM, STOPPED, 1),
        pytest.param(signal.SIGINT, 130, 1, marks=pytest.mark.study),
        pytest.param(signal.SIGUSR1, STOPPED, 2, marks=pytest.mark.study),
    ],
)
def test_a_signal_ends_training_which_then_goes_on(config, tmp_path, number, status, devices):
    raw = {**yaml.safe_load(config.read_text()), "devices": devices}
    config.write_text(yaml.safe_dump(raw))
    out = tmp_path / "out"
    process = start(config, out)
    deadline = time.monotonic() + PATIENCE_S
    while not (out / "last.ckpt").is_file():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    told = process.communicate(timeout=PATIENCE_S)[1]  # to the end of all that hold the pipe
    assert process.returncode == status, told
    assert "repeat the same command to go on" in told

    # The rest, much shorter than was planned, equals a training that was left alone.
    kept = load_checkpoint(out / "last.ckpt").state["progress"]["epoch"]
    config.write_text(yaml.safe_dump({**raw, "stop": {"max_epochs": kept + 2}}))
    for folder in (out, tmp_path / "whole"):
        process = start(config, folder)
        told = process.communicate(timeout=PATIENCE_S)[1]
        assert process.returncode == 0, told
    for name in ("best.ckpt", "last.ckpt"):
        one, two = (load_checkpoint(folder / name) for folder in (tmp_path / "whole", out))
        assert one.state["progress"]["epoch"] == two.state["progress"]["epoch"]
        assert one.weights.keys() == two.weights.keys()
        assert one.weights
        assert all(torch.equal(one.weights[key], two.weights[key]) for key in one.weights)
    assert load_checkpoint(out / "last.ckpt").state["progress"]["epoch"] == kept + 2


def test_two_trainings_in_a_folder_are_refused(toy_config, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with locked(out), pytest.raises(EgraffError, match="another run is writing into it"):
        train(toy_config(), out, progress=False)
