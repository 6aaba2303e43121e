"""Files that ASE reads: extended XYZ, its database, VASP output, trajectories and the like.

One file holds one composition: the same elements in the same order in every frame.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from ase.stress import voigt_6_to_full_3x3_stress
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError

# Where labels are kept when the writer avoided ASE's own names (MACE's convention first).
ENERGY_KEYS = ("REF_energy", "dft_energy", "DFT_energy", "Energy")
FORCE_KEYS = ("REF_forces", "dft_forces", "DFT_forces", "force", "Forces")


def is_xyz(path: Path) -> bool:
    """Whether `path` is a file that ends in .xyz or .extxyz."""
    return path.is_file() and path.suffix in (".xyz", ".extxyz")


def is_database(path: Path) -> bool:
    """Whether `path` is an ASE database (.db, SQLite)."""
    return path.is_file() and path.suffix == ".db"


def is_ase(path: Path) -> bool:
    """Whether ASE knows the format of the file `path` from its name or its first bytes."""
    from ase.io.formats import UnknownFileTypeError, filetype, ioformats

    if not path.is_file():
        return False
    try:
        name = filetype(str(path), read=True, guess=False)
    except (UnknownFileTypeError, OSError, UnicodeDecodeError):
        return False
    return name in ioformats and ioformats[name].can_read


def read_xyz(path: Path) -> Frames:
    """Frames of an extended-XYZ file."""
    return _read(path, "extxyz")


def read_any(path: Path) -> Frames:
    """Frames of any other file that ASE reads."""
    return _read(path, None)


def read_database(path: Path) -> Frames:
    """Frames of an ASE database, in order of their ids."""
    from ase.db import connect

    try:
        _require_tables(path)
        images = [row.toatoms() for row in connect(str(path), serial=True).select(sort="id")]
    except Exception as error:
        raise _unreadable(path, error) from None
    return frames_from_images(images, str(path))


def _require_tables(path: Path) -> None:
    """ASE makes its tables in a database that has none: a file that is read must stay as it is."""
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        query = "SELECT COUNT(*) FROM sqlite_master WHERE type='table' AND name='systems'"
        if not connection.execute(query).fetchone()[0]:
            raise ValueError("a database without the tables of ASE")


def frames_from_images(images: Sequence[Any], source: str) -> Frames:
    """Frames of a list of `ase.Atoms` of one composition.

    Raises:
        EgraffError: no frames, several compositions or orders of atoms, several periodicities,
            or labels on some of the frames only.
    """
    if not images:
        raise EgraffError(f"{source}: expected at least one frame, got none.")
    species = tuple(images[0].get_chemical_symbols())
    pbc = tuple(bool(flag) for flag in images[0].pbc)
    for index, atoms in enumerate(images):
        if tuple(atoms.get_chemical_symbols()) != species:
            raise EgraffError(
                f"{source}: expected the same elements in the same order in every frame, got "
                f"{atoms.get_chemical_formula()} in frame {index} and "
                f"{images[0].get_chemical_formula()} in frame 0: write one file per composition."
            )
        if tuple(bool(flag) for flag in atoms.pbc) != pbc:
            raise EgraffError(f"{source}: expected one periodicity, frame {index} has another.")
    return Frames(
        species=species,
        positions=np.stack([atoms.positions for atoms in images]).astype(np.float64),
        cell=np.stack([np.asarray(atoms.cell) for atoms in images]).astype(np.float64),
        pbc=(pbc[0], pbc[1], pbc[2]),
        energy=_gather([_energy(atoms) for atoms in images], "an energy", source),
        forces=_gather([_forces(atoms) for atoms in images], "forces", source),
        stress=_stresses(images),
        timestep_fs=None,
        source=source,
    )


def _read(path: Path, file_format: str | None) -> Frames:
    from ase.io import read

    try:
        # parallel=False: in an MPI program ASE would make reading a collective call.
        # An @ in the name is part of the name.
        images: Any = read(
            path, index=":", format=file_format, parallel=False, do_not_split_by_at_sign=True
        )
    except Exception as error:  # each of ASE's readers raises what it likes
        raise _unreadable(path, error) from None
    return frames_from_images(images, str(path))


def _unreadable(path: Path, error: Exception) -> EgraffError:
    return EgraffError(
        f"{path}: expected a file that ASE reads, got {type(error).__name__}: {error}: check the "
        "file, or name its format."
    )


def _energy(atoms: Any) -> float | None:
    results = {} if atoms.calc is None else atoms.calc.results
    # `free_energy` is what the forces of a smeared calculation belong to, but sets state `energy`.
    for value in (results.get("energy"), *(atoms.info.get(key) for key in ENERGY_KEYS)):
        if value is not None:
            return float(value)
    return None


def _forces(atoms: Any) -> NDArray[np.float64] | None:
    results = {} if atoms.calc is None else atoms.calc.results
    for value in (results.get("forces"), *(atoms.arrays.get(key) for key in FORCE_KEYS)):
        if value is not None:
            return np.asarray(value, dtype=np.float64)
    return None


def _stresses(images: Sequence[Any]) -> NDArray[np.float64] | None:
    """(T, 3, 3) where every frame has a stress; a file with some is read as one without."""
    found = []
    for atoms in images:
        value = None if atoms.calc is None else atoms.calc.results.get("stress")
        if value is None:
            return None
        value = np.asarray(value, dtype=np.float64)
        found.append(voigt_6_to_full_3x3_stress(value) if value.shape == (6,) else value)
    return np.stack(found)


def _gather(values: list[Any], what: str, source: str) -> NDArray[np.float64] | None:
    missing = [index for index, value in enumerate(values) if value is None]
    if len(missing) == len(values):
        return None
    if missing:
        raise EgraffError(
            f"{source}: expected {what} in every frame, {len(missing)} of {len(values)} frames "
            f"lack it (first: frame {missing[0]}): remove them."
        )
    return np.stack([np.asarray(value, dtype=np.float64) for value in values])
