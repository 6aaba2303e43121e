"""Memory that is freed is there for the next step."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Page faults of ten times 64 MB that are written and freed, after the heap has found its size.
CODE = """
import resource, torch
from egraff_lmp.train.allocator import keep_freed_memory
kept = {keep} and keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(2**24)
before = faults()
for _ in range(10):
    torch.ones(2**24)
print(faults() - before, int(kept))
"""
PAGES = 10 * 2**26 // 4096


def faults(keep: bool) -> tuple[int, bool]:
    words = [sys.executable, "-c", CODE.format(keep=keep)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    number, kept = map(int, done.stdout.split())
    return number, bool(kept)


def test_a_tensor_gets_the_pages_of_the_one_before() -> None:
    number, kept = faults(True)
    if not kept:
        pytest.skip("the C library has no mallopt")
    assert number < PAGES / 100


def test_without_it_every_tensor_has_new_pages() -> None:
    """What the first test shows is its doing; huge pages are two thousand small ones."""
    number, _ = faults(False)
    assert number >= PAGES / 512
