"""Fixtures for all tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from egraff_lmp.data.frames import Frames

ROOT = Path(__file__).resolve().parent.parent
# The ab-initio data are in ../shared/data unless EGRAFF_DATA says otherwise, as in the Makefile.
# The variable is set for the processes that tests start, too.
BESIDE = ROOT.parent / "shared" / "data"
if BESIDE.is_dir():
    os.environ.setdefault("EGRAFF_DATA", str(BESIDE))
# Byte that the C library fills freed memory with, and fresh memory with its complement: that of a
# new process happens to hold zeros, which hides what is read before it is written. Doubles of these
# bytes are 32.5 and -0.12, floats 3 and -1.5; 32-bit integers are over a billion in size.
POISON = "64"
# MPICH: a rank that has asked this often in vain sleeps for a moment. Tests start more ranks than
# there are cores, and ranks that wait would keep the cores from those that compute.
POLLS_BEFORE_SLEEP = "500"


def pytest_configure(config: pytest.Config) -> None:
    """For every program that a test starts, all MPI ranks among them."""
    os.environ.setdefault("MALLOC_PERTURB_", POISON)
    os.environ.setdefault("MPIR_CVAR_CH4_PROGRESS_THROTTLE", "1")
    os.environ.setdefault("MPIR_CVAR_CH4_PROGRESS_THROTTLE_NO_PROGRESS_COUNT", POLLS_BEFORE_SLEEP)
    # A shell starts background jobs with SIGINT ignored, and what they start inherits that.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def root() -> Path:
    """Root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def ab_initio_data() -> Path:
    """Folder with the real ab-initio data, or a skip that says where it was looked for."""
    folder = Path(os.environ.get("EGRAFF_DATA", BESIDE))
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
