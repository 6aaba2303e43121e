"""What LAMMPS said when it stopped, and whether that is a result of the simulation."""

from __future__ import annotations

import re
from pathlib import Path

_STOPPED = "egraff: stopped at step "

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


def physical_reason(error: str) -> str:
    """Why a simulation itself broke down by LAMMPS' message, or "" if it did not."""
    for mark, reason, says_more in _PHYSICAL:
        if mark in error:
            return f"{reason}: {error}" if says_more else reason
    return ""


def stop_message(log: Path) -> str:
    """What `fix egraff/checkpoint` printed when it ended a run early, or ""."""
    with open(log, encoding="utf-8", errors="replace") as stream:
        for line in stream:
            if line.startswith(_STOPPED):
                return line.removeprefix("egraff: ").strip()
    return ""


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
