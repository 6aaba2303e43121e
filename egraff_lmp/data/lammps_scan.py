"""A walk through a LAMMPS dump that checks its shape and reads the headers of its frames.

The numbers of the atoms are not parsed here, MDAnalysis does that.
"""

from __future__ import annotations

import bz2
import gzip
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.errors import EgraffError

DUMP_LINE = "dump d all custom N traj.dump id type element xu yu zu fx fy fz"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DumpHeader:
    """What stands above the atoms of one complete frame.

    Attributes:
        number: of the frame in the file, from 0.
        step: MD step.
        cell: (3, 3) in A, rows are lattice vectors, zeros along directions that are not periodic.
        pbc: periodicity along the three lattice vectors.
        columns: names of the columns.
        n_atoms: N.
    """

    number: int
    step: int
    cell: NDArray[np.float64]
    pbc: tuple[bool, bool, bool]
    columns: tuple[str, ...]
    n_atoms: int


class _Cut(Exception):
    """The file ends inside a frame."""


def is_lammps_dump(path: Path) -> bool:
    """Whether a file starts as a text dump does; packed ones are told by their name."""
    if not path.is_file():
        return False
    if path.suffix in (".gz", ".bz2"):
        return Path(path.stem).suffix in (".dump", ".lammpstrj", ".lammpsdump")
    with open(path, "rb") as stream:
        return stream.read(5) == b"ITEM:"


def scan_dump(path: Path) -> list[DumpHeader]:
    """Headers of all complete frames.

    Raises:
        EgraffError: no such file, not a text dump of this kind, no complete frame, or damage
            anywhere but at the end.
    """
    if not path.is_file():
        raise EgraffError(f"{path}: expected a LAMMPS dump, there is no such file: check the path.")
    headers: list[DumpHeader] = []
    with open_dump(path) as stream:
        lines = _Lines(stream, path)
        try:
            while (line := stream.readline()) != "":
                headers.append(_scan_frame(line, lines, len(headers)))
        except _Cut:
            _log.warning("%s: its last frame is cut short and was dropped", path)
        except UnicodeDecodeError:
            raise EgraffError(
                f"{path}: expected a text dump, got binary data: use `{DUMP_LINE}`."
            ) from None
        except ValueError as error:
            raise EgraffError(
                f"{path}, frame {len(headers)}: expected numbers in its header, got a damaged line "
                f"({error}): remove that frame."
            ) from None
    if not headers:
        raise EgraffError(f"{path}: expected at least one complete frame, got none.")
    return headers


class _Lines:
    """Whole lines of a stream; a line without its end means that the file was cut."""

    def __init__(self, stream: IO[str], path: Path) -> None:
        self.stream, self.path = stream, path

    def next(self) -> str:
        line: str = self.stream.readline()
        if not line.endswith("\n"):
            raise _Cut
        return line

    def expect(self, item: str, line: str, frame: int) -> None:
        """Check that `line` is the header `item`."""
        if not line.startswith(item):
            raise EgraffError(
                f"{self.path}, frame {frame}: expected '{item}', got '{line.strip()[:60]}': this "
                "is no dump of style custom, or it was cut and then appended to; remove the "
                "damaged frame."
            )


def open_dump(path: Path) -> IO[str]:
    """Open a dump for reading, unpacked on the way if it ends in .gz or .bz2."""
    openers: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open}
    stream: IO[str] = openers.get(path.suffix, open)(path, mode="rt", encoding="utf-8")
    return stream


def _scan_frame(line: str, lines: _Lines, frame: int) -> DumpHeader:
    if not line.endswith("\n"):
        raise _Cut
    lines.expect("ITEM: TIMESTEP", line, frame)
    step = int(lines.next())
    lines.expect("ITEM: NUMBER OF ATOMS", lines.next(), frame)
    n_atoms = int(lines.next())
    line = lines.next()
    lines.expect("ITEM: BOX BOUNDS", line, frame)
    flags = line.split()[3:]
    if "abc" in flags:
        raise EgraffError(
            f"{lines.path}: expected a restricted triclinic box, got a general one (abc origin): "
            "dump without `dump_modify triclinic/general`."
        )
    bounds = [[float(x) for x in lines.next().split()] for _ in range(3)]
    line = lines.next()
    lines.expect("ITEM: ATOMS", line, frame)
    pbc = tuple(flag == "pp" for flag in flags[-3:])
    for _ in range(n_atoms):
        lines.next()
    cell = _cell(bounds, tilted=flags[:3] == ["xy", "xz", "yz"])
    cell[[not periodic for periodic in pbc]] = 0.0
    return DumpHeader(frame, step, cell, (pbc[0], pbc[1], pbc[2]), tuple(line.split()[2:]), n_atoms)


def _cell(bounds: list[list[float]], tilted: bool) -> NDArray[np.float64]:
    """Lattice vectors from the box bounds of a dump.

    Those of a triclinic box bound the tilted cell, so the tilts are taken off first
    (docs.lammps.org/Howto_triclinic.html).
    """
    xy, xz, yz = (row[2] for row in bounds) if tilted else (0.0, 0.0, 0.0)
    (xlo, xhi), (ylo, yhi), (zlo, zhi) = (row[:2] for row in bounds)
    xlo, xhi = xlo - min(0.0, xy, xz, xy + xz), xhi - max(0.0, xy, xz, xy + xz)
    ylo, yhi = ylo - min(0.0, yz), yhi - max(0.0, yz)
    return np.array([[xhi - xlo, 0.0, 0.0], [xy, yhi - ylo, 0.0], [xz, yz, zhi - zlo]])
