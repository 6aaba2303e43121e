"""The one frame that a rollout starts from, out of anything that can be read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from egraff_lmp.data.lammps_data import is_lammps_data, read_lammps_data
from egraff_lmp.data.read import detect_format
from egraff_lmp.data.table import DATA_SETS, read_source
from egraff_lmp.errors import EgraffError
from egraff_lmp.rollout.datafile import Structure
from egraff_lmp.untrusted import check_element, check_packed_text

# What ASE reads, by key of the format or ending of the name, and its own name of it; None: it finds
# it out. By the ending are those that show neither in their first bytes nor in a pattern of names.
_ENDINGS = ("cfg", "gen", "magres", "mol", "sdf")
_OF_ASE = {"extxyz": "extxyz", "vasp": None, "ase": None, **{ending: ending for ending in _ENDINGS}}


def read_structure(
    source: str,
    frame: int = -1,
    *,
    base: Path | None = None,
    elements: Sequence[str] | None = None,
) -> Structure:
    """Frame `frame` of a file that `read_frames` or ASE reads, or of SET:PART ("gete:test").

    Frames whose labels do not fit each other, or that have other atoms, do not matter here.

    Args:
        source: a path, or a part of a data set.
        frame: which frame; negative counts from the end.
        base: folder of relative paths.
        elements: element of each type of a LAMMPS data file, in type order.

    Raises:
        EgraffError: no such file or frame, or nothing that can be read.
    """
    for element in elements or ():
        check_element(element, "elements")
    path = Path(os.path.expandvars(source)).expanduser()
    path = path if base is None else base / path
    if elements and is_lammps_data(path):
        return Structure.from_frames(read_lammps_data(path, elements), frame)
    if elements:
        raise EgraffError(
            f"{source}: expected a LAMMPS data file, whose types are numbers, got another format: "
            "leave the elements out; the file names its own."
        )
    try:
        frames = read_source(source, base)
    except EgraffError as error:
        if not path.is_file() or source.partition(":")[0] in DATA_SETS:
            raise
        return _image(path, frame, error)
    return Structure.from_frames(frames, frame)


def _image(path: Path, frame: int, error: EgraffError) -> Structure:
    """One frame as ASE reads it, without labels; `error` is what the file as a whole gave."""
    from ase.io import read

    check_packed_text(path)
    key = path.suffix[1:].lower()
    if key not in _OF_ASE:
        key = detect_format(path).key
    if key not in _OF_ASE:
        raise error
    try:
        atoms: Any = read(
            path, index=frame, format=_OF_ASE[key], parallel=False, do_not_split_by_at_sign=True
        )
        found = Structure.from_atoms(atoms, f"{path}, frame {frame}")
    except Exception:  # each of ASE's readers raises what it likes
        raise error from None
    if not found.species:
        raise error
    return replace(found, velocities=None)  # as of the other readers
