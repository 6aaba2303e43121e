"""Forty kills, spread over everything that takes long: each goes on, and ends with the same result.

Four SIGKILLs and four SIGTERMs to each of training, rollout, rerun, scoring and bench, at moments
drawn with a seed over the time that the undisturbed work took. `pytest -s` prints what was killed
when, and what it cost.
"""

from __future__ import annotations

import csv
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from processes import PROGRAM, alive, descendants

from egraff_lmp.contract import read_contract
from egraff_lmp.data.lammps_dump import read_lammps_dump
from egraff_lmp.errors import EgraffError
from egraff_lmp.rollout import make_config, run_rollout
from egraff_lmp.rollout.restart import last_step, newest_restart
from egraff_lmp.stopping import STOPPED
from egraff_lmp.train.checkpoint import load_checkpoint

sys.path.insert(0, str(Path(__file__).parent))
from bench_fakes import RAW
from test_matrix_killed import matrix, numbers

RERUN = """
import sys
from egraff_lmp.data import read_frames
from egraff_lmp.rollout import rerun
from egraff_lmp.stopping import stoppable
with stoppable():
    rerun(sys.argv[1], read_frames(sys.argv[2]), sys.argv[3], threads=1)
"""
SEED = 11
EACH = 4  # of either signal, to each kind of work
PATIENCE_S = 900.0
EPOCHS = 30
RESTART_EVERY, REBUILD_EVERY = 100, 10
WALL_TIMES = {
    "seconds",
    "epoch_seconds",
    "wall_seconds",
    "frames_per_second",
    "peak_memory_gb",
}


@dataclass(frozen=True)
class Work:
    """One kind: how to start it in a folder, its result, and (lost, allowed, unit) after a kill."""

    name: str
    command: Callable[[Path], list[str]]
    result: Callable[[Path], Any]
    lost: Callable[[Path], tuple[int, int, str]] | None  # None: repeated as a whole


@pytest.fixture(scope="module")
def material(tmp_path_factory) -> Path:
    """Frames of a crystal by a shipped potential, a tiny model and the configs of all kinds."""
    from ase.build import bulk

    folder = tmp_path_factory.mktemp("material")
    atoms = bulk("CdTe", "zincblende", a=6.48, cubic=True) * (2, 2, 2)
    atoms.rattle(0.1, seed=1)
    atoms.write(folder / "start.traj")
    common = {"pair": "sw", "coeff": "CdTe.sw Cd Te", "structure": str(folder / "start.traj")}
    common |= {"temperature_kelvin": 600}
    run_rollout(make_config({**common, "n_steps": 2000, "out_dir": folder / "reference"}))
    rollout = {**common, "n_steps": 12_000, "dump_every": 50}
    rollout |= {"restart_every": RESTART_EVERY, "rebuild_every": REBUILD_EVERY, "out_dir": "."}
    training = {
        "forcefield": "allegro",
        **RAW["training"],
        "data": {
            "train": [str(folder / "reference" / "traj.lammpstrj")],
            "n_train": 20,
            "n_validation": 5,
        },
        "stop": {"max_epochs": EPOCHS},
    }
    configs = {"rollout": rollout, "training": training, "bench": matrix()}
    for name, values in configs.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(values))
    train = [*PROGRAM, "train", str(folder / "training.yaml"), "--out", str(folder / "trained")]
    done = subprocess.run(train, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    model = [*PROGRAM, "deploy", str(folder / "trained" / "best.ckpt"), str(folder / "model.pt")]
    done = subprocess.run(model, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return folder


def works(material: Path) -> list[Work]:
    traj = str(material / "reference" / "traj.lammpstrj")

    def rollout(folder: Path) -> list[str]:
        shutil.copy(material / "rollout.yaml", folder)
        return [*PROGRAM, "run", str(folder / "rollout.yaml")]

    return [
        Work(
            "training",
            lambda f: [*PROGRAM, "train", str(material / "training.yaml"), "--out", str(f)],
            trained,
            lost_epochs,
        ),
        Work("rollout", rollout, lambda f: bits(f, "traj.lammpstrj", "thermo.csv"), lost_steps),
        Work(
            "rerun",
            lambda f: [sys.executable, "-c", RERUN, str(material / "model.pt"), traj, str(f)],
            lambda f: bits(f, "traj.lammpstrj", "thermo.csv"),
            None,
        ),
        Work(
            "scoring",
            lambda f: [*PROGRAM, "score", traj, traj, "--csv", str(f / "scores.csv")],
            lambda f: bits(f, "scores.csv"),
            None,
        ),
        Work(
            "bench",
            lambda f: [*PROGRAM, "bench", str(material / "bench.yaml"), "--out", str(f)],
            numbers,
            None,  # but for its finished stages: see `kept`
        ),
    ]


@pytest.mark.study
@pytest.mark.mpi
@pytest.mark.parametrize("kind", ["training", "rollout", "rerun", "scoring", "bench"])
def test_kills_lose_nothing_that_was_kept(material, tmp_path, kind, capsys):
    work = next(entry for entry in works(material) if entry.name == kind)
    whole = tmp_path / "whole"
    whole.mkdir()
    began = time.monotonic()
    assert begin(work, whole).wait(PATIENCE_S) == 0
    length = time.monotonic() - began
    draw = random.Random(f"{SEED} {kind}")
    kills = [signal.SIGKILL, signal.SIGTERM] * EACH
    draw.shuffle(kills)
    folder = tmp_path / "killed"
    folder.mkdir()
    rows, ended = [], 0
    stages: dict[Path, int] = {}
    while kills:
        moment = draw.uniform(0.02, 0.9) * length
        process = begin(work, folder)
        try:
            assert process.wait(moment) == 0  # it was quicker than its kill: what did it give?
        except subprocess.TimeoutExpired:
            rows.append((kind, *kill(process, kills.pop(), work, folder, whole), f"{moment:.1f} s"))
            stages = not_repeated(stages, folder)
            if draw.random() < 0.5:
                continue  # the next one begins with what this one left
        else:
            assert work.result(folder) == work.result(whole)
            ended += 1
        stages = {}
        shutil.rmtree(folder)
        folder.mkdir()
    assert begin(work, folder).wait(PATIENCE_S) == 0
    assert work.result(folder) == work.result(whole)
    not_repeated(stages, folder)
    with capsys.disabled():
        print()
        for row in rows:
            print("  ".join(f"{word:<10}" for word in row))
        print(f"{kind}: {len(rows)} kills of work of {length:.1f} s; {ended + 1} results equal")


def not_repeated(before: dict[Path, int], folder: Path) -> dict[Path, int]:
    """Dates of the records of finished stages (bench), none of which may be written again."""
    now = {path: path.stat().st_mtime_ns for path in folder.rglob("result.json")}
    assert before.items() <= now.items(), "a finished stage was lost or repeated"
    return now


def begin(work: Work, folder: Path) -> subprocess.Popen:
    with open(folder.with_suffix(".log"), "ab") as log:
        return subprocess.Popen(
            work.command(folder),
            stdout=log,
            stderr=log,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )


def kill(
    process: subprocess.Popen, number: int, work: Work, folder: Path, whole: Path
) -> tuple[str, str, str]:
    """Kill it, wait for all that it started, look at its files; words for the table."""
    log = folder.with_suffix(".log")
    family = descendants(process.pid)
    process.send_signal(number)
    status = process.wait(PATIENCE_S)
    told = log.read_text()[-2000:]
    if status == 0:  # it had ended, or was so near its end that it ended as it should
        assert work.result(folder) == work.result(whole)
    elif number == signal.SIGKILL:
        assert status == -signal.SIGKILL, told
    elif status == -signal.SIGTERM:
        # Before the command's own code runs, a SIGTERM ends Python as it ends any program.
        assert not family, told
    else:
        assert status == STOPPED, told
    deadline = time.monotonic() + PATIENCE_S
    while any(map(alive, family)):
        assert time.monotonic() < deadline, "processes were left behind"
        time.sleep(0.1)
    all_whole(folder, whole)
    lost, allowed, unit = work.lost(folder) if work.lost else (0, 0, "repeated as a whole")
    assert lost <= allowed, f"lost {lost} {unit}"
    return (
        signal.Signals(number).name,
        f"status {status}",
        f"lost {lost} {unit}" if allowed else unit,
    )


def all_whole(folder: Path, whole: Path) -> None:
    """Every file that a reader takes is whole; a cut one is refused, or read without its part."""
    readers = {".json": _json, ".npz": np.load, ".ckpt": load_checkpoint, ".pt": read_contract}
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith(".") and path.suffix in readers:
            readers[path.suffix](path)
    for name in ("log.csv", "scores.csv"):
        for path in folder.rglob(name):
            with open(path, newline="") as stream:
                table = list(csv.reader(stream))
            assert len({len(row) for row in table}) <= 1, path
            if name == "scores.csv":
                assert len(table) > 1, path
            if table:  # a log is empty before its first row
                assert path.read_text().endswith("\n"), path
    for path in folder.glob("traj.lammpstrj"):
        content, intended = path.read_bytes(), (whole / path.name).read_bytes()
        assert intended.startswith(content), path
        begins = [match.start() for match in re.finditer(b"ITEM: TIMESTEP", intended)]
        n = sum(end <= len(content) for end in (*begins[1:], len(intended)))
        if n == 0:
            with pytest.raises(EgraffError):
                read_lammps_dump(path)
            continue
        seen, right = read_lammps_dump(path), read_lammps_dump(whole / path.name)
        assert len(seen) == n
        assert np.array_equal(seen.positions, right.positions[:n])
        assert np.array_equal(seen.forces, right.forces[:n])


def _json(path: Path) -> Any:
    return json.loads(path.read_text())


def bits(folder: Path, *names: str) -> list[bytes]:
    return [(folder / name).read_bytes() for name in names]


def trained(folder: Path) -> Any:
    """Weights and the log, without times and memory."""
    best = load_checkpoint(folder / "best.ckpt")
    with open(folder / "log.csv", newline="") as stream:
        log = [
            {key: value for key, value in row.items() if key not in WALL_TIMES}
            for row in csv.DictReader(stream)
        ]
    last = load_checkpoint(folder / "last.ckpt")
    assert len(log) == EPOCHS
    weights = [
        {name: value.tolist() for name, value in each.weights.items()} for each in (best, last)
    ]
    assert all(weights)
    return weights, log


def lost_epochs(folder: Path) -> tuple[int, int, str]:
    """Epochs that the log has and the checkpoint has not: the log is written last."""
    logged = kept = 0
    if (folder / "log.csv").is_file():
        with open(folder / "log.csv", newline="") as stream:
            logged = len(list(csv.DictReader(stream)))
    if (folder / "last.ckpt").is_file():
        kept = load_checkpoint(folder / "last.ckpt").state["progress"]["epoch"]
    return max(0, logged - kept), 0, f"{kept} epochs kept"


def lost_steps(folder: Path) -> tuple[int, int, str]:
    reached = last_step(folder / "thermo.csv")
    restart = newest_restart(folder, 50, 50)
    kept = 0 if restart is None else restart.step
    return max(0, (reached or 0) - kept), RESTART_EVERY + REBUILD_EVERY, f"of {reached} steps"
