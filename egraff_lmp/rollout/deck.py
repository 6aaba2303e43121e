"""The decks and the variables that are handed to them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from egraff_lmp.errors import EgraffError
from egraff_lmp.paths import decks_dir
from egraff_lmp.untrusted import unprintable

DECKS = {
    "nve": "in.nve",
    "nvt": "in.nvt",
    "npt": "in.npt",
    "minimise": "in.minimise",
    "rerun": "in.rerun",
}
# What a rollout writes into its folder, as patterns of names.
WRITTEN = ("traj.*", "thermo.*", "restart.*", "log.*", "rollout.json", "start.data", "in.*")


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
        EgraffError: `*` or `%` (LAMMPS replaces them by step and rank), quotes or control
            characters; or a symbolic link in place of a file that the rollout writes.
    """
    wrong = sorted({mark for mark in "*%\"'" if mark in str(path)} | set(unprintable(str(path))))
    if wrong:
        raise EgraffError(
            f"{path}: expected a folder without {' '.join(map(repr, wrong))} in its path, to "
            "which LAMMPS gives a meaning of its own: choose another folder."
        )
    linked = sorted(
        file.name
        for pattern in WRITTEN
        for file in (path.glob(pattern) if path.is_dir() else ())
        if file.is_symlink()
    )
    if linked:
        raise EgraffError(
            f"{path}: expected the rollout's own files, got symbolic links ({', '.join(linked)}), "
            "which would be written through: choose another folder."
        )


def number(value: float) -> str:
    """A number that reads back exactly."""
    return repr(float(value))
