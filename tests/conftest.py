"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


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
