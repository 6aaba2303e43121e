"""The names of the operators, as a contract lists them."""

from __future__ import annotations

import io
import re

import torch


def operators_of(scripted: torch.jit.ScriptModule) -> tuple[str, ...]:
    """Names of the operators of this project that a scripted network calls, sorted.

    The exchange is left out: every version knows it.
    """
    # As it is read back: until then the calls of submodules are not all inlined. Its text, because
    # the nodes that torch hands out of an inlined graph do not outlive it.
    buffer = io.BytesIO()
    torch.jit.save(scripted, buffer)
    buffer.seek(0)
    found = set(re.findall(r"egraff::(\w+)\(", str(torch.jit.load(buffer).inlined_graph)))
    return tuple(sorted(found - {"exchange"}))
