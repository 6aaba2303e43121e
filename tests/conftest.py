"""Fixtures for all tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from egraff_lmp.data.frames import Frames

ROOT = Path(__file__).resolve().parent.parent
# Byte that the C library fills freed memory with, and fresh memory with its complement: that of a
# new process happens to hold zeros, which hides what is read before it is written. Doubles of these
# bytes are 32.5 and -0.12, floats 3 and -1.5; 32-bit integers are over a billion in size.
POISON = "64"


def pytest_configure(config: pytest.Config) -> None:
    """Every program that a test starts, all MPI ranks among them, runs with poisoned memory."""
    os.environ.setdefault("MALLOC_PERTURB_", POISON)


@pytest.fixture(scope="session")
def root() -> Path:
    """Root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def ab_initio_data() -> Path:
    """Folder with the real ab-initio data, or a skip that says where it was looked for."""
    folder = Path(os.environ.get("EGRAFF_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no ab-initio data at {folder}: set EGRAFF_DATA to the folder")
    return folder


@pytest.fixture
def published(ab_initio_data: Path) -> Callable[..., Frames]:
    """Frames of a released archive, as in published("GeTe/data/val", slice(0, 100))."""

    def read(part: str, which: slice = slice(None), timestep_fs: float | None = None) -> Frames:
        from egraff_lmp.data.npz import read_npz

        path = ab_initio_data / "MDBENCHGNN" / "Datasets" / part / "nequip_npz.npz"
        if not path.is_file():
            pytest.skip(f"{path} is not there")
        return replace(read_npz(path).select(which), timestep_fs=timestep_fs)

    return read
