"""All runs of a metadynamics: one process each, one after the other; a stopped one is taken up."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from egraff_lmp.data.arrays import load_npz
from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import require_writable, write_json, write_text
from egraff_lmp.locking import locked
from egraff_lmp.metadynamics.colvars import colvars_input
from egraff_lmp.metadynamics.driver import Driver
from egraff_lmp.metadynamics.files import ENDED, FAILED, JOB, segment_path
from egraff_lmp.metadynamics.record import (
    BROKEN,
    COMPLETE,
    NAME,
    Result,
    Run,
    compared_bins,
    read_result,
)
from egraff_lmp.metadynamics.settings import KCAL_EV, LIMIT_KCAL, Settings
from egraff_lmp.metadynamics.surface import mean_absolute_error, own_floor
from egraff_lmp.references.oracle import ORACLES
from egraff_lmp.rollout.datafile import Structure, data_text, type_order
from egraff_lmp.rollout.potential import check_name
from egraff_lmp.rollout.process import run_process
from egraff_lmp.runs.machine import hardware, versions
from egraff_lmp.score.arrays import Floats
from egraff_lmp.score.bonds import WatchedBonds, watched_bonds
from egraff_lmp.stopping import stoppable

BEGUN, LOG, TIMES = "begun.json", "log.txt", "seconds.txt"
DATA = "start.data"

# Told of (segments done, segments of all runs).
Progress = Callable[[int, int], None]


def run_metadynamics(
    frames: Frames,
    driver: Driver,
    settings: Settings,
    folder: Path,
    progress: Progress | None = None,
) -> Result:
    """Run what is missing, and read what was found; a finished folder is read alone.

    Args:
        frames: structures of one molecule without a cell; the runs start from evenly spaced ones,
            and bonds are watched by their mean lengths in all of them.
        driver: the potential.
        settings: what is asked for.
        folder: of the results; another potential or other settings are another folder.
        progress: told of the segments.

    Raises:
        EgraffError: a cell, atoms that the potential does not know, a folder of other settings, no
            COLVARS, or another error of the set-up.
        Stopped: a batch system's notice; the same call goes on from the last whole segment.
    """
    elements = _check(frames, driver)
    asked = {
        "settings": settings.to_dict(),
        "potential": driver.title,
        "sha256": driver.sha256,
        "structure": frames.source,
    }
    require_writable(folder)
    folder = folder.absolute()
    check_name(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        _begin(folder, asked)
        if (folder / NAME).is_file():
            return read_result(folder)
        bonds = watched_bonds(frames, "egraff")
        for number in range(settings.runs):
            job = _job(frames, driver, settings, elements, bonds, number)
            _one_run(_run_folder(folder, number), job, number, settings, progress)
        result = _collect(folder, settings, asked, len(frames))
        result.write(folder)
        return read_result(folder)


def _check(frames: Frames, driver: Driver) -> tuple[str, ...]:
    """Elements of the LAMMPS types."""
    if any(frames.pbc):
        raise EgraffError(
            f"{frames.source}: expected a molecule without a periodic cell, got one that is "
            "periodic: the torsions of one molecule in vacuum are what is sampled; take the cell "
            "away (pbc F F F)."
        )
    if driver.oracle:
        expected = ORACLES[driver.oracle].species
        if frames.species != expected:
            raise EgraffError(
                f"{frames.source}: expected the atoms of {driver.oracle} as `egraff data make` "
                f"writes them ({''.join(expected)}), got {''.join(frames.species)[:60]}: the force "
                "field goes by that order."
            )
    return type_order(frames.species, driver.species, frames.source)


def _begin(folder: Path, asked: dict[str, Any]) -> None:
    """Write what is asked for, or refuse a folder in which something else was."""
    path = folder / BEGUN
    if not path.is_file():
        if (folder / NAME).exists():
            raise EgraffError(f"{folder}: expected {BEGUN} beside {NAME}: choose another --out.")
        write_json(path, asked)
        return
    found = json.loads(path.read_text(encoding="utf-8"))
    flat = {**{k: v for k, v in asked.items() if k != "settings"}, **asked["settings"]}
    there = {**found, **found.get("settings", {})}
    for name, value in flat.items():
        if there.get(name) != value:
            raise EgraffError(
                f"{folder}: expected a metadynamics with {name} {json.dumps(value)[:80]}, got one "
                f"with {json.dumps(there.get(name))[:80]}: ask for the same again, or choose "
                "another --out."
            )


def _run_folder(folder: Path, number: int) -> Path:
    return folder / f"run-{number + 1}"


def _start(n_frames: int, runs: int, number: int) -> int:
    """Index of the frame that a run starts from: evenly spaced."""
    return number * n_frames // runs


def _job(
    frames: Frames,
    driver: Driver,
    settings: Settings,
    elements: tuple[str, ...],
    bonds: WatchedBonds,
    number: int,
) -> dict[str, Any]:
    structure = Structure.from_frames(frames, _start(len(frames), settings.runs, number))
    masses = driver.masses_amu or None
    segments = settings.segments
    return {
        "data": DATA,
        "data_text": data_text(structure, elements, masses_amu=masses),
        "commands": list(driver.commands(elements)),
        "oracle": driver.oracle,
        "colvars": colvars_input(settings),
        "bins": settings.bins,
        "hill_every": settings.hill_every,
        "segments": segments,
        "seeds": [settings.seed_of(number, segment) for segment in range(len(segments))],
        "temperature_kelvin": settings.temperature_kelvin,
        "timestep_fs": settings.timestep_fs,
        "friction_per_ps": settings.friction_per_ps,
        "bonds": bonds.pairs.tolist(),
        "bond_lengths_a": bonds.equilibrium.tolist(),
        "bond_names": list(bonds.names),
    }


def _one_run(
    folder: Path,
    job: dict[str, Any],
    number: int,
    settings: Settings,
    progress: Progress | None,
) -> None:
    """What is missing of one run, in a process that ends with this one."""
    n_segments = len(job["segments"])

    def tell() -> None:
        if progress is not None:
            done = sum(segment_path(folder, k).is_file() for k in range(n_segments))
            progress(number * n_segments + done, settings.runs * n_segments)

    tell()
    if segment_path(folder, n_segments - 1).is_file() or _ended(folder) is not None:
        return
    folder.mkdir(exist_ok=True)
    text = job.pop("data_text")
    write_text(folder / DATA, text)
    write_json(folder / JOB, job)
    command = [sys.executable, "-m", "egraff_lmp.metadynamics.worker", str(folder)]
    began = time.monotonic()
    try:
        with open(folder / LOG, "ab") as stream, stoppable():
            code = run_process(command, stream, os.environ, tell)
    finally:
        with open(folder / TIMES, "a", encoding="utf-8") as times:
            times.write(f"{time.monotonic() - began:.1f}\n")
    tell()
    ended = _ended(folder)
    if ended is not None and ended["kind"] == FAILED:
        (folder / ENDED).unlink()
        raise EgraffError(ended["reason"])
    if code != 0:
        raise EgraffError(
            f"expected run {number + 1} to end, got status {code} and no message (see "
            f"{folder / LOG}): repeat the same command to go on from its last whole segment."
        )


def _ended(folder: Path) -> dict[str, Any] | None:
    path = folder / ENDED
    if not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    return dict(found)


def _collect(folder: Path, settings: Settings, asked: dict[str, Any], n_frames: int) -> Result:
    """The surfaces of the complete runs, and what is known of each run."""
    n_segments = len(settings.segments)
    whole = [n for n in range(settings.runs) if _ended(_run_folder(folder, n)) is None]
    ends = [_segment(folder, n, n_segments - 1) for n in whole]
    halves = [_segment(folder, n, n_segments // 2 - 1) for n in whole]
    shape = (len(whole), settings.bins, settings.bins)
    full, half = (
        np.array([one["surface_ev"] / KCAL_EV for one in each]).reshape(shape)
        for each in (ends, halves)
    )
    found = Result(
        settings=settings,
        potential=asked["potential"],
        sha256=asked["sha256"],
        structure=asked["structure"],
        limit_kcal=LIMIT_KCAL,
        floor_kcal=None,
        runs=(),
        free_energy_kcal=full,
        half_time_kcal=half,
        visits=np.array([one["visits"] for one in ends]).reshape(shape),
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        versions=versions(("egraff_lmp", "lammps", "torch", "openmm", "numpy")),
        machine=hardware(),
    )
    frames = [_start(n_frames, settings.runs, n) for n in range(settings.runs)]
    runs = [_run(folder, settings, n, frame) for n, frame in enumerate(frames)]
    if not whole:
        return replace(found, runs=tuple(runs))
    chosen = compared_bins(found, LIMIT_KCAL)
    for index, number in enumerate(whole):
        runs[number] = replace(
            runs[number],
            bins_visited=int((found.visits[index] > 0).sum()),
            half_time_kcal=mean_absolute_error(half[index], full[index], chosen),
        )
    floor = own_floor(full, chosen, settings.thermal_kcal)
    return replace(found, runs=tuple(runs), floor_kcal=floor)


def _segment(folder: Path, run: int, number: int) -> dict[str, Floats]:
    return load_npz(segment_path(_run_folder(folder, run), number), ("surface_ev", "visits"))


def _run(folder: Path, settings: Settings, number: int, frame: int) -> Run:
    """A run without what its surface says."""
    own = _run_folder(folder, number)
    lines = (own / TIMES).read_text(encoding="utf-8").split()
    seconds = round(sum(map(float, lines)), 1)
    ended = _ended(own)
    if ended is not None:
        return Run(BROKEN, ended["reason"], ended["time_fs"] / 1000, frame, 0, None, seconds)
    time_ps = settings.steps * settings.timestep_fs / 1000
    return Run(COMPLETE, "", time_ps, frame, 0, None, seconds)
