"""Ending cleanly when a batch system or a user says so, with one exit status for all commands."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn the notices into `Stopped` within the block (in the main thread; else do nothing).

    A signal that the caller has a handler for is left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(f"stopped by {signal.Signals(number).name}")

    ours = [number for number in NOTICES if signal.getsignal(number) == signal.SIG_DFL]
    for number in ours:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
