"""One name for one thing: what options are called, and the names that they had or have elsewhere.

A command takes an older name, or the name of the key in a config, as the option that it means, and
says so in one line. The help shows one name for each thing.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

from egraff_lmp.cli.console import errors

# An option that a command has no longer, or never had, to the one that it has in its place. A
# command that has both (--frame and --structure of `egraff init`) keeps both.
CALLED = {
    "--output": "--out",
    "--out-dir": "--out",
    "--to": "--out",
    "--overwrite": "--force",
    "--temperature-kelvin": "--temperature",
    "--n-steps": "--steps",
    "--epochs": "--max-epochs",
    "--cutoff": "--r-max",
    "--frame": "--structure",
}


class Command(TyperCommand):
    """A command that understands the names of `CALLED`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Arguments with today's names, and a line on stderr for each name that was another."""
        known = {name for one in self.params for name in one.opts}
        return super().parse_args(ctx, renamed(args, known))


def renamed(words: list[str], known: set[str]) -> list[str]:
    """The words of a command line with today's names of options.

    Args:
        words: behind the name of the command; those behind `--` are no options.
        known: the options that the command has.
    """
    found = list(words)
    for place, word in enumerate(words):
        if word == "--":
            break
        name, equals, value = word.partition("=")
        now = CALLED.get(name)
        if now is not None and name not in known and now in known:
            found[place] = f"{now}{equals}{value}"
            errors.print(
                f"egraff: {name} is called {now} here.", style="yellow", highlight=False,
                markup=False, soft_wrap=True,
            )  # fmt: skip
    return found
