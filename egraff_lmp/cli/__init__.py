"""The console script `egraff`: one file per command, registered in the table below.

A command file defines `command`, a typed function with a docstring, or is a folder with an `app` of
such files; it parses, calls the library, and prints with `cli.console`. What only the command needs
is imported inside the function, so that `egraff --help` is instant.
"""

from __future__ import annotations

import errno
import importlib
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from egraff_lmp import __version__
from egraff_lmp.cli.console import errors, output
from egraff_lmp.cli.names import Command
from egraff_lmp.errors import EgraffError
from egraff_lmp.stopping import STOPPED, Stopped, stoppable

COMMANDS = (
    "doctor",
    "data",
    "inspect",
    "train",
    "deploy",
    "eval",
    "deviation",
    "compare",
    "verify",
    "relax",
    "eos",
    "elastic",
    "phonons",
    "neb",
    "metadynamics",
    "init",
    "run",
    "score",
    "bench",
    "physics",
    "report",
    "config",
)
# What a user can mend: no permission, a full or read-only disk, a folder where a file should be.
_OF_THE_DISK = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ENOENT,
    errno.ENAMETOOLONG,
}
# Commands that are also reached as if they were part of another: `egraff bench physics`.
_BELOW = {("bench", "physics")}
INTERRUPTED = 130  # the exit status of a program that Ctrl-C ended: 128 + SIGINT


class _Commands(TyperGroup):
    """The commands, some of them under two names."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that the first words name."""
        return super().resolve_command(ctx, args[1:] if tuple(args[:2]) in _BELOW else args)


def _version(wanted: bool) -> None:
    if wanted:
        output.print(f"egraff {__version__}", highlight=False)
        raise typer.Exit


def build_app() -> typer.Typer:
    """The typer application with every command of the table."""
    app = typer.Typer(
        name="egraff",
        cls=_Commands,
        help="Equivariant graph-neural-network force fields in LAMMPS.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_options)
    for name in COMMANDS:
        module = importlib.import_module(f"egraff_lmp.cli.{name}")
        if hasattr(module, "app"):  # a command with commands of its own
            app.add_typer(module.app, name=name)
        else:
            app.command(name, cls=getattr(module, "Command", Command))(module.command)
    return app


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """Equivariant graph-neural-network force fields in LAMMPS."""


def main() -> None:
    """Entry point: a user's mistake is one clear paragraph and exit status 1.

    What a batch system's notice (SIGTERM, SIGUSR1, SIGUSR2) or a limit of wall time ended exits
    with status 75, what Ctrl-C ended with 130; the same command then goes on.
    """
    try:
        with stoppable():
            build_app()()
    except Stopped as stop:
        errors.print(
            f"egraff: {stop.reason or 'stopped'}; repeat the same command to go on.",
            style="yellow", highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
        sys.exit(STOPPED)
    except EgraffError as error:
        errors.print(f"egraff: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        sys.exit(1)
    except OSError as error:
        if error.errno not in _OF_THE_DISK:
            raise
        errors.print(
            f"egraff: {error.filename or 'a file'}: expected to read or write it, got "
            f"\"{error.strerror}\": make room or change permissions, or choose another folder.",
            style="red", highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
        sys.exit(1)
    except (KeyboardInterrupt, SystemExit) as stop:
        # typer turns Ctrl-C within a command into SystemExit(130)
        if isinstance(stop, SystemExit) and stop.code != INTERRUPTED:
            raise
        errors.print("egraff: interrupted; repeat the same command to go on.", style="yellow")
        sys.exit(INTERRUPTED)
