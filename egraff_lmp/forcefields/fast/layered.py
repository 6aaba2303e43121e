"""What MACE and BOTNet share: layers that are each read, and edge vectors that point inwards.

Their edge vectors point from neighbour to centre, Y_l(-r) = (-1)^l Y_l(r); the radial weights hold
that sign, and the envelope.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from e3nn import o3

from egraff_lmp.forcefields.fast.convolution import INTEGERS_A_PATH, convolution_paths
from egraff_lmp.forcefields.fast.derived import Recipe, derive
from egraff_lmp.forcefields.fast.layout import Layout
from egraff_lmp.forcefields.fast.radial import ExactConvolution, TabulatedConvolution
from egraff_lmp.forcefields.fast.table import Radial
from egraff_lmp.forcefields.fast.trained_radial import trained_convolution

# Where functions such as sin(x) / x are taken instead of at 0, in A.
_SHORTEST = 1e-9


class LayeredNetwork(torch.nn.Module):
    """Layers of messages; the energy of an atom is the sum of what is read from each.

    Args:
        network: the reference, for what its contract says.
        l_max, r_max: of its harmonics, and its cutoff in A.
        by_type: gives the features of each type before the first layer, (n_types, C).
        layers: each takes (features, harmonics, distances over the cutoff, distances in A as a
            column, edge index, types, n_local) to (n_local, rows, C), and has `table_error`.
        readouts: one a layer, (n_local, C) to (n_local,).
        irreps: of the last layer's features, in e3nn's order.
    """

    __constants__ = ("l_max", "r_max", "table_error")

    def __init__(
        self,
        network: Any,
        l_max: int,
        r_max: float,
        by_type: Recipe,
        layers: Sequence[torch.nn.Module],
        readouts: Sequence[torch.nn.Module],
        irreps: o3.Irreps,
    ) -> None:
        super().__init__()
        derive(self, "type_features", lambda: by_type().unsqueeze(1))
        channels = self.type_features.size(2)  # type: ignore[operator]
        self.n_layers = network.n_layers
        self.exchange_widths = network.exchange_widths
        self.outputs = network.outputs
        self.dtype = network.dtype
        self.l_max, self.r_max = l_max, r_max
        built: Any = layers
        self.table_error = max(layer.table_error for layer in built)
        self.layers = torch.nn.ModuleList(layers)
        self.readouts = torch.nn.ModuleList(readouts)
        # The output "features" has e3nn's order.
        self.register_buffer("places", torch.tensor(Layout(irreps, channels).places()))

    def forward(
        self,
        edge_vectors: torch.Tensor,
        edge_index: torch.Tensor,
        types: torch.Tensor,
        n_local: int,
    ) -> dict[str, torch.Tensor]:
        """As the reference network's."""
        harmonics, lengths = torch.ops.egraff.edge_harmonics(edge_vectors, self.l_max, self.dtype)
        x = (lengths / self.r_max).to(self.dtype)
        # Only the exact radial network takes lengths, in float64.
        column = lengths.unsqueeze(1)
        features = self.type_features[types]  # type: ignore[index]
        energy = torch.zeros(n_local, dtype=self.dtype, device=types.device)
        for layer, readout in zip(self.layers, self.readouts):  # noqa: B905 (TorchScript)
            features = layer(features, harmonics, x, column, edge_index, types, n_local)
            energy = energy + readout(features[:, 0])
        last = features.flatten(1)[:, self.places]  # type: ignore[index]
        return {"energy": energy, "features": last}


def inward_convolution(
    product: Any,
    channels: int,
    r_max: float,
    radial: Callable[[torch.Tensor | None], torch.nn.Module],
    dtype: torch.dtype,
    *,
    trained: bool,
) -> torch.nn.Module:
    """A layer's convolution, with a table in float32 where it is not trained.

    Args:
        product: see `convolution.convolution_paths`.
        channels: C.
        r_max: cutoff in A.
        radial: makes the network from distances (E, 1) in A to weights (E, n_paths * C); given
            factors (n_paths * C,), one whose matrices hold them, to be trained.
        dtype: of the features.
        trained: whether the network is trained.
    """
    paths, factors = convolution_paths(product, channels)
    factors = factors * (-1.0) ** torch.tensor(paths[1::INTEGERS_A_PATH])

    def lengths(x: torch.Tensor) -> torch.Tensor:
        return (x * r_max).clamp(min=_SHORTEST).unsqueeze(1)

    if trained:
        of_channels = factors.repeat_interleave(channels).to(dtype)
        return trained_convolution(
            paths,
            radial(of_channels),
            lengths,
            lambda: _of_lengths(radial(None), lengths, factors),
            dtype,
        )
    if dtype != torch.float32:
        return ExactConvolution(paths, factors, radial(None), dtype)
    weights = _of_lengths(radial(None), lengths, torch.ones_like(factors))
    return TabulatedConvolution(paths, factors, weights, dtype)


def _of_lengths(
    network: torch.nn.Module,
    lengths: Callable[[torch.Tensor], torch.Tensor],
    factors: torch.Tensor,
) -> Radial:
    """The function of x that a radial network is in float64, times factors (n_paths,)."""
    exact = network.double()

    def weights(x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = exact(lengths(x)).view(x.size(0), len(factors), -1)
        return found * factors.view(1, -1, 1)

    return weights
