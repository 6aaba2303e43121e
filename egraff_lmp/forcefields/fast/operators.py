"""Loading the operators, and their names as a contract lists them."""

from __future__ import annotations

import re

import torch

from egraff_lmp.paths import OPS_LIBRARY, native_dir


def load_operators() -> None:
    """Make `torch.ops.egraff` known to this process."""
    torch.ops.load_library(str(native_dir() / OPS_LIBRARY))


def operators_of(scripted: torch.jit.ScriptModule) -> tuple[str, ...]:
    """Names of the operators of this project that a scripted network calls, sorted.

    The exchange is left out: every version knows it.
    """
    # Its text, because the nodes that torch hands out of an inlined graph do not outlive it.
    found = set(re.findall(r"egraff::(\w+)\(", str(scripted.inlined_graph)))
    return tuple(sorted(found - {"exchange"}))
