"""One reader for all formats: the table, and the function that dispatches through it.

To add a format, write `data/NAME.py` with a detector and a reader, and add a row here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from egraff_lmp.data import ase_io, cp2k, deepmd, dictionary, npz, published_npz, store, vasp
from egraff_lmp.data.check import check_labels
from egraff_lmp.data.collection import Collection
from egraff_lmp.data.frames import Frames
from egraff_lmp.data.label_names import LabelKeys
from egraff_lmp.data.lammps_data import is_lammps_data, read_lammps_data
from egraff_lmp.data.lammps_dump import read_lammps_dump
from egraff_lmp.data.lammps_scan import is_lammps_dump
from egraff_lmp.errors import EgraffError
from egraff_lmp.untrusted import check_packed_text


@dataclass(frozen=True)
class Format:
    """One row of the table of formats.

    Attributes:
        key: its name in configs and on the command line.
        title: what it is, for messages.
        detect: whether a path looks like this format (name and first bytes only).
        read: the reader; raises EgraffError.
        labelled: ab-initio data, whose labels must be finite. A rollout may hold non-finite
            values: there they are a result.
        collect: reader of files with several compositions and labels under names of the user's
            choice; None where the format has neither.
    """

    key: str
    title: str
    detect: Callable[[Path], bool]
    read: Callable[[Path], Frames]
    labelled: bool = True
    collect: Callable[[Path, LabelKeys], Collection] | None = None


def _read_lammps_dump(path: Path) -> Frames:
    return read_lammps_dump(path)


def _read_lammps_data(path: Path) -> Frames:
    return read_lammps_data(path)


_ROWS = (
    Format("egraff", "file of `egraff data convert`", store.is_store, store.read_store),
    Format(
        "md17",
        "MD17 archive (R, z, E, F)",
        published_npz.is_published_npz,
        published_npz.read_published_npz,
    ),
    Format("npz", "MDBENCHGNN npz archive", npz.is_npz, npz.read_npz),
    Format(
        "npy-dictionary",
        "dictionary of arrays in an npy file",
        dictionary.is_dictionary,
        dictionary.read_dictionary,
    ),
    Format("deepmd", "DeePMD system folder", deepmd.is_deepmd, deepmd.read_deepmd),
    Format("lammps-dump", "LAMMPS dump", is_lammps_dump, _read_lammps_dump, labelled=False),
    Format("lammps-data", "LAMMPS data file", is_lammps_data, _read_lammps_data),
    Format("cp2k", "CP2K trajectory", cp2k.is_cp2k, cp2k.read_cp2k),
    Format(
        "extxyz",
        "extended XYZ",
        ase_io.is_xyz,
        ase_io.read_xyz,
        collect=ase_io.collect_xyz,
    ),
    Format(
        "ase-db",
        "ASE database",
        ase_io.is_database,
        ase_io.read_database,
        collect=ase_io.collect_database,
    ),
    Format(
        "vasp",
        "VASP's vasprun.xml, OUTCAR or XDATCAR",
        vasp.is_vasp,
        vasp.read_vasp,
        collect=vasp.collect_vasp,
    ),
    Format(
        "ase",
        "any other file that ASE reads",
        ase_io.is_ase,
        ase_io.read_any,
        collect=ase_io.collect_any,
    ),
)
FORMATS: dict[str, Format] = {row.key: row for row in _ROWS}  # in order of detection


def read_frames(
    path: str | Path, *, format: str | None = None, timestep_fs: float | None = None
) -> Frames:
    """Frames of a file or folder in any known format.

    Args:
        path: file or folder.
        format: a key of `FORMATS`; None finds it out.
        timestep_fs: time between consecutive frames, where they are a time series and the file
            does not say so itself.

    Raises:
        EgraffError: no such path, an unknown format, missing or misshapen arrays, non-finite
            labels.
    """
    path = Path(path)
    row = _row(path, format)
    frames = row.read(path)
    if not len(frames):
        raise EgraffError(f"{path}: expected at least one frame, got none.")
    if row.labelled:
        check_labels(frames)
    return frames if timestep_fs is None else replace(frames, timestep_fs=timestep_fs)


def read_collection(path: str | Path, keys: LabelKeys | None = None) -> Collection:
    """Frames of a file or folder that may hold several compositions and isolated atoms.

    Args:
        path: file or folder.
        keys: names of the labels, in formats that ASE reads.

    Raises:
        EgraffError: as `read_frames`, or `keys` for a format whose labels have fixed names.
    """
    path, keys = Path(path), LabelKeys() if keys is None else keys
    row = _row(path, None)
    if row.collect is None:
        if keys.any():
            raise EgraffError(
                f"{path}: expected no energy_key, forces_key or stress_key, as the names of the "
                f"labels are fixed in a {row.title}: leave them out."
            )
        return Collection.of(read_frames(path))
    found = row.collect(path, keys)
    for frames in found.groups:
        check_labels(frames)
    return found


def read_constraints(path: str | Path, index: int) -> list[Any]:
    """ASE's constraints on the atoms of one frame, which `Frames` do not hold.

    Args:
        path: file or folder.
        index: of the frame; negative from the end.

    Returns:
        None of them for a format that has none.

    Raises:
        EgraffError: as `read_frames`.
    """
    path = Path(path)
    row = _row(path, None)
    if row.collect is None:
        return []
    return ase_io.constraints_of(path, index, "extxyz" if row.key == "extxyz" else None)


def _row(path: Path, format: str | None) -> Format:
    if format is not None and format not in FORMATS:
        raise EgraffError(f"expected a format out of {', '.join(FORMATS)}, got '{format}'.")
    if not path.exists():
        raise EgraffError(f"{path}: expected a data file or folder, there is none: check the path.")
    check_packed_text(path)
    return detect_format(path) if format is None else FORMATS[format]


def detect_format(path: Path) -> Format:
    """The row of `FORMATS` that fits `path`.

    Raises:
        EgraffError: none does; the message lists them.
    """
    for row in FORMATS.values():
        if row.detect(path):
            return row
    known = "; ".join(f"{row.key} ({row.title})" for row in FORMATS.values())
    hint = ""
    if path.is_dir():
        below = deepmd.systems_below(path)
        if below:
            names = ", ".join(str(found.relative_to(path)) for found in below[:4])
            hint = f" {len(below)} DeePMD systems lie below it ({names}): name one of them."
    raise EgraffError(f"{path}: expected one of these formats: {known}; got none of them.{hint}")
