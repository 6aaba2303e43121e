"""LAMMPS data files: one frame, its elements from the file or from whoever asks.

ASE reads the atoms; which element a type is it takes from the nearest mass, whatever that is, and
from the type's number where there are no masses. Here an element is known, or it is an error.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_masses, atomic_numbers, chemical_symbols

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError

# Masses in data files are rounded, or those of isotopes; neighbours in the table of elements are
# 0.5 amu apart or more, except Co and Ni (0.24 amu).
_SAME_MASS_AMU = 0.1
_HEAD_LINES = 60
_SHORTEST_ATOM = len("1 1 0 0 0\n")
_ATOMS = re.compile(r"^\s*\d+\s+atoms\b")
_BOX = re.compile(r"^\s*\S+\s+\S+\s+xlo\s+xhi\b|^\s*\S+\s+\S+\s+\S+\s+avec\b")
_SECTIONS = {"Masses": "masses", "Atom Type Labels": "labels"}


def is_lammps_data(path: Path) -> bool:
    """Whether the head of a file counts atoms and gives a box as LAMMPS' data files do."""
    if not path.is_file():
        return False
    with open(path, encoding="utf-8", errors="replace") as stream:
        head = list(islice(stream, _HEAD_LINES))
    return all(any(pattern.match(line) for line in head[1:]) for pattern in (_ATOMS, _BOX))


def read_lammps_data(path: Path, elements: Sequence[str] | None = None) -> Frames:
    """The one frame of a data file, in units metal and periodic along all three directions.

    Args:
        path: atom style atomic, charge, molecular or full, as the comment behind `Atoms` says.
        elements: element of each type; None takes those of the file.

    Raises:
        EgraffError: types whose element is not known, or a file that ASE does not read.
    """
    from ase.io import read

    _check_count(path)
    known = tuple(elements) if elements else elements_of_types(path)
    numbers = {index: atomic_numbers[name] for index, name in enumerate(known, 1)}
    try:
        # Image flags would cost a last digit of the positions; LAMMPS wraps atoms anyway.
        atoms: Any = read(
            path, index=0, format="lammps-data", parallel=False, do_not_split_by_at_sign=True,
            Z_of_type=numbers, units="metal", read_image_flags=False,
        )  # fmt: skip
    except KeyError as error:
        raise EgraffError(
            f"{path}: expected an element for each type of atoms, got {len(known)} "
            f"({' '.join(known)}) and none for type {error.args[0]}: name one element a type."
        ) from None
    except Exception as error:  # ASE's reader raises what it likes
        raise EgraffError(
            f"{path}: expected a LAMMPS data file that ASE reads, got {type(error).__name__}: "
            f"{error}: write it with `write_data`, whose comment behind Atoms gives the atom style."
        ) from None
    return Frames(
        species=tuple(atoms.get_chemical_symbols()),
        positions=np.asarray(atoms.positions, dtype=np.float64)[None],
        cell=np.asarray(atoms.cell, dtype=np.float64)[None],
        pbc=(True, True, True),
        energy=None,
        forces=None,
        timestep_fs=None,
        source=str(path),
    )


def _check_count(path: Path) -> None:
    """Refuse a number of atoms that the file cannot hold: memory is taken by that number."""
    with open(path, encoding="utf-8", errors="replace") as stream:
        counts = [line.split()[0] for line in islice(stream, _HEAD_LINES) if _ATOMS.match(line)]
    size = path.stat().st_size
    if any(int(count) * _SHORTEST_ATOM > size for count in counts):
        raise EgraffError(
            f"{path}: expected a line for each of {' '.join(counts)} atoms, got a file of {size} "
            "bytes: it is cut off; copy it again."
        )


def elements_of_types(path: Path) -> tuple[str, ...]:
    """Element of each type: its label, the comment behind its mass, or its mass.

    Raises:
        EgraffError: a type that none of them tells.
    """
    sections = _type_sections(path)
    masses, labels = sections["masses"], sections["labels"]
    found = []
    for index in sorted({*masses, *labels}, key=int):
        value, _, comment = masses.get(index, "").partition("#")
        names = (labels.get(index, "").split("#")[0].strip(), comment.strip())
        symbol = next((name for name in names if name in atomic_numbers), "") or _of_mass(value)
        if not symbol:
            raise _unknown(path, f"type {index} with '{(value or names[0]).strip()}'")
        found.append(symbol)
    if not found:
        raise _unknown(path, "none")
    return tuple(found)


def _type_sections(path: Path) -> dict[str, dict[str, str]]:
    """For masses and labels: the number of each type to the rest of its line."""
    found: dict[str, dict[str, str]] = {name: {} for name in _SECTIONS.values()}
    section = None
    with open(path, encoding="utf-8", errors="replace") as stream:
        for line in stream:
            words = line.split("#")[0].split()
            if not words:
                continue
            if not words[0][0].isdigit() and words[0][0] not in "+-.":
                title = " ".join(words)
                if title == "Atoms" and found["masses"]:
                    break
                section = _SECTIONS.get(title)
            elif section is not None and words[0].isdigit():
                found[section][words[0]] = line.strip().partition(" ")[2].strip()
    return found


def _of_mass(text: str) -> str:
    """The one element of this mass, or ""."""
    try:
        mass = float(text)
    except ValueError:
        return ""
    differences = np.abs(atomic_masses - mass)
    nearest = int(np.argmin(differences))
    return chemical_symbols[nearest] if differences[nearest] < _SAME_MASS_AMU else ""


def _unknown(path: Path, got: str) -> EgraffError:
    return EgraffError(
        f"{path}: expected a section Masses with the element of each type as a comment "
        f"('1 72.63 # Ge') or with its mass in amu, got {got}: name the elements in type order "
        "(elements: [Ge, Te], --elements 'Ge Te')."
    )
