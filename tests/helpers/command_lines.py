"""Command lines of `egraff` as pages show them: whether commands and options exist."""

from __future__ import annotations

import re
import shlex


def commands_of(block: str) -> list[str]:
    """The commands of a block, lines that go on with a backslash joined."""
    return [line for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def arguments_of(line: str) -> list[str]:
    """The words behind `egraff`, up to what belongs to the shell."""
    words = shlex.split(line, comments=True)[1:]
    ends = [k for k, word in enumerate(words) if re.fullmatch(r"[&|;]+|\d?>+(&\d)?", word)]
    return words[: ends[0]] if ends else words


def complaint(line: str) -> str:
    """What `egraff` says of the words of a command line; "" if it would begin to work."""
    import typer

    from egraff_lmp.cli import build_app

    command = typer.main.get_command(build_app())
    arguments, context, name = arguments_of(line), None, "egraff"
    try:
        while True:
            context = command.make_context(name, list(arguments), parent=context)
            if not hasattr(command, "resolve_command"):
                return ""
            rest = [*context._protected_args, *context.args]
            name, command, arguments = command.resolve_command(context, rest)
    except typer.Exit as end:  # with 0 of --help and --version
        return "" if end.exit_code == 0 else "refused, as it says on the error stream"
    except Exception as error:
        return str(error) or type(error).__name__
