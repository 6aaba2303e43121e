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
# As in the Makefile: the data beside the checkout, for the processes that tests start, too.
BESIDE = ROOT.parent / "shared" / "data"
if BESIDE.is_dir():
    os.environ.setdefault("EGRAFF_DATA", str(BESIDE))


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
