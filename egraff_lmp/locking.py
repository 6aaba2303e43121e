"""One writer to a folder or file at a time, and who it is.

The lock is flock's: it ends with the last process that holds it, however that one ends, and
programs that are started with its descriptor hold it too. On a file system without locks there is
none. This is why it is not the package filelock's: that one unlocks when its block ends, for the
programs that inherited the descriptor as well, so that a second start would meet ranks that were
left behind; and where files cannot be locked it fails or leaves a marker, and this one hinders
nobody.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

from egraff_lmp.errors import EgraffError

LOCK = ".lock"
_PAUSE_SECONDS = 0.1


@contextmanager
def locked(folder: Path, wait_seconds: float = 0.0) -> Iterator[int]:
    """Hold `folder` for this process and those that inherit the descriptor it yields.

    Args:
        folder: an existing folder.
        wait_seconds: how long to wait for another holder; infinite is allowed.

    Raises:
        EgraffError: another run holds it; the message names its processes.
    """
    refusal = f"{folder}: another run is writing into it"
    with locked_file(folder / LOCK, refusal, wait_seconds) as descriptor:
        holder = {"host": socket.gethostname(), "process": os.getpid(), "since": _now()}
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, (json.dumps(holder) + "\n").encode(), 0)
        yield descriptor


@contextmanager
def locked_file(path: Path, refusal: str, wait_seconds: float = 0.0) -> Iterator[int]:
    """Hold a file, which is made if there is none, as `locked` holds a folder.

    Args:
        path: the file; its content is left alone.
        refusal: the message where another process holds it, up to who that is.
        wait_seconds: how long to wait for another holder; infinite is allowed.

    Raises:
        EgraffError: another process holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        deadline = time.monotonic() + wait_seconds
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise EgraffError(f"{refusal}: {_held_by(path)}.")
            time.sleep(_PAUSE_SECONDS)
        yield descriptor
    finally:
        # Closed and not unlocked: programs that inherited the descriptor go on holding the lock.
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    """Take the lock of an open file, without waiting; True where files cannot be locked."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _held_by(path: Path) -> str:
    """Who holds the lock file `path` and what to do about it, as the end of a sentence."""
    found = _holders(path)
    if found:
        names = ", ".join(f"{name} ({pid})" for pid, name in found.items())
        word = "processes" if len(found) > 1 else "process"
        kill = " ".join(map(str, found))
        return (
            f"{word} {names} on {socket.gethostname()}: wait for the end, or stop it with "
            f"`kill {kill}`"
        )
    with suppress(OSError, ValueError, KeyError, TypeError):
        holder = json.loads(path.read_text(encoding="utf-8"))
        return (
            f"process {holder['process']} on {holder['host']} began at {holder['since']}: wait "
            "for its end, or stop it there"
        )
    return "wait for its end, or stop it"


def _holders(path: Path) -> dict[int, str]:
    """Other processes of this machine that hold the lock, with their names, as far as can be seen.

    Linux lists under /proc/PID/fdinfo the locks of each descriptor, inherited ones included.
    """
    try:
        wanted = os.stat(path)
    except OSError:
        return {}
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int(entry.name) != os.getpid() and any(
                _holds(entry, descriptor.name, wanted) for descriptor in (entry / "fd").iterdir()
            ):
                found[int(entry.name)] = (entry / "comm").read_text().strip()
    return dict(sorted(found.items()))


def _holds(process: Path, descriptor: str, wanted: os.stat_result) -> bool:
    with suppress(OSError):
        if os.path.samestat(os.stat(process / "fd" / descriptor), wanted):
            return "FLOCK" in (process / "fdinfo" / descriptor).read_text()
    return False


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
