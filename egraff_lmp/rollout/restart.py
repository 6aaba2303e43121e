"""Going on after a stop: the newest restart that is whole, and outputs cut back to its step.

LAMMPS writes, at a step that asks for all of them: the row of thermo.csv, the frame of the dump,
then the restart. A restart of step R therefore means that everything up to R was written; what
lies at or beyond R is written again by the continued run and is removed first. Killed between any
two writes, a run leaves either the older restart or a damaged newer one, which its missing end
mark betrays.
"""

from __future__ import annotations

import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from egraff_lmp.fileio import write_text

RESTARTS = ("restart.a", "restart.b", "restart.final", "restart.from")
TRAJECTORY = "traj.lammpstrj"
THERMO = "thermo.csv"
STOP = "stop"  # a file of this name ends a running rollout cleanly
RESUMED = "restart.from"  # the one gone on from: nothing writes to it

_MAGIC = b"LammpS RestartT\0"
_NTIMESTEP = 5
_TEXTS = (0, 4)
_FRAME = b"ITEM: TIMESTEP\n"


@dataclass(frozen=True)
class Restart:
    """A whole restart file and the step that it holds."""

    path: Path
    step: int


def newest_restart(folder: Path, dump_every: int, thermo_every: int) -> Restart | None:
    """The newest whole restart of `folder` up to which the outputs are whole too."""
    found = [
        Restart(path, step)
        for path in (folder / name for name in RESTARTS)
        if (step := restart_step(path)) is not None
    ]
    for restart in sorted(found, key=lambda item: -item.step):
        last_frame = (restart.step - 1) // dump_every * dump_every
        last_row = (restart.step - 1) // thermo_every * thermo_every
        frame, _ = _trajectory_cut(folder / TRAJECTORY, restart.step)
        rows = _rows_before(folder / THERMO, restart.step)
        row = int(rows[-1].split(",")[0]) if len(rows) > 1 else -1
        if restart.step == 0 or (frame == last_frame and row == last_row):
            return restart
    return None


def restart_step(path: Path) -> int | None:
    """Step of a LAMMPS restart file, or None if it is missing or not whole."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(4096)
            stream.seek(-len(_MAGIC), os.SEEK_END)
            tail = stream.read()
    except OSError:
        return None
    if not head.startswith(_MAGIC) or tail != _MAGIC or len(head) < 2 * len(_MAGIC):
        return None
    try:
        return _header_step(head)
    except (struct.error, ValueError):
        return None


def _header_step(head: bytes) -> int | None:
    """Step in the header: mark, byte order, revision, then entries of a flag and its value.

    The order of LAMMPS' write_restart.cpp: version (0, text), sizes of integers (1, 48, 2, 3),
    units (4, text), step (5, 8 bytes). A text is preceded by its length.
    """
    (order,) = struct.unpack_from("=i", head, len(_MAGIC))
    if order != 1:
        return None
    position = len(_MAGIC) + 8
    while True:
        (flag,) = struct.unpack_from("=i", head, position)
        if flag == _NTIMESTEP:
            (step,) = struct.unpack_from("=q", head, position + 4)
            return int(step)
        (value,) = struct.unpack_from("=i", head, position + 4)
        position += 8 + (value if flag in _TEXTS else 0)


def cut_outputs(folder: Path, step: int) -> None:
    """Remove all frames and rows at or beyond `step`, and any part of one."""
    trajectory = folder / TRAJECTORY
    if trajectory.exists():
        _, size = _trajectory_cut(trajectory, step)
        os.truncate(trajectory, size)
    if (folder / THERMO).exists():
        write_text(folder / THERMO, "\n".join(_rows_before(folder / THERMO, step)) + "\n")


def tidy_thermo(folder: Path) -> None:
    """Drop the empty lines that LAMMPS puts where it began to append."""
    path = folder / THERMO
    if path.exists():
        lines = path.read_text(encoding="ascii").splitlines()
        write_text(path, "\n".join(line for line in lines if line.strip()) + "\n")


def last_step(thermo: Path) -> int | None:
    """Step of the last whole row of thermo.csv; only its end is read."""
    try:
        with open(thermo, "rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - 4096))
            lines = stream.read().split(b"\n")[:-1]
    except OSError:
        return None
    for line in reversed(lines):
        first = line.split(b",")[0]
        if first.isdigit() and line.count(b",") >= 2:
            return int(first)
    return None


def _rows_before(thermo: Path, step: int) -> list[str]:
    """Header and rows of thermo.csv before `step`; parts of rows do not count."""
    try:
        lines = thermo.read_text(encoding="ascii").split("\n")[:-1]
    except OSError:
        return []
    rows = lines[:1]
    for line in lines[1:]:
        fields = line.split(",")
        if len(fields) != len(lines[0].split(",")) or not fields[0].isdigit():
            continue
        if int(fields[0]) < step:
            rows.append(line)
    return rows


def _trajectory_cut(trajectory: Path, step: int) -> tuple[int, int]:
    """(step of the last frame before `step`, or -1; size of the file that ends with it).

    Frames are looked for from the end, so that a long trajectory is not read.
    """
    try:
        size = trajectory.stat().st_size
    except OSError:
        return -1, 0
    if size == 0:
        return -1, 0
    with (
        open(trajectory, "rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as text,
    ):
        before = size
        while (start := text.rfind(_FRAME, 0, before)) >= 0:
            frame, end = _frame_extent(text, start)
            if frame is not None and frame < step:
                return frame, end
            before = start
    return -1, 0


def _frame_extent(text: mmap.mmap, start: int) -> tuple[int | None, int]:
    """(step, offset behind the last line) of the frame at `start`; step None if it is cut off."""
    text.seek(start)
    head = [text.readline() for _ in range(9)]
    step, atoms = head[1].strip(), head[3].strip()
    if not (head[8].endswith(b"\n") and step.isdigit() and atoms.isdigit()):
        return None, start
    for _ in range(int(atoms)):
        if not text.readline().endswith(b"\n"):
            return None, start
    return int(step), text.tell()
