"""A rollout as scoring takes it: its frames, and what its folder tells besides.

Temperatures come from `thermo.csv` beside a dump, else from the log, else from dumped velocities;
the end from the dump itself (atoms that are missing), the log, and the `rollout.json` of
`egraff run`; the cost from the logs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.data.lammps_dump import DumpedRun, read_dumped_run
from egraff_lmp.data.lammps_log import LammpsLog, read_lammps_log
from egraff_lmp.data.lammps_scan import is_lammps_dump
from egraff_lmp.data.lammps_thermo import THERMO_NAME, at_steps, read_thermo
from egraff_lmp.errors import EgraffError
from egraff_lmp.runs.machine import machine_words
from egraff_lmp.runs.messages import physical_reason
from egraff_lmp.runs.record import read_record
from egraff_lmp.score.cost import Cost
from egraff_lmp.score.stability import Violation, lost_atoms
from egraff_lmp.score.temperature import kinetic_temperature

LOGS = ("log.*.lammps", "log.lammps")
NOT_STATED = "not stated"


@dataclass(frozen=True)
class Rollout:
    """One rollout.

    Attributes:
        frames: its whole frames.
        temperature_kelvin: (T,) kinetic temperature of the frames, or None where it is not told.
        end: why it ended before its time (lost atoms, what LAMMPS stopped at), or None.
        cost: what it cost, or None where no log tells.
    """

    frames: Frames
    temperature_kelvin: NDArray[np.float64] | None = None
    end: Violation | None = None
    cost: Cost | None = None


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
        from egraff_lmp.data.table import read_source

        frames = read_source(str(source))
        return Rollout(frames if timestep_fs is None else replace(frames, timestep_fs=timestep_fs))
    found = list(logs) or [log for name in LOGS for log in sorted(path.parent.glob(name))]
    log = read_lammps_log(*found) if found else None
    run = read_dumped_run(path, timestep_fs)
    if run.timestep_fs is None and log is not None and log.timestep_fs is not None:
        run = read_dumped_run(path, log.timestep_fs)
    return Rollout(
        frames=run.frames,
        temperature_kelvin=_temperature(path.parent / THERMO_NAME, run, log),
        end=_end(path.parent, run, log),
        cost=None if log is None else _cost(path.parent, run, log),
    )


def _temperature(thermo: Path, run: DumpedRun, log: LammpsLog | None) -> NDArray[np.float64] | None:
    found = read_thermo(thermo).temperature_at(run.steps) if thermo.is_file() else None
    if found is None and log is not None:
        found = at_steps(run.steps, log.step, log.temperature_kelvin)
    if found is None and run.velocities is not None:
        found = kinetic_temperature(run.velocities, run.frames.species)
    return found


def _end(folder: Path, run: DumpedRun, log: LammpsLog | None) -> Violation | None:
    """Why the run ended early; where that lies between frames, it is the last frame's."""
    last = len(run.frames) - 1
    if run.lost is not None:
        expected, left, step = run.lost
        numbers = np.full(last + 2, expected)
        numbers[-1] = left
        found = lost_atoms(numbers, expected)
        return None if found is None else replace(found, reason=f"{found.reason} at step {step}")
    if log is not None and log.lost is not None:
        return Violation(last, f"{log.lost[1]} of {log.lost[0]} atoms left, says the log")
    if log is not None and (reason := physical_reason(log.error)):
        return Violation(last, reason)
    try:
        record = read_record(folder)
    except EgraffError:  # a damaged record says nothing of the frames, which were read
        return None
    if record is not None and record.status == "failed":
        return Violation(last, record.reason)
    return None


def _cost(folder: Path, run: DumpedRun, log: LammpsLog) -> Cost | None:
    if not (log.n_steps and log.seconds > 0 and log.n_atoms and log.ranks):
        return None
    try:
        record = read_record(folder)
    except EgraffError:
        record = None
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
