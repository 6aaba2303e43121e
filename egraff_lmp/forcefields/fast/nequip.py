"""NequIP on the operators, from the weights of the reference network (`forcefields.nequip`).

Features are [atoms, rows, channels] from the first to the last layer; the self-connection is one
matrix a type; the radial networks are tables in float32. The derivation of each piece is in the
module that builds it; that the whole is equal is shown at export (`proof`).
"""

from __future__ import annotations

import copy
from typing import Any

import torch

from egraff_lmp.forcefields.fast.convolution import convolution_paths
from egraff_lmp.forcefields.fast.derived import derive, part_of
from egraff_lmp.forcefields.fast.gate import Gate
from egraff_lmp.forcefields.fast.interaction import interaction
from egraff_lmp.forcefields.fast.layout import Layout
from egraff_lmp.forcefields.fast.linear import from_linear, from_type_product
from egraff_lmp.forcefields.fast.perceptron import Perceptron, nequip_matrices, with_factors
from egraff_lmp.forcefields.fast.radial import ExactConvolution, TabulatedConvolution
from egraff_lmp.forcefields.fast.table import Radial
from egraff_lmp.forcefields.fast.trained_radial import trained_convolution
from egraff_lmp.forcefields.nequip import NequIPNetwork


class _Layer(torch.nn.Module):
    """One interaction block; see `nequip._Convolution` for the reference.

    Args:
        layer: of the reference.
        embedding: of distances, that of the whole network.
        gate_before: of the layer before, which this one applies to what it is given; None where
            that one has done it.
        gates_itself: whether this layer applies its own gate.
        trained: whether the reference's weights are trained in this network.
    """

    __constants__ = ("gates_itself", "residual")

    def __init__(
        self,
        layer: Any,
        network: NequIPNetwork,
        channels: int,
        embedding: _Embedding,
        gate_before: Gate | None,
        gates_itself: bool,
        *,
        trained: bool,
    ) -> None:
        super().__init__()
        dtype = layer.linear_1.weight.dtype
        self.residual, self.gates_itself = layer.residual, gates_itself
        skip = None
        if layer.has_self_connection:
            skip = from_type_product(
                layer.self_connection, lambda: _type_features(network), channels
            )
        paths, factors = convolution_paths(layer.tensor_product, channels)
        convolution: torch.nn.Module
        if trained:
            of_channels = factors.repeat_interleave(channels).to(dtype)
            matrices = with_factors(nequip_matrices(layer.radial_mlp), of_channels)
            radial_network = Perceptron(matrices, trained=True)
            convolution = trained_convolution(
                paths,
                radial_network,
                embedding,
                lambda: _radial_function(layer, network, factors),
                dtype,
            )
        elif dtype != torch.float32:
            convolution = ExactConvolution(paths, factors, layer.radial_mlp, dtype)
        else:
            radial = _radial_function(layer, network, torch.ones_like(factors))
            convolution = TabulatedConvolution(paths, factors, radial, dtype)
        self.table_error: float = convolution.table_error
        self.interaction = interaction(trained)(
            convolution,
            from_linear(layer.linear_1, channels, lambda: layer.norm),
            from_linear(layer.linear_2, channels),
            layer.exchanges,
            gate_before,
            skip,
        )
        self.gate = Gate(layer.gate, channels)

    def forward(
        self,
        features: torch.Tensor,
        harmonics: torch.Tensor,
        x: torch.Tensor,
        embedding: torch.Tensor,
        edge_index: torch.Tensor,
        types: torch.Tensor,
        n_local: int,
    ) -> torch.Tensor:
        """(n_local, rows, C), in the first layer (n_all, 1, C), to (n_local, rows', C)."""
        out = self.interaction(features, harmonics, x, embedding, edge_index, types, n_local)
        if self.gates_itself:
            out = self.gate(out)
        if self.residual:
            out = features[:n_local] + out
        return out


class FastNequIP(torch.nn.Module):
    """The function of `NequIPNetwork`, with weights that follow from its own.

    Args:
        network: the reference.
        trained: whether those are trained in this network (`derived.refresh`).

    Raises:
        KernelsUnavailable: it has a part that the operators do not cover.
    """

    __constants__ = ("l_max", "n_species", "per_edge_type_cutoff", "table_error")

    def __init__(self, network: NequIPNetwork, *, trained: bool = False) -> None:
        super().__init__()
        layers: Any = network.layers
        channels = layers[0].linear_1.irreps_in[0].mul
        self.n_layers = network.n_layers
        self.exchange_widths = network.exchange_widths
        self.outputs = network.outputs
        self.r_max = network.r_max
        self.n_species = network.n_species
        self.per_edge_type_cutoff = network.per_edge_type_cutoff
        self.l_max = layers[0].tensor_product.irreps_in2.lmax
        self.register_buffer("reciprocal_cutoffs", network.reciprocal_cutoffs.clone())  # type: ignore[operator]
        derive(self, "type_features", lambda: _type_features(network).unsqueeze(1))
        self.embedding = _Embedding(network)
        # A layer whose input is a gate's result alone applies that gate itself, and what it keeps
        # in memory is what the gate takes.
        delayed = not any(layer.residual for layer in layers)
        built: list[_Layer] = []
        for place, layer in enumerate(layers):
            before = built[-1].gate if built and delayed else None
            last = place == len(layers) - 1
            itself = last or not delayed
            built.append(
                _Layer(layer, network, channels, self.embedding, before, itself, trained=trained)
            )
        self.layers = torch.nn.ModuleList(built)
        self.table_error = max(layer.table_error for layer in built)
        self.reads_embedding = trained or self.type_features.dtype != torch.float32
        self.readout = part_of(network.readout, trained=trained)
        # The readout and the output "features" have e3nn's order.
        final = Layout(layers[-1].gate.irreps_out, channels)
        self.register_buffer("places", torch.tensor(final.places()))

    def forward(
        self,
        edge_vectors: torch.Tensor,
        edge_index: torch.Tensor,
        types: torch.Tensor,
        n_local: int,
    ) -> dict[str, torch.Tensor]:
        """As `NequIPNetwork.forward`."""
        features = self.type_features[types]  # type: ignore[index]
        harmonics, lengths = torch.ops.egraff.edge_harmonics(
            edge_vectors, self.l_max, features.dtype
        )
        if self.per_edge_type_cutoff:
            pairs = types[edge_index[0]] * self.n_species + types[edge_index[1]]
            x = lengths * self.reciprocal_cutoffs[pairs]  # type: ignore[index]
        else:
            x = lengths / self.r_max
        embedding = x.detach()
        if self.reads_embedding:
            embedding = self.embedding(x).to(features.dtype)
        x = x.to(features.dtype)
        for layer in self.layers:
            features = layer(features, harmonics, x, embedding, edge_index, types, n_local)
        last = features.flatten(1)[:, self.places]  # type: ignore[index]
        return {"energy": self.readout(last).view(-1), "features": last}


class _Embedding(torch.nn.Module):
    """Bessel functions times the cutoff: x (E,) in float64 to (E, n_basis)."""

    def __init__(self, network: NequIPNetwork) -> None:
        super().__init__()
        self.cutoff = copy.deepcopy(network.cutoff)
        self.factor = network.embedding_factor
        derive(self, "roots", lambda: network.bessel_roots)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.unsqueeze(1)
        bessel = torch.sinc(x * self.roots) * self.roots  # type: ignore[operator]
        return bessel * self.cutoff(x) * self.factor


def _type_features(network: NequIPNetwork) -> torch.Tensor:
    """(n_types, C)."""
    return network.type_embedding(torch.arange(network.n_species))


def _radial_function(layer: Any, network: NequIPNetwork, factors: torch.Tensor) -> Radial:
    """Weights of one layer times factors (n_paths,), in float64 whatever the precision."""
    embedding = _Embedding(network).double()
    mlp = copy.deepcopy(layer.radial_mlp).double()

    def radial(x: torch.Tensor) -> torch.Tensor:
        return mlp(embedding(x)).view(x.size(0), len(factors), -1) * factors.view(1, -1, 1)

    return radial
