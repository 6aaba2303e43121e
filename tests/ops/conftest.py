"""Operators under every instruction set of this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from egraff_lmp.operators import load_operators

load_operators()
SETS = ("portable", "avx2", "avx512")
FLAGS = {"portable": (), "avx2": ("avx2", "fma"), "avx512": ("avx512f", "avx512bw", "avx512vl")}


def _has(name: str) -> bool:
    with open("/proc/cpuinfo") as stream:
        flags = next((line for line in stream if line.startswith("flags")), "").split()
    return all(flag in flags for flag in FLAGS[name])


@pytest.fixture
def available() -> dict[str, bool]:
    """Each instruction set, and whether this processor has it; from the plainest to the fastest."""
    return {name: _has(name) for name in SETS}


@pytest.fixture(params=SETS)
def instructions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """One instruction set after the other; those that the processor lacks are skipped."""
    if not _has(request.param):
        pytest.skip(f"this processor has no {request.param}")
    monkeypatch.setenv("EGRAFF_INSTRUCTIONS", request.param)
    return str(request.param)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Tensors this small are nothing to share, and threads without a core wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
