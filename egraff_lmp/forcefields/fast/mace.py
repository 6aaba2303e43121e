"""MACE on the operators, from the weights of the reference network (`forcefields.mace`).

Features are [atoms, rows, channels] from the first to the last layer. What depends on the element
alone is contracted beforehand: the embedding, the skip connections, and the coefficients of the
symmetric contraction. The rest it shares with BOTNet (`layered`). That the whole is equal is shown
at export (`proof`).
"""

from __future__ import annotations

from typing import Any

import torch
from e3nn import o3

from egraff_lmp.forcefields.fast.contraction import polynomial
from egraff_lmp.forcefields.fast.convolution import L_MAX
from egraff_lmp.forcefields.fast.derived import derive, part_of
from egraff_lmp.forcefields.fast.interaction import interaction
from egraff_lmp.forcefields.fast.layered import LayeredNetwork, inward_convolution
from egraff_lmp.forcefields.fast.layout import Entry, Layout
from egraff_lmp.forcefields.fast.linear import NodeLinear, from_linear, from_type_product
from egraff_lmp.forcefields.fast.perceptron import radial_perceptron
from egraff_lmp.forcefields.fast.readout import Unread, deep_readout, linear_readout
from egraff_lmp.forcefields.fast.unavailable import KernelsUnavailable
from egraff_lmp.forcefields.mace import MACENetwork, _NoReadout, _NoRepulsion, _SameLengths


class _Radial(torch.nn.Module):
    """Weights of all paths of a layer: distances (E, 1) in A to (E, paths * C)."""

    __constants__ = ("cutoff_in_embedding",)

    def __init__(self, network: MACENetwork, layer: Any, factors: torch.Tensor | None) -> None:
        super().__init__()
        trained = factors is not None
        self.bessel = part_of(network.bessel, trained=trained)
        self.cutoff = part_of(network.cutoff, trained=trained)
        self.mlp = radial_perceptron(layer.radial_mlp, factors)
        # The network's own precision, which tables are not made in.
        self.register_buffer("precise", torch.zeros(0, dtype=network.dtype))
        self.cutoff_in_embedding = network.cutoff_in_embedding

    def forward(self, lengths: torch.Tensor) -> torch.Tensor:
        envelope = self.cutoff(lengths).to(self.precise)  # type: ignore[arg-type]
        basis = self.bessel(lengths).to(self.precise)  # type: ignore[arg-type]
        if self.cutoff_in_embedding:
            return self.mlp(basis * envelope)
        return self.mlp(basis) * envelope

    def split(self, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `Perceptron.split`, of the whole, in the precision of lengths; where it is trained."""
        envelope, basis = self.cutoff(lengths), self.bessel(lengths)
        if self.cutoff_in_embedding:
            return self.mlp.split(basis * envelope)  # type: ignore[operator, no-any-return]
        activations, last = self.mlp.split(basis)  # type: ignore[operator]
        return activations * envelope, last


class _Layer(torch.nn.Module):
    """One interaction and product; see `forcefields.mace._Layer` for the reference."""

    __constants__ = ("residual", "rows_product")

    def __init__(
        self, layer: Any, network: MACENetwork, channels: int, r_max: float, *, trained: bool
    ) -> None:
        super().__init__()
        self.residual = layer.residual
        one_hot = torch.eye(network.n_species)
        skip = from_type_product(layer.skip, lambda: one_hot, channels)
        convolution = inward_convolution(
            layer.tensor_product,
            channels,
            r_max,
            lambda factors: _Radial(network, layer, factors),
            network.dtype,
            trained=trained,
        )
        self.table_error: float = convolution.table_error  # type: ignore[assignment]
        self.message = interaction(trained)(
            convolution,
            from_linear(layer.linear_up, channels),
            _message(layer, channels, None if self.residual else skip),
            layer.exchanges,
        )
        self.skip: torch.nn.Module = skip if self.residual else torch.nn.Identity()
        product = layer.product
        self.terms, coefficients, self.rows_product = polynomial(product.symmetric_contractions)
        derive(self, "coefficients", coefficients)
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
    """The function of `MACENetwork`, with weights that follow from its own.

    Args:
        network: the reference.
        trained: whether those are trained in this network (`derived.refresh`).

    Raises:
        KernelsUnavailable: it has a part that the operators do not cover.
    """

    def __init__(self, network: MACENetwork, *, trained: bool = False) -> None:
        _refuse(network)
        layers: Any = network.layers
        channels = layers[0].linear_up.irreps_in[0].mul
        r_max = float(network.cutoff.r_max)
        one_hot = torch.eye(network.n_species, dtype=network.dtype)
        super().__init__(
            network,
            network.harmonics.irreps_out.lmax,
            r_max,
            lambda: network.node_embedding(one_hot),
            [_Layer(layer, network, channels, r_max, trained=trained) for layer in layers],
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
    parts: dict[tuple[int, int], list[int]] = {}
    for index, instruction in enumerate(linear.instructions):
        key = (degrees[instruction.i_in], instruction.i_out)
        parts.setdefault(key, []).append(index)
    entries = {entry.degree: entry for entry in source.entries}
    places = [(entries[degree], target.entries[i_out]) for degree, i_out in parts]
    for (degree, _), indices in parts.items():
        if len(indices) != entries[degree].joined:
            raise KernelsUnavailable(f"expected a map of all paths, got {linear}")
    place_of = None if skip is None else [_place_of(skip, out) for _, out in places]

    def matrices() -> list[torch.Tensor]:
        found: list[torch.Tensor] = []
        skips = [] if skip is None else skip.matrices()
        for index, indices in enumerate(parts.values()):
            matrix = torch.cat(
                [
                    linear.weight_view_for_instruction(k).double()
                    * (linear.instructions[k].path_weight / layer.norm)
                    for k in indices
                ]
            ).unsqueeze(0)
            found.append(matrix if place_of is None else matrix @ skips[place_of[index]])
        return found

    return NodeLinear(places, matrices, target.rows, channels, linear.weight.dtype)


def _place_of(linear: NodeLinear, entry: Entry) -> int:
    """Which of a map's matrices is that of an entry to itself."""
    for place in range(len(linear.blocks) // 6):
        row_in, _, _, row_out, _, _ = linear.blocks[6 * place : 6 * place + 6]
        if row_in == row_out == entry.first_row:
            return place
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
