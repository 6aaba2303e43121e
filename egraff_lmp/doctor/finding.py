"""What a check says, and what it is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

State = Literal["ok", "warning", "failed"]


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report.

    Attributes:
        title: what was looked at.
        state: "ok"; "warning" if it works but not as one would wish; "failed" if it does not work.
        got: what was found.
        expected: what should have been found; "" where the state is ok.
        advice: what to do next; "" if nothing.
    """

    title: str
    state: State
    got: str
    expected: str = ""
    advice: str = ""


def shell_environment() -> dict[str, str]:
    """The environment as this process was given it, before `import egraff_lmp` prepared it."""
    environment = dict(os.environ)
    try:
        given = Path("/proc/self/environ").read_bytes().decode(errors="surrogateescape")
    except OSError:
        return environment
    environment.pop("LAMMPS_PLUGIN_PATH", None)
    for entry in given.split("\0"):
        name, _, value = entry.partition("=")
        if name == "LAMMPS_PLUGIN_PATH":
            environment[name] = value
    return environment


@dataclass(frozen=True)
class Context:
    """What every check is given.

    Attributes:
        environment: environment variables of the user's shell.
        timeout_seconds: for one probe; importing torch from a network disk takes minutes.
    """

    environment: Mapping[str, str] = field(default_factory=shell_environment)
    timeout_seconds: float = 180.0


@dataclass(frozen=True)
class Check:
    """An entry of the table: a name and a function that looks at one thing."""

    name: str
    run: Callable[[Context], list[Finding]]


def reinstall_advice() -> str:
    """How to build the compiled part again."""
    return (
        "run `make setup` in the checkout, or there `pip install --no-build-isolation --no-deps "
        "--force-reinstall .`"
    )
