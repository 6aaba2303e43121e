"""Radial weights of a convolution: a table in float32, the network itself in float64.

Those of a network that is trained are in `trained_radial`.
"""

from __future__ import annotations

from typing import Any

import torch

from egraff_lmp.forcefields.fast.convolution import INTEGERS_A_PATH
from egraff_lmp.forcefields.fast.derived import part_of
from egraff_lmp.forcefields.fast.table import VALUE_ERROR, Radial, Table, fit_table
from egraff_lmp.forcefields.fast.unavailable import KernelsUnavailable


def require_table(radial: Radial, share: float = 1.0) -> Table:
    """A table of these weights that is good.

    Args:
        radial: see `table.fit_table`.
        share: of the errors that are usual which this one may have.

    Raises:
        KernelsUnavailable: no table is as accurate as it must be.
    """
    table = fit_table(radial, share)
    if not table.is_good(share):
        raise KernelsUnavailable(
            f"expected radial weights that a table holds to {share * VALUE_ERROR:g} of the "
            f"largest, got an error of {table.value_error:.1e} and of {table.slope_error:.1e} in "
            "slope"
        )
    return table


class TabulatedConvolution(torch.nn.Module):
    """Gather, tensor product and sum over neighbours with weights read from a table.

    Args:
        paths: see `convolution.convolution_paths`.
        factors: of the paths, (n_paths,).
        radial: x (S,) to the weights (S, n_paths, C), both float64, without the factors.
        dtype: of the features.

    Raises:
        KernelsUnavailable: no table is as accurate as it must be.
    """

    def __init__(
        self, paths: list[int], factors: torch.Tensor, radial: Radial, dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.paths = paths
        table = require_table(lambda x: radial(x) * factors.view(1, -1, 1))
        self.table_error = table.value_error
        self.register_buffer("table", table.coefficients.to(dtype))

    @torch.jit.export
    def of_edges(
        self, x: torch.Tensor, embedding: torch.Tensor
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """What `egraff::interaction` takes of edges: weights, radial and table.

        Args:
            x, embedding: see `forward`.
        """
        return None, x, self.table  # type: ignore[return-value]

    def forward(
        self,
        features: torch.Tensor,
        harmonics: torch.Tensor,
        x: torch.Tensor,
        embedding: torch.Tensor,
        edge_index: torch.Tensor,
        n_local: int,
    ) -> torch.Tensor:
        """Sums over neighbours, (n_local, rows, C).

        Args:
            features: (n_all, rows, C).
            harmonics: (E, (l_max + 1)^2).
            x: distances over the cutoff, (E,).
            embedding: not used here.
            edge_index: (2, E).
            n_local: number of centres.
        """
        return torch.ops.egraff.tabulated_convolution(
            features, harmonics, x, self.table, edge_index, n_local, self.paths
        )


class ExactConvolution(torch.nn.Module):
    """The same with weights that the radial network gives for every edge.

    Args:
        paths: see `convolution.convolution_paths`.
        factors: of the paths, (n_paths,); None where they are in the network's weights.
        network: embedding (E, n_basis) to weights (E, n_paths * C).
        dtype: of the features.
        trained: whether the network is to be trained in its place.
    """

    __constants__ = ("has_factors",)

    def __init__(
        self,
        paths: list[int],
        factors: torch.Tensor | None,
        network: Any,
        dtype: torch.dtype,
        *,
        trained: bool = False,
    ) -> None:
        super().__init__()
        self.paths = paths
        self.n_paths = len(paths) // INTEGERS_A_PATH
        self.table_error = 0.0
        self.network = part_of(network, trained=trained)
        self.has_factors = factors is not None
        given = torch.ones(0) if factors is None else factors
        self.register_buffer("factors", given.to(dtype).view(1, -1, 1))

    @torch.jit.export
    def of_edges(
        self, x: torch.Tensor, embedding: torch.Tensor
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """As `TabulatedConvolution.of_edges`."""
        weights = self.network(embedding)
        channels = weights.size(1) // self.n_paths
        weights = weights.view(-1, self.n_paths, channels)
        if self.has_factors:
            weights = weights * self.factors
        return weights, None, None

    def forward(
        self,
        features: torch.Tensor,
        harmonics: torch.Tensor,
        x: torch.Tensor,
        embedding: torch.Tensor,
        edge_index: torch.Tensor,
        n_local: int,
    ) -> torch.Tensor:
        """As `TabulatedConvolution.forward`; `embedding` is (E, n_basis), `x` is not used."""
        weights = self.network(embedding).view(-1, self.n_paths, features.size(2))
        if self.has_factors:
            weights = weights * self.factors
        return torch.ops.egraff.convolution(
            features, harmonics, weights, edge_index, n_local, self.paths
        )
