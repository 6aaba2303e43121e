"""Files that ASE reads: extended XYZ, its database, VASP output, trajectories and the like.

As `Frames` a file holds one composition: the same elements in the same order in every frame. As a
`Collection` it may hold several, isolated atoms among them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.collection import Collection
from egraff_lmp.data.frames import WEIGHTED, Frames
from egraff_lmp.data.label_names import LabelKeys, LabelReader
from egraff_lmp.errors import EgraffError

ISOLATED = "isolatedatom"  # MACE's config_type of a frame whose energy is a free atom's


def is_xyz(path: Path) -> bool:
    """Whether `path` is a file that ends in .xyz or .extxyz."""
    return path.is_file() and path.suffix in (".xyz", ".extxyz")


def is_database(path: Path) -> bool:
    """Whether `path` is an ASE database (.db, SQLite)."""
    return path.is_file() and path.suffix == ".db"


def is_ase(path: Path) -> bool:
    """Whether ASE knows the format of the file `path` from its name or its first bytes."""
    return format_of(path) is not None


def format_of(path: Path) -> str | None:
    """ASE's name of the format of a file that it can read; None of other files."""
    from ase.io.formats import UnknownFileTypeError, filetype, ioformats

    if not path.is_file():
        return None
    try:
        # Of some formats, .vasp among them, only the ending of the name tells.
        name = filetype(str(path), read=True, guess=True)
    except (UnknownFileTypeError, OSError, UnicodeDecodeError):
        return None
    return str(name) if name in ioformats and ioformats[name].can_read else None


def read_xyz(path: Path) -> Frames:
    """Frames of an extended-XYZ file."""
    return frames_from_images(images_of(path, "extxyz"), str(path))


def read_any(path: Path) -> Frames:
    """Frames of any other file that ASE reads."""
    return frames_from_images(images_of(path, None), str(path))


def read_database(path: Path) -> Frames:
    """Frames of an ASE database, in order of their ids."""
    return frames_from_images(_rows(path), str(path))


def constraints_of(path: Path, index: int, file_format: str | None) -> list[Any]:
    """ASE's constraints on the atoms of one frame: selective dynamics, `move_mask` and the like.

    Args:
        path: a file that ASE reads.
        index: of the frame; negative from the end.
        file_format: ASE's name for it; None finds it out.
    """
    images = _rows(path) if is_database(path) else images_of(path, file_format)
    return list(images[index].constraints)


def collect_xyz(path: Path, keys: LabelKeys) -> Collection:
    """All compositions of an extended-XYZ file."""
    return collection_from_images(images_of(path, "extxyz"), str(path), keys)


def collect_any(path: Path, keys: LabelKeys) -> Collection:
    """All compositions of any other file that ASE reads."""
    return collection_from_images(images_of(path, None), str(path), keys)


def collect_database(path: Path, keys: LabelKeys) -> Collection:
    """All compositions of an ASE database."""
    return collection_from_images(_rows(path), str(path), keys)


def _rows(path: Path) -> list[Any]:
    from ase.db import connect

    try:
        _require_tables(path)
        return [row.toatoms() for row in connect(str(path), serial=True).select(sort="id")]
    except Exception as error:
        raise _unreadable(path, error) from None


def _require_tables(path: Path) -> None:
    """ASE makes its tables in a database that has none: a file that is read must stay as it is."""
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        query = "SELECT COUNT(*) FROM sqlite_master WHERE type='table' AND name='systems'"
        if not connection.execute(query).fetchone()[0]:
            raise ValueError("a database without the tables of ASE")


def frames_from_images(images: Sequence[Any], source: str, keys: LabelKeys | None = None) -> Frames:
    """Frames of a list of `ase.Atoms` of one composition.

    Raises:
        EgraffError: no frames, several compositions or orders of atoms, several periodicities,
            or labels on some of the frames only.
    """
    if not images:
        raise EgraffError(f"{source}: expected at least one frame, got none.")
    species = tuple(images[0].get_chemical_symbols())
    pbc = _pbc(images[0])
    for index, atoms in enumerate(images):
        if tuple(atoms.get_chemical_symbols()) != species:
            raise EgraffError(
                f"{source}: expected the same elements in the same order in every frame, got "
                f"{atoms.get_chemical_formula()} in frame {index} and "
                f"{images[0].get_chemical_formula()} in frame 0: write one file per composition "
                "(`egraff train` and `egraff eval` take several in one file)."
            )
        if _pbc(atoms) != pbc:
            raise EgraffError(f"{source}: expected one periodicity, frame {index} has another.")
    return _frames(images, np.arange(len(images)), source, _labels(images, source, keys))


def collection_from_images(
    images: Sequence[Any], source: str, keys: LabelKeys | None = None
) -> Collection:
    """The frames of a list of `ase.Atoms`, grouped by composition, periodicity and stress.

    A single atom is no frame but the energy of an isolated one where its `config_type` is
    IsolatedAtom, or nothing is periodic.

    Raises:
        EgraffError: no frames, an isolated atom without an energy or with two, or energies or
            forces on some of the frames of a composition only.
    """
    labels = _labels(images, source, keys)
    isolated: dict[str, float] = {}
    members: dict[tuple[Any, ...], list[int]] = {}
    for index, atoms in enumerate(images):
        if _is_isolated(atoms):
            _add_isolated(isolated, atoms, labels.energy(atoms), f"{source}, frame {index}")
            continue
        kind = (tuple(atoms.get_chemical_symbols()), _pbc(atoms), labels.stress(atoms) is None)
        members.setdefault(kind, []).append(index)
    if not members:
        raise EgraffError(
            f"{source}: expected at least one frame"
            f"{' beside isolated atoms' if isolated else ''}, got none."
        )
    which = [np.array(indices, dtype=np.int64) for indices in members.values()]
    groups = [_frames(images, indices, source, labels) for indices in which]
    return Collection(tuple(groups), tuple(which), isolated, source)


def _labels(images: Sequence[Any], source: str, keys: LabelKeys | None) -> LabelReader:
    return LabelReader(images, source, LabelKeys() if keys is None else keys)


def _pbc(atoms: Any) -> tuple[bool, bool, bool]:
    x, y, z = (bool(flag) for flag in atoms.pbc)
    return x, y, z


def _is_isolated(atoms: Any) -> bool:
    named = str(atoms.info.get("config_type", "")).replace("_", "").lower() == ISOLATED
    return len(atoms) == 1 and (named or not any(atoms.pbc))


def _add_isolated(isolated: dict[str, float], atoms: Any, energy: float | None, where: str) -> None:
    (symbol,) = atoms.get_chemical_symbols()
    if energy is None or not np.isfinite(energy):
        raise EgraffError(
            f"{where}: expected the energy of an isolated {symbol} atom, it has none: remove this "
            "frame, or give it one."
        )
    if isolated.setdefault(symbol, energy) != energy:
        raise EgraffError(
            f"{where}: expected one energy of an isolated {symbol} atom, got {energy:g} eV here "
            f"and {isolated[symbol]:g} eV before: keep one of them."
        )


def _frames(
    images: Sequence[Any], which: NDArray[np.int64], source: str, labels: LabelReader
) -> Frames:
    """The frames `which`, all of one composition."""
    chosen = [images[index] for index in which]
    # A group with some is read as one without.
    stress = [value for atoms in chosen if (value := labels.stress(atoms)) is not None]
    return Frames(
        species=tuple(chosen[0].get_chemical_symbols()),
        positions=np.stack([atoms.positions for atoms in chosen]).astype(np.float64),
        cell=np.stack([np.asarray(atoms.cell) for atoms in chosen]).astype(np.float64),
        pbc=_pbc(chosen[0]),
        energy=_gather([labels.energy(atoms) for atoms in chosen], which, "an energy", source),
        forces=_gather([labels.forces(atoms) for atoms in chosen], which, "forces", source),
        stress=np.stack(stress) if len(stress) == len(chosen) else None,
        timestep_fs=None,
        source=source,
        weights=_weights(chosen),
    )


def _weights(images: Sequence[Any]) -> NDArray[np.float64] | None:
    """(T, 3) as MACE's files give them; None where no frame has any."""
    names = ("config_weight", *(f"config_{label}_weight" for label in WEIGHTED))
    if not any(name in atoms.info for atoms in images for name in names):
        return None
    table = np.array([[float(a.info.get(name, 1.0)) for name in names] for a in images])
    return table[:, :1] * table[:, 1:]


def images_of(path: Path, file_format: str | None) -> list[Any]:
    """All `ase.Atoms` of a file, in a format of ASE's; None finds it out.

    Raises:
        EgraffError: ASE cannot read it.
    """
    from ase.io import read

    try:
        # parallel=False: in an MPI program ASE would make reading a collective call.
        # An @ in the name is part of the name.
        images: Any = read(
            path, index=":", format=file_format, parallel=False, do_not_split_by_at_sign=True
        )
    except Exception as error:  # each of ASE's readers raises what it likes
        raise _unreadable(path, error) from None
    return list(images)


def _unreadable(path: Path, error: Exception) -> EgraffError:
    return EgraffError(
        f"{path}: expected a file that ASE reads, got {type(error).__name__}: {error}: check the "
        "file, or name its format."
    )


def _gather(
    values: list[Any], which: NDArray[np.int64], what: str, source: str
) -> NDArray[np.float64] | None:
    missing = [index for index, value in zip(which, values, strict=True) if value is None]
    if len(missing) == len(values):
        return None
    if missing:
        raise EgraffError(
            f"{source}: expected {what} in every frame, {len(missing)} of {len(values)} frames "
            f"lack it (first: frame {missing[0]}): remove them."
        )
    return np.stack([np.asarray(value, dtype=np.float64) for value in values])
