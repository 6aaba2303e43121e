"""Equiformer's products of features with harmonics on the operators: weights, sums and maps.

See `equiformer`; products are deployed with tables, or trained with the networks of their weights.
"""

from __future__ import annotations

import copy
from typing import Any

import torch

from egraff_lmp.forcefields.equiformer import EquiformerNetwork
from egraff_lmp.forcefields.fast.convolution import INTEGERS_A_PATH, convolution_paths
from egraff_lmp.forcefields.fast.derived import Linear
from egraff_lmp.forcefields.fast.expnorm import distance_at
from egraff_lmp.forcefields.fast.linear import NodeLinear
from egraff_lmp.forcefields.fast.perceptron import SiLU
from egraff_lmp.forcefields.fast.radial import ExactConvolution, TabulatedConvolution
from egraff_lmp.forcefields.layers import expnorm_basis, polynomial_envelope


class _Radial(torch.nn.Module):
    """Weights of a product: distances (S, 1) in A to (S, paths * C)."""

    __constants__ = ("enveloped", "power", "r_max")

    def __init__(self, network: EquiformerNetwork, radial: Any, *, enveloped: bool) -> None:
        super().__init__()
        self.r_max, self.power = network.r_max, network.envelope_power
        self.enveloped = enveloped
        self.register_buffer("means", network.means.detach().clone())  # type: ignore[operator]
        self.register_buffer("betas", network.betas.detach().clone())  # type: ignore[operator]
        self.net = copy.deepcopy(radial.net)

    def forward(self, lengths: torch.Tensor) -> torch.Tensor:
        given = lengths.to(self.betas)  # type: ignore[arg-type]
        basis = expnorm_basis(given, self.means, self.betas, self.r_max)  # type: ignore[arg-type]
        weights = self.net(basis)
        if self.enveloped:
            envelope = polynomial_envelope(lengths, self.r_max, self.power)
            weights = weights * envelope.to(self.betas)  # type: ignore[arg-type]
        return weights


class JoinedRadial(torch.nn.Module):
    """Envelope and basis side by side, for radial networks that are trained: computed once."""

    def __init__(self, network: EquiformerNetwork) -> None:
        super().__init__()
        self.r_max, self.power = network.r_max, network.envelope_power
        self.register_buffer("means", network.means.detach().clone())  # type: ignore[operator]
        self.register_buffer("betas", network.betas.detach().clone())  # type: ignore[operator]

    def forward(self, lengths: torch.Tensor) -> torch.Tensor:
        """Distances (S, 1) in A, float64, to (S, 1 + K)."""
        given = lengths.to(self.betas)  # type: ignore[arg-type]
        basis = expnorm_basis(given, self.means, self.betas, self.r_max)  # type: ignore[arg-type]
        envelope = polynomial_envelope(lengths, self.r_max, self.power)
        return torch.cat([envelope.to(basis), basis], dim=1)


class _TrainedRadial(torch.nn.Module):
    """`_Radial` from what `JoinedRadial` gives; the product's factors (paths * C,) are in it."""

    def __init__(self, radial: Any, factors: torch.Tensor, *, enveloped: bool) -> None:
        super().__init__()
        self.enveloped = enveloped
        *others, last = radial.net
        layers = [
            SiLU(trained=True) if isinstance(layer, torch.nn.SiLU) else layer for layer in others
        ]
        self.net = torch.nn.Sequential(
            *layers,
            Linear(lambda: last.weight * factors.unsqueeze(1), lambda: last.bias * factors),
        )

    def forward(self, joined: torch.Tensor) -> torch.Tensor:
        envelope, basis = joined.split([1, joined.size(1) - 1], dim=1)
        weights: torch.Tensor = self.net(basis)
        return weights * envelope if self.enveloped else weights


def convolution(
    network: EquiformerNetwork,
    product: Any,
    radial: Any,
    channels: int,
    *,
    fine: bool,
    trained: bool,
    enveloped: bool = False,
) -> Any:
    """A product with weights by distance, its sum over neighbours included.

    Its table has fine knots at the cutoff if `fine`, see `expnorm`.
    """
    paths, factors = convolution_paths(product, channels)
    if trained:
        of_channels = factors.repeat_interleave(channels).to(network.dtype)
        weights_of = _TrainedRadial(radial, of_channels, enveloped=enveloped)
        return ExactConvolution(paths, None, weights_of, network.dtype, trained=True)
    given = _Radial(network, radial, enveloped=enveloped)
    if network.dtype != torch.float32:
        return ExactConvolution(paths, factors, given, network.dtype)
    exact = given.double()

    def weights(place: torch.Tensor) -> torch.Tensor:
        lengths = (distance_at(place, fine) * network.r_max).unsqueeze(1)
        return exact(lengths).view(place.size(0), -1, channels)

    return TabulatedConvolution(paths, factors, weights, network.dtype)


class UnitConvolution(torch.nn.Module):
    """A product of edges' features with harmonics, all of whose weights are one."""

    def __init__(self, paths: list[int], channels: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.paths = paths
        self.table_error = 0.0
        # Splines sum to one: a table of ones is one everywhere, and stays in the nearest cache.
        n_paths = len(paths) // INTEGERS_A_PATH
        self.register_buffer("table", torch.ones(4, n_paths, channels, dtype=dtype))

    def forward(
        self,
        features: torch.Tensor,
        harmonics: torch.Tensor,
        places: torch.Tensor,
        lengths: torch.Tensor,
        edge_index: torch.Tensor,
        n_local: int,
    ) -> torch.Tensor:
        """As `TabulatedConvolution.forward`; places and lengths are not used."""
        middle = torch.full_like(places, 0.5)
        return torch.ops.egraff.tabulated_convolution(
            features, harmonics, middle, self.table, edge_index, n_local, self.paths
        )


class MappedProduct(torch.nn.Module):
    """A product of edges' features with harmonics, and a linear map of it."""

    def __init__(self, product: torch.nn.Module, linear: NodeLinear) -> None:
        super().__init__()
        self.product, self.linear = product, linear
        self.table_error: float = product.table_error  # type: ignore[assignment]

    def forward(
        self,
        features: torch.Tensor,
        harmonics: torch.Tensor,
        places: torch.Tensor,
        lengths: torch.Tensor,
    ) -> torch.Tensor:
        """(E, rows, C) to (E, rows', C).

        Args:
            features: of the edges.
            harmonics: (E, (l_max + 1)^2).
            places: in the tables, (E,).
            lengths: in A, (E, 1).
        """
        n_edges = features.size(0)
        # Each edge is a centre, whose only neighbour is itself.
        edges = torch.arange(n_edges, device=features.device)
        to_edges = torch.stack([edges, edges])
        sums = self.product(features, harmonics, places, lengths, to_edges, n_edges)
        return self.linear(sums, edges)


class TrainedProduct(torch.nn.Module):
    """The same with gradients of all weights. The operator does not keep the product's result.

    Args:
        paths: of the product.
        radial: what the weights of the product are made by; None where all of them are one.
        linear: the map.
    """

    def __init__(
        self, paths: list[int], radial: torch.nn.Module | None, linear: NodeLinear
    ) -> None:
        super().__init__()
        self.paths, self.radial, self.linear = paths, radial, linear
        self.n_paths = len(paths) // INTEGERS_A_PATH
        self.table_error = 0.0

    def forward(
        self,
        features: torch.Tensor,
        harmonics: torch.Tensor,
        places: torch.Tensor,
        lengths: torch.Tensor,
    ) -> torch.Tensor:
        """As `MappedProduct.forward`, but for `lengths`: what `JoinedRadial` makes of them."""
        n_edges, channels = features.size(0), features.size(2)
        weights = features.new_ones(1, self.n_paths, channels)
        if self.radial is not None:
            weights = self.radial(lengths).view(n_edges, self.n_paths, channels)
        edges = torch.arange(n_edges, device=features.device)
        linear = self.linear
        result: torch.Tensor = torch.ops.egraff.convolution_map(
            features,
            harmonics,
            weights,
            torch.stack([edges, edges]),
            n_edges,
            self.paths,
            linear.weights,
            linear.blocks,
            linear.rows_out,
            linear.bias if linear.has_bias else None,
        )
        return result
