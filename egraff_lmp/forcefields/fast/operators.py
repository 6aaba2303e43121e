"""Loading the operators, and their names as a contract lists them."""

from __future__ import annotations

import torch

from egraff_lmp.paths import OPS_LIBRARY, native_dir


def load_operators() -> None:
    """Make `torch.ops.egraff` known to this process."""
    torch.ops.load_library(str(native_dir() / OPS_LIBRARY))


def operators_of(scripted: torch.jit.ScriptModule) -> tuple[str, ...]:
    """Names of the operators of this project that a scripted network calls, sorted.

    The exchange is left out: every version knows it.
    """
    found = set()
    graphs = [scripted.inlined_graph]
    while graphs:
        graph = graphs.pop()
        for node in graph.nodes():
            kind = node.kind()
            if kind.startswith("egraff::") and kind != "egraff::exchange":
                found.add(kind.removeprefix("egraff::"))
            graphs += list(node.blocks())
    return tuple(sorted(found))
