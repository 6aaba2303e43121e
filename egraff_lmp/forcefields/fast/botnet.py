"""BOTNet on the operators, from the weights of the reference network (`forcefields.botnet`).

As in `mace`: features are [atoms, rows, channels] throughout, skip connections are one matrix a
type, and the rest is `layered`. That the whole is equal is shown at export (`proof`).
"""

from __future__ import annotations

from typing import Any

import torch

from egraff_lmp.forcefields.botnet import BOTNetNetwork, _AgnosticRadial, _NonLinearReadout
from egraff_lmp.forcefields.fast.interaction import interaction
from egraff_lmp.forcefields.fast.layered import LayeredNetwork, inward_convolution
from egraff_lmp.forcefields.fast.linear import from_linear, from_type_product
from egraff_lmp.forcefields.fast.perceptron import radial_perceptron
from egraff_lmp.forcefields.fast.readout import deep_readout, linear_readout
from egraff_lmp.forcefields.fast.unavailable import KernelsUnavailable
from egraff_lmp.forcefields.layers import bessel_basis, polynomial_envelope


class _Radial(torch.nn.Module):
    """Weights of all paths of a layer: distances (E, 1) in A, float64, to (E, paths * C)."""

    __constants__ = ("envelope_power", "n_basis", "r_max")

    def __init__(self, network: BOTNetNetwork, layer: Any, factors: torch.Tensor | None) -> None:
        super().__init__()
        self.r_max, self.n_basis = network.r_max, network.n_basis
        self.envelope_power = network.envelope_power
        self.net = radial_perceptron(layer.radial.net, factors)
        # The network's own precision, which tables are not made in.
        self.register_buffer("precise", torch.zeros(0, dtype=network.dtype))

    def forward(self, lengths: torch.Tensor) -> torch.Tensor:
        return self.net(self.embedding(lengths).to(self.precise))  # type: ignore[arg-type]

    def split(self, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `Perceptron.split`, of the whole, in the precision of lengths; where it is trained."""
        return self.net.split(self.embedding(lengths))  # type: ignore[operator, no-any-return]

    def embedding(self, lengths: torch.Tensor) -> torch.Tensor:
        """Of distances (E, 1): (E, n_basis)."""
        return bessel_basis(lengths, self.r_max, self.n_basis) * polynomial_envelope(
            lengths, self.r_max, self.envelope_power
        )


class _Layer(torch.nn.Module):
    """One interaction; see `forcefields.botnet._Layer` for the reference."""

    __constants__ = ("residual",)

    def __init__(self, layer: Any, network: BOTNetNetwork, channels: int, *, trained: bool) -> None:
        super().__init__()
        self.residual = layer.residual
        if not isinstance(layer.radial, _AgnosticRadial):
            raise KernelsUnavailable("expected radial weights that do not depend on the element")
        convolution = inward_convolution(
            layer.tensor_product,
            channels,
            network.r_max,
            lambda factors: _Radial(network, layer, factors),
            network.dtype,
            trained=trained,
        )
        self.table_error: float = convolution.table_error  # type: ignore[assignment]
        norm = torch.tensor([1.0 / layer.norm], dtype=torch.float64)
        down = from_linear(layer.linear, channels, lambda: norm)
        self.message = interaction(trained)(
            convolution, from_linear(layer.linear_up, channels), down, layer.exchanges
        )
        one_hot = torch.eye(network.n_species)
        self.skip = from_type_product(layer.skip, lambda: one_hot, channels)

    def forward(
        self,
        features: torch.Tensor,
        harmonics: torch.Tensor,
        x: torch.Tensor,
        lengths: torch.Tensor,
        edge_index: torch.Tensor,
        types: torch.Tensor,
        n_local: int,
    ) -> torch.Tensor:
        """(n_local, rows, C), in the first layer (n_all, 1, C), to (n_local, rows', C)."""
        local_types = types[:n_local]
        message = self.message(features, harmonics, x, lengths, edge_index, types, n_local)
        if self.residual:
            return message + self.skip(features[:n_local], local_types)
        return self.skip(message, local_types)


class FastBOTNet(LayeredNetwork):
    """The function of `BOTNetNetwork`, with weights that follow from its own.

    Args:
        network: the reference.
        trained: whether those are trained in this network (`derived.refresh`).

    Raises:
        KernelsUnavailable: it has a part that the operators do not cover.
    """

    def __init__(self, network: BOTNetNetwork, *, trained: bool = False) -> None:
        layers: Any = network.layers
        channels = layers[0].linear_up.irreps_in[0].mul
        one_hot = torch.eye(network.n_species, dtype=network.dtype)
        super().__init__(
            network,
            network.harmonics.irreps_out.lmax,
            network.r_max,
            lambda: network.embedding(one_hot),
            [_Layer(layer, network, channels, trained=trained) for layer in layers],
            [
                _readout(readout, layer.irreps_out)
                for readout, layer in zip(network.readouts, layers, strict=True)
            ],
            layers[-1].irreps_out,
        )


def _readout(module: Any, irreps: Any) -> torch.nn.Module:
    if isinstance(module, _NonLinearReadout):
        (activation,) = module.activation.acts
        return deep_readout(module.linear_1, activation, module.linear_2, irreps)
    return linear_readout(module, irreps)
