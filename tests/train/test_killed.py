"""A training that a signal ends, on one and on two processes, goes on to the same weights."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from egraff_lmp.errors import EgraffError
from egraff_lmp.locking import locked
from egraff_lmp.stopping import STOPPED
from egraff_lmp.train.checkpoint import load_checkpoint
from egraff_lmp.train.run import train

PROGRAM = [sys.executable, "-c", "from egraff_lmp.cli import main; main()"]
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
        "stop": {"max_epochs": 3},
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
    raw = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**raw, "devices": devices}))
    whole = start(config, tmp_path / "whole")
    assert whole.wait(PATIENCE_S) == 0, whole.stderr.read()

    out = tmp_path / "out"
    process = start(config, out)
    deadline = time.monotonic() + PATIENCE_S
    while not (out / "last.ckpt").is_file():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    told = process.communicate(timeout=PATIENCE_S)[1]  # to the end of all that hold the pipe
    assert process.returncode in (status, 0), told  # 0: the last epoch was quicker
    if process.returncode:
        assert "repeat the same command to go on" in told
    again = start(config, out)
    assert again.wait(PATIENCE_S) == 0, again.stderr.read()
    one, two = (
        load_checkpoint(folder / "best.ckpt").weights for folder in (tmp_path / "whole", out)
    )
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_two_trainings_in_a_folder_are_refused(toy_config, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with locked(out), pytest.raises(EgraffError, match="another run is writing into it"):
        train(toy_config(), out, progress=False)
