"""e3nn's gate as parts of `egraff::gate`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from egraff_lmp.forcefields.fast.layout import Layout
from egraff_lmp.forcefields.fast.unavailable import KernelsUnavailable

_ACTIVATIONS = {"silu": 0, "tanh": 1}


class Gate(torch.nn.Module):
    """Activated scalars, and irreps multiplied by activated scalars.

    Args:
        gate: e3nn's.
        channels: C.

    Raises:
        KernelsUnavailable: another nonlinearity, or rows that do not fall into whole channels.
    """

    def __init__(self, gate: Any, channels: int) -> None:
        super().__init__()
        if type(gate).__name__ != "Gate":
            raise KernelsUnavailable(f"expected e3nn's Gate, got {type(gate).__name__}")
        source = Layout(gate.irreps_in, channels)
        # Where the gate takes its three inputs from, told by numbering what goes in.
        numbers = torch.arange(gate.irreps_in.dim, dtype=torch.get_default_dtype())
        places = source.places()
        scalars, gates, gated = (
            places[part.detach().numpy().astype(np.int64)] for part in gate.sc(numbers)
        )
        self.parts: list[int] = []
        self.scales: list[float] = []
        for rows, act in _activated(scalars, gate.act_scalars, channels):
            for row in rows:
                self._add(act, row, 1, -1)
        gate_rows = [
            (row, act) for rows, act in _activated(gates, gate.act_gates, channels) for row in rows
        ]
        start = copy = 0
        for mul, ir in gate.irreps_gated:
            if mul != channels:
                raise KernelsUnavailable(f"expected {channels} gated channels, got {mul}x{ir}")
            block = gated[start : start + mul * ir.dim].reshape(mul, ir.dim).T
            start += mul * ir.dim
            rows = _rows(block.ravel(), channels)
            if rows != list(range(rows[0], rows[0] + ir.dim)):
                raise KernelsUnavailable("expected the rows of a gated irrep side by side")
            row, act = gate_rows[copy]
            copy += 1
            self._add(act, rows[0], ir.dim, row)

    def _add(self, act: Any, row: int, count: int, gate: int) -> None:
        name = getattr(act.f, "__name__", str(act.f))
        if name not in _ACTIVATIONS:
            raise KernelsUnavailable(f"expected silu or tanh, got {name}")
        self.parts += [_ACTIVATIONS[name], row, count, gate]
        self.scales.append(float(act.cst))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(n, rows, C) to (n, rows of `irreps_out`, C)."""
        return torch.ops.egraff.gate(features, self.parts, self.scales)


def _activated(
    places: NDArray[np.int64], activation: Any, channels: int
) -> list[tuple[list[int], Any]]:
    """The rows of each entry of scalars, and its activation."""
    found = []
    start = 0
    for (mul, _), act in zip(activation.irreps_in, activation.acts, strict=True):
        if act is None or not hasattr(act, "cst"):
            raise KernelsUnavailable("expected an activation of every scalar")
        found.append((_rows(places[start : start + mul], channels), act))
        start += mul
    return found


def _rows(places: NDArray[np.int64], channels: int) -> list[int]:
    """The rows that places in the order [rows, channels] name."""
    rows, channel = np.divmod(places.reshape(-1, channels), channels)
    if (rows != rows[:, :1]).any() or (channel != np.arange(channels)).any():
        raise KernelsUnavailable("expected scalars that fill whole rows of channels")
    return [int(row) for row in rows[:, 0]]
