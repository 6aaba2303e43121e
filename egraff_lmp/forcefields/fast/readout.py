"""Readouts of the energy from an atom's scalars, which stand in the first row of its features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from e3nn import o3

from egraff_lmp.forcefields.fast.derived import Recipe, derive
from egraff_lmp.forcefields.fast.unavailable import KernelsUnavailable


class Unread(torch.nn.Module):
    """Zero for every atom: a layer that is not read."""

    def forward(self, scalars: torch.Tensor) -> torch.Tensor:
        """(n, C) to (n,)."""
        return torch.zeros_like(scalars[:, 0])


class Readout(torch.nn.Module):
    """One number from C scalars, with a layer of SiLU before it where there is one.

    Args:
        hidden: gives (C, width) of that layer, or None.
        weights: gives (C,) or (width,).
    """

    __constants__ = ("deep",)

    def __init__(self, hidden: Recipe | None, weights: Recipe) -> None:
        super().__init__()
        self.deep = hidden is not None
        if hidden is None:
            self.register_buffer("hidden", torch.zeros(0))
        else:
            derive(self, "hidden", hidden)
        derive(self, "weights", weights)

    def forward(self, scalars: torch.Tensor) -> torch.Tensor:
        """(n, C) to (n,)."""
        if self.deep:
            scalars = torch.nn.functional.silu(torch.mm(scalars, self.hidden))  # type: ignore[arg-type]
        return torch.mv(scalars, self.weights)  # type: ignore[arg-type]


def linear_readout(linear: Any, irreps: o3.Irreps) -> Readout:
    """e3nn's `Linear` from irreps, scalars first, to one scalar."""
    n_scalars = _scalars(irreps)
    return Readout(None, lambda: _one_number(_scalar_matrix(linear, n_scalars)))


def deep_readout(
    linear_1: Any,
    activation: Callable[[torch.Tensor], torch.Tensor],
    linear_2: Any,
    irreps: o3.Irreps,
) -> Readout:
    """linear_2(activation(linear_1(features))), the activation being a multiple of SiLU."""
    x = torch.linspace(-2.0, 2.0, 9, dtype=torch.float64)
    silu = torch.nn.functional.silu(x)
    factor = float(activation(x)[-1] / silu[-1])
    if not torch.allclose(activation(x), factor * silu, rtol=1e-6, atol=1e-9):
        raise KernelsUnavailable("expected a readout with SiLU")
    n_scalars, width = _scalars(irreps), linear_2.irreps_in.dim

    return Readout(
        lambda: _scalar_matrix(linear_1, n_scalars),
        lambda: factor * _one_number(_scalar_matrix(linear_2, width)),
    )


def _scalars(irreps: o3.Irreps) -> int:
    if irreps[0].ir != o3.Irrep("0e"):
        raise KernelsUnavailable(f"expected scalars first, got {irreps}")
    return int(irreps[0].mul)


def _scalar_matrix(linear: Any, n_scalars: int) -> torch.Tensor:
    """What a map does to the scalars that lead its input; nothing else reaches a scalar."""
    units = torch.eye(n_scalars, linear.irreps_in.dim, dtype=linear.weight.dtype)
    return linear(units)


def _one_number(matrix: torch.Tensor) -> torch.Tensor:
    if matrix.size(1) != 1:
        raise KernelsUnavailable(f"expected a readout of one number, got {matrix.size(1)}")
    return matrix[:, 0]
