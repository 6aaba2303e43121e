"""The directive `egraff-command NAME`: usage, arguments and options, from the command itself."""

from __future__ import annotations

import re
from typing import Any

import typer
from sphinx.application import Sphinx

from egraff_lmp.cli import build_app
from pages.markdown import markdown_directive, plain

# What typer calls kinds of values, from one of its releases to the next.
_KINDS = {"str": "TEXT", "path": "PATH", "int": "N", "integer": "N", "float": "X"}


def commands() -> dict[str, Any]:
    """Every command by its name, those of `egraff data` as `data list` and so on."""
    found: dict[str, Any] = {}
    for name, command in typer.main.get_command(build_app()).commands.items():  # type: ignore[attr-defined]
        below = {f"{name} {key}": one for key, one in getattr(command, "commands", {}).items()}
        behind = getattr(command, "others", {})  # those of `egraff init`
        found |= below or {name: command} | {f"{name} {key}": one for key, one in behind.items()}
    return found


def described(name: str) -> str:
    """Markdown of one command."""
    command = commands()[name]
    context = command.make_context(f"egraff {name}", [], resilient_parsing=True)
    pieces = " ".join(piece.strip("{}").replace("}", "") for piece in _usage(command, context))
    lines = ["```text", f"egraff {name} {pieces}", "```", "", plain(command.help), ""]
    for title, kind in (("Arguments", "argument"), ("Options", "option")):
        records = [
            one.get_help_record(context)
            for one in command.get_params(context)
            if one.param_type_name == kind and one.name != "help"
        ]
        if records:
            lines += [f"**{title}**", "", *(_entry(*record) for record in records if record)]
    return "\n".join(lines)


def _usage(command: Any, context: Any) -> list[str]:
    return [str(piece).upper() for piece in command.collect_usage_pieces(context)]


def _entry(name: str, text: str) -> str:
    """One argument or option; its default and its bounds stand last, in brackets."""
    name = re.sub(r" <(.*)>(\.\.\.)?$", lambda found: f" {_kind(found[1])}", name)
    text, bounds = " ".join(text.split()), ""
    if text.endswith("]"):
        text, _, bounds = text.rpartition(" [")
    bounds = re.sub(r"\bx>=", "at least ", bounds.removesuffix("]"))
    return f"`{name}`\n: {plain(text)}{f' *{plain(bounds)}*' if bounds else ''}\n"


def _kind(kind: str) -> str:
    several = re.fullmatch(r"list\[(\w+)\]", kind)
    words = (several[1] if several else kind).split(",")
    return " ".join(_KINDS.get(word.lower().split()[0], word.upper()) for word in words)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("egraff-command", markdown_directive(described))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
