"""Fixtures of the tests of `egraff bench`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from bench_fakes import STAGES, Fakes

from egraff_lmp.bench import work


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Fakes:
    """Stand-ins for the work of every stage; modules with scores of their own replace it."""
    found = Fakes()
    for name in STAGES:
        monkeypatch.setattr(work, name, getattr(found, name))
    return found
