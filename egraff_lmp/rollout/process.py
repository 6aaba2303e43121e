"""A program that ends with its parent: started, followed, asked to stop, and then made to.

Ranks that go on writing after their parent is gone are what a second start must never meet: the
program leads a process group of its own, which is ended as a whole, and the kernel tells it when
the parent dies without a chance to.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from egraff_lmp.errors import EgraffError

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.2
# What a run has to finish its last steps and write its restart; Slurm kills 30 s after its notice.
GRACE_SECONDS = 20.0
# Ctrl-C is a person's, who can press it again: ten steps of a large system may take minutes.
INTERRUPT_SECONDS = 600.0
TELL_SECONDS = 2.0
_PR_SET_PDEATHSIG = 1


def run_process(
    command: Sequence[str],
    stream: IO[bytes],
    environment: Mapping[str, str],
    poll: Callable[[], None] | None = None,
    keep_open: int = -1,
    stop_file: Path | None = None,
) -> int:
    """Run a command to its end; its exit status. An exception on the way ends it first.

    Args:
        command: program and arguments.
        stream: takes its standard output and error.
        environment: its environment.
        poll: called several times a second.
        keep_open: a file descriptor that it inherits, or -1.
        stop_file: a file whose existence asks the program for a clean end; None: there is no way
            to ask.

    Raises:
        EgraffError: the program cannot be started.
    """
    try:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            pass_fds=() if keep_open < 0 else (keep_open,),
            start_new_session=True,
            preexec_fn=_end_with_parent(),
        )
    except OSError as error:
        raise EgraffError(
            f"expected to start {command[0]}, got: {error.strerror}: check `launcher`."
        ) from None
    try:
        while True:
            try:
                return process.wait(POLL_SECONDS)
            except subprocess.TimeoutExpired:
                if poll is not None:
                    poll()
    except BaseException as stop:
        _stop(process, stop_file, isinstance(stop, KeyboardInterrupt))
        raise
    finally:
        # What is left of the group when its leader has ended is left behind.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _end_with_parent() -> Callable[[], None] | None:
    """What a child does first: ask the kernel for SIGTERM at its parent's death (Linux)."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # found here: a child that was forked may not load libraries

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)

    return ask


def _stop(process: subprocess.Popen[bytes], stop_file: Path | None, interrupted: bool) -> None:
    """End a program and its group: by asking, by SIGTERM, by SIGKILL; a second signal hurries."""
    try:
        if stop_file is not None and _ends_when_asked(process, stop_file, interrupted):
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        _ends_within(process, 5.0)
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        _ends_within(process, 5.0)


def _ends_when_asked(process: subprocess.Popen[bytes], stop_file: Path, interrupted: bool) -> bool:
    with suppress(OSError):
        stop_file.touch()
        if not interrupted:
            return _ends_within(process, GRACE_SECONDS)
        if _ends_within(process, TELL_SECONDS):
            return True
        logger.warning(
            "egraff: waiting for the end of these steps and the restart file; Ctrl-C again ends it "
            "at once, without."
        )
        return _ends_within(process, INTERRUPT_SECONDS)
    return False


def _ends_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
        return True
    return False
