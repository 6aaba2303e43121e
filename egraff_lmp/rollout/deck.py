"""The decks and the variables that are handed to them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from egraff_lmp.errors import EgraffError
from egraff_lmp.paths import decks_dir

DECKS = {
    "nve": "in.nve",
    "nvt": "in.nvt",
    "npt": "in.npt",
    "minimise": "in.minimise",
    "rerun": "in.rerun",
}


def deck_path(name: str) -> Path:
    """The deck of an ensemble (a key of `DECKS`)."""
    if name not in DECKS:
        raise EgraffError(f"expected one of {', '.join(DECKS)}, got '{name}'.")
    return decks_dir() / DECKS[name]


def variable_arguments(variables: Mapping[str, str]) -> list[str]:
    """Command-line arguments of LAMMPS that set deck variables; no shell is meant to see them."""
    return [word for name, value in variables.items() for word in ("-var", name, value)]


def check_out_dir(path: Path) -> None:
    """Refuse a folder that LAMMPS cannot write a dump into.

    Raises:
        EgraffError: `*` or `%` (LAMMPS replaces them by step and rank), or quotes.
    """
    wrong = sorted({mark for mark in "*%\"'\n" if mark in str(path)})
    if wrong:
        raise EgraffError(
            f"{path}: expected a folder without {' '.join(map(repr, wrong))} in its path, to "
            "which LAMMPS gives a meaning of its own: choose another folder."
        )


def number(value: float) -> str:
    """A number that reads back exactly."""
    return repr(float(value))
