"""The program as it is typed, and processes that tests start, watch and kill."""

from __future__ import annotations

import sys
from pathlib import Path

# `egraff`, run by the interpreter of the tests.
PROGRAM = (sys.executable, "-c", "from egraff_lmp.cli import main; main()")


def descendants(pid: int) -> list[int]:
    """Process IDs of all children of a process, and of theirs."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = [pid]
    for parent in found:
        found += [child for child, of in parents.items() if of == parent]
    return found[1:]


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
