"""A real matrix that is killed while it trains ends with the same numbers."""

from __future__ import annotations

import copy
import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from processes import PROGRAM

sys.path.insert(0, str(Path(__file__).parent))
from bench_fakes import RAW

PATIENCE_S = 240.0
WALL_TIME = "cost"  # the one comparison that depends on the machine


def matrix() -> dict[str, Any]:
    """One crystal, one strictly local model of three epochs, one start."""
    reference = {**copy.deepcopy(RAW["reference"]), "equilibration_ps": 0.1}
    common = {"reference": reference, "split": copy.deepcopy(RAW["split"])}
    return {
        "kind": "matrix",
        "name": "killed",
        "title": "Killed",
        "seed": 3,
        "models": [{"name": "allegro", "forcefield": "allegro"}],
        "training": {**copy.deepcopy(RAW["training"]), "stop": {"max_epochs": 3}},
        "rollout": {"timestep_fs": 2.0, "steps": 100, "starts": 1, "ranks": 1},
        "scoring": {"rerun_every": 20},
        "systems": [{"name": "cdte", "title": "CdTe", "temperature": 600, **common}],
    }


def start(config: Path, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, "bench", str(config), "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
        start_new_session=True,  # so that LAMMPS is killed with it, as by a batch system
    )


def kill_after(process: subprocess.Popen[str], mark: str) -> None:
    """Kill the whole session as soon as `mark` is printed."""
    assert process.stderr is not None
    for line in process.stderr:
        if mark in line:
            time.sleep(0.2)  # into the work that the line announces
            os.killpg(process.pid, signal.SIGKILL)
            process.stderr.close()
            process.wait(PATIENCE_S)
            return
    pytest.fail(f"ended before it said {mark!r}")


def numbers(out: Path) -> list[dict[str, str]]:
    """All rows of the table but wall times."""
    with (out / "scores.csv").open(newline="") as stream:
        return [row for row in csv.DictReader(stream) if row["comparison"] != WALL_TIME]


@pytest.mark.slow
def test_a_matrix_killed_gives_the_numbers_of_one_that_was_not(tmp_path: Path) -> None:
    config = tmp_path / "killed.yaml"
    config.write_text(yaml.safe_dump(matrix()))
    whole = start(config, tmp_path / "whole")
    told = whole.communicate(timeout=PATIENCE_S)[1]
    assert whole.returncode == 0, told

    killed = tmp_path / "killed"
    kill_after(start(config, killed), "epoch 1/3")
    last = start(config, killed)
    told = last.communicate(timeout=PATIENCE_S)[1]
    assert last.returncode == 0, told
    assert "reference: finished earlier" in told
    assert numbers(killed) == numbers(tmp_path / "whole")
    assert len(numbers(killed)) > 20
