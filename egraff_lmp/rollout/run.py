"""Running a rollout: start, follow, go on, and say how it ended."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from egraff_lmp.data import Frames, read_frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import write_text
from egraff_lmp.locking import locked
from egraff_lmp.rollout.config import RolloutConfig
from egraff_lmp.rollout.launch import Exit, launch, setup_error
from egraff_lmp.rollout.plan import Plan, make_plan
from egraff_lmp.rollout.restart import (
    RESUMED,
    STOP,
    THERMO,
    TRAJECTORY,
    cut_outputs,
    last_step,
    tidy_thermo,
)
from egraff_lmp.runs.machine import hardware, versions
from egraff_lmp.runs.record import RECORD, Record, Segment
from egraff_lmp.stopping import Stopped

logger = logging.getLogger(__name__)

# Called with (steps done, steps in all).
Progress = Callable[[int, int], None]

LOCK_SECONDS = 3.0  # a run that was killed a moment ago may still be dying
RECORD_SECONDS = 5.0  # how often a running rollout brings its record up to date


@dataclass(frozen=True)
class RolloutResult:
    """How a rollout ended.

    Attributes:
        status: "finished", or "failed" where the simulation broke down.
        reason: why it failed, else "".
        out_dir: its folder.
        n_steps: steps done.
        wall_seconds: time that LAMMPS ran, over all starts.
        starts: how often LAMMPS was started.
    """

    status: str
    reason: str
    out_dir: Path
    n_steps: int
    wall_seconds: float
    starts: int

    @property
    def trajectory(self) -> Path:
        """The dump, with id type element xu yu zu fx fy fz."""
        return self.out_dir / TRAJECTORY

    @property
    def thermo(self) -> Path:
        """Step, time, temperature, energies, pressure and volume as CSV."""
        return self.out_dir / THERMO

    @property
    def record(self) -> Path:
        """The record of inputs, versions and starts."""
        return self.out_dir / RECORD

    def frames(self) -> Frames:
        """The trajectory, read back."""
        return read_frames(self.trajectory)


def run_rollout(config: RolloutConfig, progress: Progress | None = None) -> RolloutResult:
    """Run a rollout through its launcher, or go on with it, to its end.

    A finished rollout, and one whose simulation broke down, returns at once.

    Args:
        config: the settings.
        progress: told of the steps done, several times a second at most.

    Raises:
        EgraffError: wrong settings, a set-up that LAMMPS refuses, a launcher that does not start.
        Stopped: a signal or `wall_minutes` ended it; LAMMPS has written a restart if it could.
    """
    plan = make_plan(config)
    if plan.is_complete:
        return result_of(plan)
    plan.out_dir.mkdir(parents=True, exist_ok=True)
    with locked(plan.out_dir, LOCK_SECONDS) as lock:
        plan = begin(make_plan(config))
        follower = Follower(plan, progress)
        try:
            end = launch(plan.command, plan.log, follower.look, lock, plan.out_dir / STOP)
        except BaseException as stop:
            tidy_thermo(plan.out_dir)
            follower.close("stopped", str(stop) or "interrupted")
            raise
        return conclude(plan, follower, end)


def begin(plan: Plan) -> Plan:
    """Write the inputs, cut the outputs back to the restart, and open the record."""
    if plan.warning:
        logger.warning("egraff: warning: %s", plan.warning)
    write_text(plan.deck, plan.deck_text)
    write_text(plan.data, plan.data_text)
    (plan.out_dir / STOP).unlink(missing_ok=True)  # it was meant for an earlier start
    if plan.restart is not None:
        resumed = plan.out_dir / RESUMED
        os.replace(plan.restart.path, resumed)
        cut_outputs(plan.out_dir, plan.restart.step)
        plan = replace(plan, restart=replace(plan.restart, path=resumed))
    return plan


class Follower:
    """Follows a running rollout through its thermo.csv, and keeps its record up to date."""

    def __init__(
        self, plan: Plan, progress: Progress | None, command: tuple[str, ...] | None = None
    ) -> None:
        config = plan.config
        segment = Segment(
            first_step=plan.first_step,
            last_step=plan.first_step,
            ranks=config.ranks,
            threads=str(config.threads),
            device=config.device,
            wall_seconds=0.0,
            started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            log=plan.log.name,
            command=tuple(plan.command) if command is None else command,
        )
        earlier = plan.record or Record(
            "running", "", config.n_steps, plan.identity, plan.inputs, versions(), hardware()
        )
        self.record = replace(
            earlier,
            status="running",
            reason="",
            n_steps=config.n_steps,
            segments=(*earlier.segments, segment),
        )
        self._folder = plan.out_dir
        self._progress = progress
        self._began = self._written = time.monotonic()
        self.record.write(self._folder)

    def look(self) -> None:
        """Report the progress, and now and then write the record."""
        now = time.monotonic()
        step = last_step(self._folder / THERMO)
        self.record = self.record.looked_at(step, now - self._began)
        if now - self._written > RECORD_SECONDS:
            self.record.write(self._folder)
            self._written = now
        if self._progress is not None and step is not None:
            self._progress(step, self.record.n_steps)

    def close(self, status: str, reason: str) -> Record:
        """Write the record for the last time."""
        self.look()
        self.record = replace(self.record, status=status, reason=reason)
        self.record.write(self._folder)
        return self.record


def conclude(plan: Plan, follower: Follower, end: Exit) -> RolloutResult:
    """Turn the end of LAMMPS into a result, or into the user's error."""
    tidy_thermo(plan.out_dir)
    if end.stopped:
        follower.close("stopped", end.stopped)
        raise Stopped(end.stopped)
    if end.code == 0 and not end.error:
        (plan.out_dir / RESUMED).unlink(missing_ok=True)
        record = follower.close("finished", "")
    elif end.physical_reason:
        record = follower.close("failed", end.physical_reason)
    else:
        error = setup_error(end)
        follower.close("stopped", str(error))
        raise error
    return result_of(replace(plan, record=record))


def result_of(plan: Plan) -> RolloutResult:
    """The result of a rollout that has ended."""
    record = plan.record
    if record is None:
        raise EgraffError(f"{plan.out_dir}: expected a rollout, there is none.")
    if record.status not in ("finished", "failed"):
        # Killed between LAMMPS' last restart and the last word of its record.
        tidy_thermo(plan.out_dir)
        record = replace(record, status="finished", reason="")
        record.write(plan.out_dir)
    return RolloutResult(
        status=record.status,
        reason=record.reason,
        out_dir=plan.out_dir,
        n_steps=record.n_steps if record.status == "finished" else record.last_step,
        wall_seconds=record.wall_seconds,
        starts=len(record.segments),
    )
