"""Derivatives of the exchange of features: ghosts are copies of atoms, and change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from exchange_host import exchange_host

OPS = torch.ops.egraff
# Sums over edges to ghosts and to atoms in another order, relative to the largest number.
ROUNDING = {torch.float32: 5e-6, torch.float64: 1e-13}
N_LOCAL = 4
OWNERS = np.array([3, 0, 0, 2, 3])  # of the ghosts, those of one atom twice
N_ALL = N_LOCAL + len(OWNERS)
# Scalars and vectors to both.
PATHS = [0, 0, 0, 0, 1, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 0, 1]
BLOCKS = [0, 1, 1, 0, 1, 0, 1, 1, 3, 1, 1, 25]


@contextmanager
def copies(calls: list[str]) -> Iterator[None]:
    """A host whose ghosts are copies of its own atoms; it notes the calls."""

    def forward(rows: np.ndarray) -> None:
        calls.append("forward")
        rows[N_LOCAL:] = rows[OWNERS]

    def reverse(rows: np.ndarray) -> None:
        calls.append("reverse")
        np.add.at(rows, OWNERS, rows[N_LOCAL:].copy())

    with exchange_host(N_LOCAL, N_ALL, forward, reverse):
        yield


def layer(
    x: torch.Tensor, weights: torch.Tensor, y: torch.Tensor, w: torch.Tensor, index: torch.Tensor
) -> torch.Tensor:
    """A linear map, the exchange, and a convolution over edges to atoms and ghosts."""
    sent = OPS.exchange(OPS.node_linear(x, weights, None, BLOCKS, 4, 5))
    return OPS.convolution(torch.tanh(sent), y, w, index, N_LOCAL, PATHS)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_second_derivative(dtype: torch.dtype) -> None:
    """As with forces in a loss: of features, weights and harmonics, with ghosts and without."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        found = torch.randn(shape, generator=generator, dtype=torch.float64)
        return found.float().to(dtype).requires_grad_(True)

    inputs = [random(N_LOCAL, 4, 5), random(1, 50), random(30, 4), random(30, 3, 5)]
    centers = torch.randint(0, N_LOCAL, (30,), generator=generator)
    to_all = torch.randint(0, N_ALL, (30,), generator=generator)
    of_atom = torch.tensor([*range(N_LOCAL), *OWNERS])
    assert (to_all >= N_LOCAL).any()
    along = random(30, 4).detach()

    def derivatives(index: torch.Tensor) -> list[torch.Tensor]:
        x, weights, y, w = inputs
        for _ in range(2):
            x = layer(x, weights, y, w, index)
        # The gradient by the harmonics stands for the forces.
        (force,) = torch.autograd.grad((x**2).sum(), y, create_graph=True)
        return [x, force, *torch.autograd.grad(force, inputs, along)]

    calls: list[str] = []
    with copies(calls):
        got = derivatives(torch.stack([centers, to_all]))
    # The harmonics of the first layer act before the second exchange. The second pass goes back
    # through the first one's both ways.
    assert calls[:3] == ["forward", "forward", "reverse"]
    assert set(calls[3:]) == {"forward", "reverse"}
    expected = derivatives(torch.stack([centers, of_atom[to_all]]))
    for one, other in zip(got, expected, strict=True):
        assert other.any()
        scale = float(other.detach().abs().max())
        torch.testing.assert_close(one, other, rtol=0, atol=ROUNDING[dtype] * scale)
