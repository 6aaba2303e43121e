"""A rollout inside an MPI program: LAMMPS as a library, on a communicator that is given."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import egraff_lmp
from egraff_lmp.errors import EgraffError
from egraff_lmp.locking import locked
from egraff_lmp.rollout.config import RolloutConfig
from egraff_lmp.rollout.deck import variable_arguments
from egraff_lmp.rollout.launch import Exit, environment
from egraff_lmp.rollout.plan import Plan, make_plan
from egraff_lmp.rollout.process import POLL_SECONDS
from egraff_lmp.rollout.run import (
    LOCK_SECONDS,
    Follower,
    Progress,
    RolloutResult,
    begin,
    conclude,
    result_of,
)
from egraff_lmp.runs.messages import clean_message
from egraff_lmp.runs.record import read_record
from egraff_lmp.stopping import Stopped

if TYPE_CHECKING:
    from mpi4py import MPI


def run_in_process(
    config: RolloutConfig, comm: MPI.Intracomm, progress: Progress | None = None
) -> RolloutResult:
    """Run a rollout on the ranks of `comm`, with the same deck and the same results as a launch.

    Collective: every rank of `comm` calls it with the same settings, and gets the same result or
    the same error. `ranks` and `launcher` of the settings are not used. LAMMPS' errors that
    happen on one rank only (non-finite coordinates) end an MPI program of several ranks, after
    the record is written.

    Args:
        config: the settings.
        comm: an mpi4py communicator.
        progress: told of the steps done, on rank 0.

    Raises:
        EgraffError, Stopped: as in `run_rollout`.
    """
    egraff_lmp.activate()
    with ExitStack() as stack:
        plan, done = _prepare(config, comm, stack)
        if done is not None:
            return done
        os.environ["LAMMPS_POTENTIALS"] = environment()["LAMMPS_POTENTIALS"]
        follower = None
        if comm.rank == 0:
            follower = Follower(plan, progress, ("in process",))
        with _polling(follower):
            end = _execute(plan, comm)
        return _agree(comm, lambda: conclude(plan, follower, end) if follower else None)


def _prepare(
    config: RolloutConfig, comm: MPI.Intracomm, stack: ExitStack
) -> tuple[Plan, RolloutResult | None]:
    config = config.model_copy(update={"ranks": comm.size})

    def prepare() -> tuple[Plan, RolloutResult | None]:
        plan = make_plan(config)
        if plan.is_complete:
            return plan, result_of(plan)
        plan.out_dir.mkdir(parents=True, exist_ok=True)
        stack.enter_context(locked(plan.out_dir, LOCK_SECONDS))
        return begin(make_plan(config)), None

    return _agree(comm, prepare)


def _agree(comm: MPI.Intracomm, work: Callable[[], Any]) -> Any:
    """Do `work` on rank 0; its value, or its error, on every rank."""
    value: Any = None
    error: BaseException | None = None
    if comm.rank == 0:
        try:
            value = work()
        except (Exception, Stopped) as raised:  # the other ranks must not wait for ever
            error = raised
    told = None if error is None else (isinstance(error, Stopped), str(error))
    value, told = comm.bcast((value, told))
    if error is not None:
        raise error
    if told is not None:
        raise (Stopped if told[0] else EgraffError)(told[1])
    return value


def _execute(plan: Plan, comm: MPI.Intracomm) -> Exit:
    """Run the deck in a LAMMPS of this process. Its log takes the place of the screen."""
    import lammps
    from lammps.core import MPIAbortException

    arguments = ["-log", str(plan.log), "-screen", "none", "-echo", "log"]
    # The deck's own `quit` would end this program.
    arguments += variable_arguments({**plan.run_variables, "on_stop": "print stopped"})
    message = ""
    engine = None
    try:
        engine = lammps.lammps(comm=comm, cmdargs=arguments)
        engine.file(str(plan.deck))
    except MPIAbortException as error:
        message = clean_message(str(error))
        if comm.size > 1:
            _abort(plan, comm, message)
    except Exception as error:
        # The library raises plain Exception with LAMMPS' message, on all ranks.
        message = clean_message(str(error)) or type(error).__name__
    finally:
        if engine is not None:
            engine.close()
    return Exit(1 if message else 0, message, plan.log)


def _abort(plan: Plan, comm: MPI.Intracomm, message: str) -> None:
    """Record an error that only this rank met, and end the program: the others wait in LAMMPS."""
    end = Exit(1, message, plan.log)
    record = read_record(plan.out_dir)
    if record is not None:
        status = "failed" if end.physical_reason else "stopped"
        reason = end.physical_reason or message
        replace(record, status=status, reason=reason).write(plan.out_dir)
    comm.Abort(1)


@contextmanager
def _polling(follower: Follower | None) -> Iterator[None]:
    """Look at the outputs from a thread, because LAMMPS holds this one until its end."""
    if follower is None:
        yield
        return
    done = threading.Event()

    def poll() -> None:
        while not done.wait(POLL_SECONDS):
            follower.look()

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
