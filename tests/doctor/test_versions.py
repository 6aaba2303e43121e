"""Version numbers."""

from __future__ import annotations

import pytest

from egraff_lmp.doctor.mpi_flavour import family
from egraff_lmp.doctor.versions import lammps_number, numbers, satisfies


@pytest.mark.parametrize(
    ("version", "specifier", "fits"),
    [
        ("2.13.0+cpu", "==2.13.0", True),
        ("2.13.1", "==2.13.0", False),
        ("2.10", ">=2.8,<3", True),  # numbers, not text
        ("2.7.9", "<3,>=2.8", False),
        ("3", ">=2.8,<3", False),
        ("3.0.0rc1", "<3", False),
        ("0.6", ">=0.6,<0.7", True),
        ("1.5", "!=1.5.0", False),
        ("1.0", "", True),
        ("2.9.0.dev20251001", ">=2.8,<3", True),  # a nightly build
        ("1.5.post1", ">=1.5,<1.6", True),
        ("main", ">=1", True),  # nothing that could be judged
        ("1.5", "of today", True),
    ],
)
def test_satisfies(version, specifier, fits):
    assert satisfies(version, specifier) is fits


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2025.7.22.4.0", 20250722),
        ("22 Jul 2025 - Update 4", 20250722),
        ("2 August 2023", 20230802),
        ("2 Frimaire 1794", None),
        ("unknown", None),
    ],
)
def test_lammps_number(text, number):
    assert lammps_number(text) == number


def test_numbers_of_what_is_no_version():
    assert numbers("main") == ()


def test_numbers_leave_local_parts_and_candidates_out():
    assert numbers("2.13.0+cpu") == numbers("2.13") == numbers("2.13.0rc1") == (2, 13, 0)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Open MPI v4.1.4, package: Debian", "Open MPI"),
        ("MPICH Version: 5.0.2", "MPICH"),
        ("mpich (wheel)", "MPICH"),
        ("Intel(R) MPI Library 2021.11", "MPICH"),
        ("CRAY MPICH version 8.1", "MPICH"),
        ("MVAPICH2 Version : 2.3", "MPICH"),
        ("Another MPI", "Another MPI"),
    ],
)
def test_family(text, name):
    assert family(text) == name
