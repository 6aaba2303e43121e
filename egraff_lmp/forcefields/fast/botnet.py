"""BOTNet on the operators, from the weights of the reference network (`forcefields.botnet`).

As in `mace`: features are [atoms, rows, channels] throughout, skip connections are one matrix a
type, and the radial weights hold the envelope and the sign of edge vectors that point from
neighbour to centre, Y_l(-r) = (-1)^l Y_l(r). That the whole is equal is shown at export (`proof`).
"""

from __future__ import annotations

import copy
from typing import Any

import torch

from egraff_lmp.forcefields.botnet import BOTNetNetwork, _AgnosticRadial, _NonLinearReadout
from egraff_lmp.forcefields.exchange import exchange
from egraff_lmp.forcefields.fast.convolution import convolution_paths
from egraff_lmp.forcefields.fast.layout import Layout
from egraff_lmp.forcefields.fast.linear import from_linear, from_type_product
from egraff_lmp.forcefields.fast.radial import ExactConvolution, TabulatedConvolution
from egraff_lmp.forcefields.fast.readout import deep_readout, linear_readout
from egraff_lmp.forcefields.fast.unavailable import KernelsUnavailable
from egraff_lmp.forcefields.layers import bessel_basis, polynomial_envelope

# Where the basis sin(x) / x is taken instead of at 0, in A.
_SHORTEST = 1e-9


class _Radial(torch.nn.Module):
    """Weights of all paths of a layer: distances (E, 1) in A, float64, to (E, paths * C)."""

    __constants__ = ("envelope_power", "n_basis", "r_max")

    def __init__(self, network: BOTNetNetwork, layer: Any, dtype: torch.dtype) -> None:
        super().__init__()
        self.r_max, self.n_basis = network.r_max, network.n_basis
        self.envelope_power = network.envelope_power
        self.dtype = dtype
        self.net = copy.deepcopy(layer.radial.net).to(dtype)

    def forward(self, lengths: torch.Tensor) -> torch.Tensor:
        embedding = bessel_basis(lengths, self.r_max, self.n_basis) * polynomial_envelope(
            lengths, self.r_max, self.envelope_power
        )
        return self.net(embedding.to(self.dtype))


class _Layer(torch.nn.Module):
    """One interaction; see `forcefields.botnet._Layer` for the reference."""

    __constants__ = ("exchanges", "residual")

    def __init__(self, layer: Any, network: BOTNetNetwork, channels: int) -> None:
        super().__init__()
        self.exchanges, self.residual = layer.exchanges, layer.residual
        self.linear_up = from_linear(layer.linear_up, channels)
        self.convolution = _convolution(layer, network, channels)
        self.linear = from_linear(
            layer.linear, channels, torch.tensor([1.0 / layer.norm], dtype=torch.float64)
        )
        self.skip = from_type_product(layer.skip, torch.eye(network.n_species), channels)

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
        up = self.linear_up(features, types[: features.size(0)])
        if self.exchanges:
            rows, channels = up.size(1), up.size(2)
            up = exchange(up.view(-1, rows * channels)).view(-1, rows, channels)
        gathered = self.convolution(up, harmonics, x, lengths, edge_index, n_local)
        message = self.linear(gathered, local_types)
        if self.residual:
            return message + self.skip(features[:n_local], local_types)
        return self.skip(message, local_types)


class FastBOTNet(torch.nn.Module):
    """The function of `BOTNetNetwork`, without its trainable weights.

    Args:
        network: the reference.

    Raises:
        KernelsUnavailable: it has a part that the operators do not cover.
    """

    __constants__ = ("l_max", "r_max", "table_error")

    def __init__(self, network: BOTNetNetwork) -> None:
        super().__init__()
        layers: Any = network.layers
        channels = layers[0].linear_up.irreps_in[0].mul
        self.n_layers = network.n_layers
        self.exchange_widths = network.exchange_widths
        self.outputs = network.outputs
        self.dtype = network.dtype
        self.r_max = network.r_max
        self.l_max = network.harmonics.irreps_out.lmax
        with torch.no_grad():
            by_type = network.embedding(torch.eye(network.n_species, dtype=network.dtype))
        self.register_buffer("type_features", by_type.detach().view(-1, 1, channels).clone())
        self.layers = torch.nn.ModuleList(_Layer(layer, network, channels) for layer in layers)
        built: Any = self.layers
        self.table_error = max(layer.convolution.table_error for layer in built)
        self.readouts = torch.nn.ModuleList(
            _readout(readout, layer.irreps_out)
            for readout, layer in zip(network.readouts, layers, strict=True)
        )
        # The output "features" has e3nn's order.
        final = Layout(layers[-1].irreps_out, channels)
        self.register_buffer("places", torch.tensor(final.places()))

    def forward(
        self,
        edge_vectors: torch.Tensor,
        edge_index: torch.Tensor,
        types: torch.Tensor,
        n_local: int,
    ) -> dict[str, torch.Tensor]:
        """As `BOTNetNetwork.forward`."""
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


def _convolution(layer: Any, network: BOTNetNetwork, channels: int) -> torch.nn.Module:
    """The layer's convolution, in float32 with a table."""
    if not isinstance(layer.radial, _AgnosticRadial):
        raise KernelsUnavailable("expected radial weights that do not depend on the element")
    paths, factors = convolution_paths(layer.tensor_product, channels)
    factors = factors * (-1.0) ** torch.tensor(paths[1::6])
    if network.dtype != torch.float32:
        radial = _Radial(network, layer, network.dtype)
        return ExactConvolution(paths, factors, radial, network.dtype)
    exact = _Radial(network, layer, torch.float64)

    def weights(x: torch.Tensor) -> torch.Tensor:
        lengths = (x * network.r_max).clamp(min=_SHORTEST).unsqueeze(1)
        return exact(lengths).view(x.size(0), -1, channels)

    return TabulatedConvolution(paths, factors, weights, network.dtype)


def _readout(module: Any, irreps: Any) -> torch.nn.Module:
    if isinstance(module, _NonLinearReadout):
        (activation,) = module.activation.acts
        return deep_readout(module.linear_1, activation, module.linear_2, irreps)
    return linear_readout(module, irreps)
