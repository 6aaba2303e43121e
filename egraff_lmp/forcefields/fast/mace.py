"""MACE on the operators, from the weights of the reference network (`forcefields.mace`).

Features are [atoms, rows, channels] from the first to the last layer. What depends on the element
alone is contracted beforehand: the embedding, the skip connections, and the coefficients of the
symmetric contraction. The rest it shares with BOTNet (`layered`). That the whole is equal is shown
at export (`proof`).
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from e3nn import o3

from egraff_lmp.forcefields.fast.contraction import polynomial
from egraff_lmp.forcefields.fast.convolution import L_MAX
from egraff_lmp.forcefields.fast.interaction import Interaction
from egraff_lmp.forcefields.fast.layered import LayeredNetwork, inward_convolution
from egraff_lmp.forcefields.fast.layout import Entry, Layout
from egraff_lmp.forcefields.fast.linear import NodeLinear, from_linear, from_type_product
from egraff_lmp.forcefields.fast.readout import Unread, deep_readout, linear_readout
from egraff_lmp.forcefields.fast.unavailable import KernelsUnavailable
from egraff_lmp.forcefields.mace import MACENetwork, _NoReadout, _NoRepulsion, _SameLengths


class _Radial(torch.nn.Module):
    """Weights of all paths of a layer: distances (E, 1) in A to (E, paths * C)."""

    __constants__ = ("cutoff_in_embedding",)

    def __init__(self, network: MACENetwork, layer: Any) -> None:
        super().__init__()
        self.bessel = copy.deepcopy(network.bessel)
        self.cutoff = copy.deepcopy(network.cutoff)
        self.mlp = copy.deepcopy(layer.radial_mlp)
        self.cutoff_in_embedding = network.cutoff_in_embedding

    def forward(self, lengths: torch.Tensor) -> torch.Tensor:
        envelope = self.cutoff(lengths)
        if self.cutoff_in_embedding:
            return self.mlp(self.bessel(lengths) * envelope)
        return self.mlp(self.bessel(lengths)) * envelope


class _Layer(torch.nn.Module):
    """One interaction and product; see `forcefields.mace._Layer` for the reference."""

    __constants__ = ("residual", "rows_product")

    def __init__(self, layer: Any, network: MACENetwork, channels: int, r_max: float) -> None:
        super().__init__()
        self.residual = layer.residual
        skip = from_type_product(layer.skip, torch.eye(network.n_species), channels)
        convolution = inward_convolution(
            layer.tensor_product,
            channels,
            r_max,
            lambda dtype: _Radial(network, layer).to(dtype),
            network.dtype,
        )
        self.table_error: float = convolution.table_error  # type: ignore[assignment]
        self.message = Interaction(
            convolution,
            from_linear(layer.linear_up, channels),
            _message(layer, channels, None if self.residual else skip),
            layer.exchanges,
        )
        self.skip: torch.nn.Module = skip if self.residual else torch.nn.Identity()
        product = layer.product
        self.terms, coefficients, self.rows_product = polynomial(product.symmetric_contractions)
        self.register_buffer("coefficients", coefficients.contiguous())
        self.update = from_linear(product.linear, channels)

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
        products = torch.ops.egraff.symmetric_contraction(
            message, self.coefficients, local_types, self.terms, self.rows_product
        )
        out = self.update(products, local_types)
        if self.residual:
            out = out + self.skip(features[:n_local], local_types)
        return out


class FastMACE(LayeredNetwork):
    """The function of `MACENetwork`, without its trainable weights.

    Args:
        network: the reference.

    Raises:
        KernelsUnavailable: it has a part that the operators do not cover.
    """

    def __init__(self, network: MACENetwork) -> None:
        _refuse(network)
        layers: Any = network.layers
        channels = layers[0].linear_up.irreps_in[0].mul
        r_max = float(network.cutoff.r_max)
        with torch.no_grad():
            by_type = network.node_embedding(torch.eye(network.n_species, dtype=network.dtype))
        super().__init__(
            network,
            network.harmonics.irreps_out.lmax,
            r_max,
            by_type,
            [_Layer(layer, network, channels, r_max) for layer in layers],
            [
                _readout(readout, layer.product.linear.irreps_out)
                for readout, layer in zip(network.readouts, layers, strict=True)
            ],
            layers[-1].product.linear.irreps_out,
        )


def _refuse(network: MACENetwork) -> None:
    """KernelsUnavailable for what the operators do not compute."""
    if not isinstance(network.repulsion, _NoRepulsion):
        raise KernelsUnavailable("expected no pair repulsion")
    if not isinstance(network.transform, _SameLengths):
        raise KernelsUnavailable("expected distances that are not transformed by element")
    if network.harmonics.irreps_out != o3.Irreps.spherical_harmonics(
        network.harmonics.irreps_out.lmax
    ):
        raise KernelsUnavailable(f"expected all harmonics, got {network.harmonics.irreps_out}")
    if network.harmonics.irreps_out.lmax > L_MAX:
        raise KernelsUnavailable(f"expected harmonics up to {L_MAX}")
    layers: Any = network.layers
    for layer in layers:
        if layer.has_density:
            raise KernelsUnavailable("expected messages divided by one number, got a density")
        if getattr(layer.product, "use_agnostic_product", False):
            raise KernelsUnavailable("expected products that depend on the element")
        if layer.residual and not layer.product.use_sc:
            raise KernelsUnavailable("expected a skip connection that is added")


def _message(layer: Any, channels: int, skip: NodeLinear | None) -> NodeLinear:
    """From sums over neighbours to the message: linear map, norm, and by type `skip` if given.

    The package's linear map takes each path of the product as an irrep of its own, the operator
    the paths of one degree side by side.
    """
    linear = layer.linear
    source = Layout(linear.irreps_in.simplify(), channels)
    target = Layout(linear.irreps_out, channels)
    degrees = [ir.l for _, ir in linear.irreps_in]
    parts: dict[tuple[int, int], list[torch.Tensor]] = {}
    for index, instruction in enumerate(linear.instructions):
        weight = linear.weight_view_for_instruction(index).detach().double()
        key = (degrees[instruction.i_in], instruction.i_out)
        parts.setdefault(key, []).append(weight * instruction.path_weight / layer.norm)
    entries = {entry.degree: entry for entry in source.entries}
    blocks: list[tuple[Entry, Entry, torch.Tensor]] = []
    for (degree, i_out), matrices in parts.items():
        matrix = torch.cat(matrices).unsqueeze(0)
        out = target.entries[i_out]
        if matrix.size(1) != entries[degree].joined * channels:
            raise KernelsUnavailable(f"expected a map of all paths, got {linear}")
        if skip is not None:
            matrix = matrix @ _block_of(skip, out, channels)
        blocks.append((entries[degree], out, matrix))
    return NodeLinear(blocks, target.rows, channels, linear.weight.dtype)


def _block_of(linear: NodeLinear, entry: Entry, channels: int) -> torch.Tensor:
    """The matrices (types, C, C) of a map from irreps to the same irreps, of one entry."""
    for place in range(0, len(linear.blocks), 6):
        row_in, _, _, row_out, _, offset = linear.blocks[place : place + 6]
        if row_in == row_out == entry.first_row:
            flat = linear.weights[:, offset : offset + channels * channels]  # type: ignore[index]
            return flat.view(-1, channels, channels).double()
    raise KernelsUnavailable("expected a skip connection of every irrep of the message")


def _readout(module: Any, irreps: o3.Irreps) -> torch.nn.Module:
    """A readout of a layer with these irreps."""
    if isinstance(module, _NoReadout):
        return Unread()
    kind = type(module).__name__
    if kind == "LinearReadoutBlock":
        return linear_readout(module.linear, irreps)
    if kind != "NonLinearReadoutBlock":
        raise KernelsUnavailable(f"expected a readout of scalars, got {kind}")
    (activation,) = module.non_linearity.acts
    return deep_readout(module.linear_1, activation, module.linear_2, irreps)
