"""Radial weights of a network that is trained: read from a table that is made anew at every step.

In float32 the radial network is evaluated at the knots of a table and not for every edge: some
hundred distances in place of some thousand, and without its second derivatives, since the distances
of the knots are constant. The last map of the network is linear, and so is the interpolation: both
are one product, table = (S h) W with the activations h at the knots, the solution S of the spline's
conditions, and the last matrix W. Gradients reach the weights through the table.

How fine a table must be is measured, with the bounds of `table`, from the weights as they are when
`choose_tables` is called. In float64, and where no table is good enough, the network is evaluated
for every edge.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch

from egraff_lmp.forcefields.fast.derived import Modules
from egraff_lmp.forcefields.fast.radial import ExactConvolution
from egraff_lmp.forcefields.fast.table import Radial, interpolation, measured_table

INTERVALS = (256, 512, 1024)


class TrainedConvolution(ExactConvolution):
    """`ExactConvolution` that is trained, by a table where one is good enough.

    Args:
        paths: see `convolution.convolution_paths`.
        network: what the exact convolution takes, with the factors of the paths in its weights; its
            `split` gives activations and a matrix whose product is its result.
        argument: x (S,) in [0, 1], float64, to what `network` takes.
        exact: gives the same function of x, (S,) to (S, n_paths, C), in float64, of the weights as
            they are now.
    """

    def __init__(
        self,
        paths: list[int],
        network: Any,
        argument: Callable[[torch.Tensor], torch.Tensor],
        exact: Callable[[], Radial],
    ) -> None:
        super().__init__(paths, None, network, torch.float32, trained=True)
        self.argument, self.exact = argument, exact
        self.intervals = 0

    def choose_table(self) -> None:
        """The smallest table that is good for the weights as they are, or none."""
        exact = self.exact()
        self.intervals = 0
        for intervals in INTERVALS:
            with torch.no_grad():
                coefficients = self.coefficients(intervals).double()
            coefficients = coefficients.view(intervals + 3, self.n_paths, -1)
            if measured_table(exact, coefficients).is_good():
                self.intervals = intervals
                return

    def coefficients(self, intervals: int) -> torch.Tensor:
        """Table of the weights as they are, (intervals + 3, n_paths * C)."""
        knots, solution = _knots(intervals)
        activations, last = self.network.split(self.argument(knots))
        # Slopes are differences of neighbouring rows: activations in float32 would leave them with
        # errors of 5e-5, which those of the exact network do not have.
        return torch.mm(torch.mm(solution, activations).to(last.dtype), last)

    def forward(
        self,
        features: torch.Tensor,
        harmonics: torch.Tensor,
        x: torch.Tensor,
        embedding: torch.Tensor,
        edge_index: torch.Tensor,
        n_local: int,
    ) -> torch.Tensor:
        """As `ExactConvolution.forward`, which `embedding` is for where there is no table."""
        if not self.intervals:
            return super().forward(features, harmonics, x, embedding, edge_index, n_local)
        table = self.coefficients(self.intervals).unsqueeze(0)
        kinds = torch.zeros_like(x, dtype=torch.int64)
        weights = torch.ops.egraff.radial_table(x, table, kinds)
        weights = weights.view(-1, self.n_paths, features.size(2))
        result: torch.Tensor = torch.ops.egraff.convolution(
            features, harmonics, weights, edge_index, n_local, self.paths
        )
        return result


def trained_convolution(
    paths: list[int],
    network: Any,
    argument: Callable[[torch.Tensor], torch.Tensor],
    exact: Callable[[], Radial],
    dtype: torch.dtype,
) -> ExactConvolution:
    """A convolution whose radial network is trained, with tables in float32.

    Args:
        paths, network, argument, exact: see `TrainedConvolution`.
        dtype: of the features.
    """
    if dtype != torch.float32:
        return ExactConvolution(paths, None, network, dtype, trained=True)
    return TrainedConvolution(paths, network, argument, exact)


def choose_tables(network: Modules) -> int:
    """Choose the tables of a network whose numbers are those of the weights (`derived.refresh`).

    The network's `reads_embedding` says whether it must embed the distance of every edge.

    Returns:
        The number of layers for whose weights no table is good enough.
    """
    layers = _tabulated(network)
    for layer in layers:
        layer.choose_table()
    without = sum(layer.intervals == 0 for layer in layers)
    if layers:
        network.reads_embedding = without > 0  # type: ignore[attr-defined]
    return without


def drop_tables(network: Modules) -> None:
    """Have all radial networks evaluated for every edge, as if no table were good enough."""
    for layer in _tabulated(network):
        layer.intervals = 0
        network.reads_embedding = True  # type: ignore[attr-defined]


def _tabulated(network: Modules) -> list[TrainedConvolution]:
    return [each for each in network.modules() if isinstance(each, TrainedConvolution)]


@lru_cache(maxsize=len(INTERVALS))
def _knots(intervals: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Knots (n + 1,), and what makes coefficients of values there, in float64."""
    knots = torch.arange(intervals + 1, dtype=torch.float64) / intervals
    # The functions end at the cutoff with their derivatives, which `measured_table` would notice.
    return knots, interpolation(intervals)[:, 1:-1].contiguous()
