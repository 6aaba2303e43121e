"""A rollout as scoring takes it: its frames, and what its folder tells besides.

Temperatures come from `thermo.csv` beside a dump, else from the log, else from dumped velocities;
the end from the dump itself (atoms that are missing), the log, and the `rollout.json` of
`egraff run`, which also tells how long it was to last; the cost from the logs.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase.units import fs, kB

from egraff_lmp.data.frames import Frames
from egraff_lmp.data.lammps_dump import DumpedRun, read_dumped_run
from egraff_lmp.data.lammps_log import LammpsLog, read_lammps_log
from egraff_lmp.data.lammps_scan import is_lammps_dump
from egraff_lmp.data.lammps_thermo import THERMO_NAME, Thermo, at_steps, read_thermo
from egraff_lmp.data.table import read_source
from egraff_lmp.errors import EgraffError
from egraff_lmp.runs.machine import machine_words
from egraff_lmp.runs.messages import physical_reason
from egraff_lmp.runs.record import Record, read_record
from egraff_lmp.score.arrays import Floats
from egraff_lmp.score.cost import Cost
from egraff_lmp.score.records import Fact, RunEnd
from egraff_lmp.score.unwrap import masses_of

LOGS = ("log.*.lammps", "log.lammps")
NOT_STATED = "not stated"
PS_IN_FS = 1000.0  # velocities of metal units are in A/ps


@dataclass(frozen=True)
class Rollout:
    """One rollout.

    Attributes:
        frames: its whole frames.
        temperature_kelvin: (T,) kinetic temperature of the frames, or None where it is not told.
        end: what ended it before its time (lost atoms, what LAMMPS stopped at), or None.
        cost: what it cost, or None where no log tells.
        lasted_fs: time of the steps done, or None where it is not known.
        asked_fs: time of the steps asked for, or None where it is not known.
        velocities: (T, N, 3) in A/fs as dumped, in LAMMPS' orientation of the cell, or None.
        thermo: the rows of its `thermo.csv`, or None.
        ensemble: "nve", "nvt" or "npt" as its record has it, "" where nothing tells it.
    """

    frames: Frames
    temperature_kelvin: Floats | None = None
    end: RunEnd | None = None
    cost: Cost | None = None
    lasted_fs: float | None = None
    asked_fs: float | None = None
    velocities: Floats | None = None
    thermo: Thermo | None = None
    ensemble: str = ""

    def __post_init__(self) -> None:
        kelvin, frames = self.temperature_kelvin, len(self.frames)
        if kelvin is not None and len(kelvin) != frames:
            raise EgraffError(
                f"{self.frames.source}: expected a temperature for each of {frames} frames, got "
                f"{len(kelvin)}: take them at the steps of the frames."
            )


def read_rollout(
    source: str | Path, timestep_fs: float | None = None, logs: Sequence[str | Path] = ()
) -> Rollout:
    """Read a rollout and what lies beside it.

    Args:
        source: a LAMMPS dump, or anything else that `egraff data` reads (frames alone).
        timestep_fs: MD time step of a dump whose folder does not tell it.
        logs: LAMMPS logs of the run, the first start first; () takes those beside the dump.

    Raises:
        EgraffError: no such file, or damaged in another way than by lost atoms.
    """
    path = Path(source).expanduser()
    if not is_lammps_dump(path):
        frames = read_source(str(source))
        return Rollout(frames if timestep_fs is None else replace(frames, timestep_fs=timestep_fs))
    found = list(logs) or [log for name in LOGS for log in sorted(path.parent.glob(name))]
    log = read_lammps_log(*found) if found else None
    run = read_dumped_run(path, timestep_fs)
    if run.timestep_fs is None and log is not None and log.timestep_fs is not None:
        run = run.with_timestep(log.timestep_fs)
    record = None
    with suppress(EgraffError):  # a damaged record says nothing of the frames, which were read
        record = read_record(path.parent)
    lasted, asked = _times_fs(run, record)
    thermo = path.parent / THERMO_NAME
    rows = read_thermo(thermo) if thermo.is_file() else None
    return Rollout(
        frames=run.frames,
        temperature_kelvin=_temperature(rows, run, log),
        end=_end(run, log, record),
        cost=None if log is None else _cost(run, log, record),
        lasted_fs=lasted,
        asked_fs=asked,
        velocities=None if run.velocities is None else run.velocities / PS_IN_FS,
        thermo=rows,
        ensemble="" if record is None else record.identity.get("ensemble", ""),
    )


def _temperature(thermo: Thermo | None, run: DumpedRun, log: LammpsLog | None) -> Floats | None:
    found = None if thermo is None else thermo.temperature_at(run.steps)
    if found is None and log is not None:
        found = at_steps(run.steps, log.step, log.temperature_kelvin)
    if found is None and run.velocities is not None:
        found = kinetic_temperature(run.velocities, run.frames.species)
    return found


def kinetic_temperature(velocities: Floats, species: tuple[str, ...]) -> Floats:
    """T(t) = sum_i m_i |v_i(t)|^2 / ((3 N - 3) k_B) in K, (T,), as LAMMPS' `compute temp` has it.

    Three degrees of freedom belong to the centre of mass, whose motion counts in the sum
    nevertheless. Velocities are (T, N, 3) in A/ps (metal units).
    """
    moving = velocities / (1000 * fs)  # A/ps in ASE's unit of velocity
    twice_kinetic = np.einsum("n,tni,tni->t", masses_of(species), moving, moving)
    return np.asarray(twice_kinetic / (max(3 * len(species) - 3, 1) * kB))


def _end(run: DumpedRun, log: LammpsLog | None, record: Record | None) -> RunEnd | None:
    """Why the run ended early; where that lies between frames, it is the last frame's."""
    last = len(run.frames) - 1
    if run.lost is not None:
        of, left, step = run.lost
        return RunEnd(last + 1, Fact("lost-atoms", {"left": left, "of": of, "step": step}))
    if log is not None and log.lost is not None:
        of, left = log.lost
        return RunEnd(last, Fact("lost-atoms", {"left": left, "of": of}))
    if log is not None and (reason := physical_reason(log.error)):
        return RunEnd(last, Fact("lammps", {"message": reason}))
    if record is not None and record.status == "failed":
        return RunEnd(last, Fact("lammps", {"message": record.reason}))
    return None


def _times_fs(run: DumpedRun, record: Record | None) -> tuple[float | None, float | None]:
    """Times of the steps done and of those asked for; None where a run is not over."""
    if record is None or run.timestep_fs is None or record.status not in ("finished", "failed"):
        return None, None
    done = record.n_steps if record.status == "finished" else record.last_step
    return done * run.timestep_fs, record.n_steps * run.timestep_fs


def _cost(run: DumpedRun, log: LammpsLog, record: Record | None) -> Cost | None:
    if not (log.n_steps and log.seconds > 0 and log.n_atoms and log.ranks):
        return None
    if record is None:
        hardware = ", ".join(filter(None, (NOT_STATED, log.device)))
    else:
        hardware = machine_words(log.device, record.hardware)
    return Cost(
        n_steps=log.n_steps,
        n_atoms=log.n_atoms,
        wall_seconds=log.seconds,
        timestep_fs=run.timestep_fs,
        hardware=hardware,
        ranks=log.ranks,
        threads=max(1, log.threads),
        precision=log.precision or NOT_STATED,
    )
