"""Equiformer on the operators, from the weights of the reference network.

Features are [atoms, rows, channels] from the first to the last block, and so are messages on edges:
a convolution in which each edge is a centre of its own gives them, and the weights of the second
product, the same for all edges, go into the linear map after it. That the whole is equal is shown
at export (`proof`); see `forcefields.equiformer` for the definition.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from e3nn import o3

from egraff_lmp.forcefields.equiformer import EquiformerNetwork
from egraff_lmp.forcefields.exchange import exchange
from egraff_lmp.forcefields.fast.chunks import center_chunks, sorted_by_center
from egraff_lmp.forcefields.fast.convolution import L_MAX, convolution_paths
from egraff_lmp.forcefields.fast.derived import Linear, derive, part_of
from egraff_lmp.forcefields.fast.equiformer_products import (
    JoinedRadial,
    MappedProduct,
    TrainedProduct,
    UnitConvolution,
    convolution,
)
from egraff_lmp.forcefields.fast.expnorm import table_place
from egraff_lmp.forcefields.fast.layout import Layout
from egraff_lmp.forcefields.fast.linear import bias_of, from_linear, side_by_side
from egraff_lmp.forcefields.fast.unavailable import KernelsUnavailable
from egraff_lmp.forcefields.layers import (
    polynomial_envelope,
    softmax_over_neighbours,
    sum_over_neighbours,
)

_SILU, _LOGISTIC = 0, 2  # activations of `egraff::gate`
EDGES_OF_A_PIECE = 256


class _Gate(torch.nn.Module):
    """SiLU of scalars; rows of each other irrep times the logistic function of a scalar's row.

    Args:
        gate: e3nn's, as `equiformer.gate_of` makes it.
        channels: C.
        first_row: of what goes in.
    """

    def __init__(self, gate: Any, channels: int, first_row: int = 0) -> None:
        super().__init__()
        out = Layout(gate.irreps_out, channels)
        scalars = out.entries[0].joined
        self.parts: list[int] = []
        self.scales: list[float] = []
        (scalar_act,), gate_acts = gate.act_scalars.acts, gate.act_gates.acts
        for row in range(scalars):
            self.parts += [_SILU, first_row + row, 1, -1]
            self.scales.append(float(scalar_act.cst))
        # The gates are rows after the scalars; what they gate has as many rows more before it.
        gates = sum(entry.joined for entry in out.entries[1:])
        row_of_gate = first_row + scalars
        for entry in out.entries[1:]:
            for m in range(2 * entry.degree + 1):
                for place in range(entry.joined):
                    self.parts += [
                        _LOGISTIC,
                        first_row + entry.row(m, place) + gates,
                        1,
                        row_of_gate + place,
                    ]
                    self.scales.append(float(gate_acts[0].cst))
            row_of_gate += entry.joined

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(n, rows with gates, C) to (n, rows, C)."""
        return torch.ops.egraff.gate(features, self.parts, self.scales)


class _LayerNorm(torch.nn.Module):
    """`equiformer._LayerNorm` of rows of channels."""

    __constants__ = ("epsilon", "floor")

    def __init__(self, norm: Any, irreps: o3.Irreps, channels: int) -> None:
        super().__init__()
        self.epsilon, self.floor = norm.epsilon, norm.floor
        self.rows = [(2 * e.degree + 1) * e.joined for e in Layout(irreps, channels).entries]

        def weight() -> torch.Tensor:
            own = norm.weight.split([mul for mul, _ in irreps])
            return torch.cat(
                [
                    part.view(-1, channels).repeat(ir.dim, 1)
                    for part, (_, ir) in zip(own, irreps, strict=True)
                ]
            )

        derive(self, "weight", weight)
        derive(self, "bias", lambda: norm.bias.view(-1, channels))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(n, rows, C) to (n, rows, C)."""
        parts: list[torch.Tensor] = []
        scalars = features[:, : self.rows[0]]
        scalars = scalars - scalars.mean(dim=[1, 2], keepdim=True)
        square = scalars.pow(2).mean(dim=[1, 2], keepdim=True)
        scalars = scalars * (square + self.epsilon).rsqrt() * self.weight[: self.rows[0]]  # type: ignore[index]
        parts.append(scalars + self.bias)
        row = self.rows[0]
        for count in self.rows[1:]:
            part = features[:, row : row + count]
            square = part.pow(2).mean(dim=[1, 2], keepdim=True)
            weight = self.weight[row : row + count]  # type: ignore[index]
            parts.append(part * (square + self.floor).rsqrt() * weight)
            row += count
        return torch.cat(parts, dim=1)


class _Attention(torch.nn.Module):
    """`equiformer._Attention` of rows of channels."""

    __constants__ = ("alpha_rows", "alpha_width", "n_heads", "slope", "smooth")

    def __init__(
        self,
        attention: Any,
        network: EquiformerNetwork,
        channels: int,
        *,
        fine: bool,
        trained: bool,
    ) -> None:
        super().__init__()
        self.smooth, self.slope = attention.smooth, attention.slope
        self.n_heads, self.alpha_width = attention.n_heads, attention.alpha_width
        self.from_neighbor = from_linear(attention.from_neighbor, channels)
        self.from_center = from_linear(attention.from_center, channels)
        product = convolution(
            network, attention.product, attention.radial, channels, fine=fine, trained=trained
        )
        # The rows of the invariants that the attention is made of, then those of the gate.
        read = side_by_side([attention.alpha, attention.to_gate], channels)
        self.alpha_rows = attention.alpha_width // channels
        derive(self, "alpha_dot", lambda: attention.alpha_dot * attention.leaky_factor)
        self.gate = _Gate(attention.gate, channels, self.alpha_rows)
        paths, factors = convolution_paths(attention.value_product, channels)
        of_channels = factors.repeat_interleave(channels)
        to_value = from_linear(
            attention.to_value,
            channels,
            of_inputs=lambda: attention.value_product.weight.double() * of_channels,
        )
        self.read: torch.nn.Module
        self.value: torch.nn.Module
        if trained:
            self.read = TrainedProduct(product.paths, product.network, read)
            self.value = TrainedProduct(paths, None, to_value)
        else:
            self.read = MappedProduct(product, read)
            self.value = MappedProduct(UnitConvolution(paths, channels, network.dtype), to_value)
        self.project = from_linear(attention.project, channels)
        head_of = torch.zeros(attention.head_of.numel(), dtype=torch.int64)
        places = torch.from_numpy(Layout(attention.to_value.irreps_out, channels).places())
        head_of[places] = attention.head_of
        self.register_buffer("head_of", head_of)

    def forward(
        self,
        features: torch.Tensor,
        harmonics: torch.Tensor,
        places: torch.Tensor,
        lengths: torch.Tensor,
        envelope: torch.Tensor,
        edge_index: torch.Tensor,
        of_centers: list[int],
        of_edges: list[int],
        types: torch.Tensor,
    ) -> torch.Tensor:
        """(n_local, rows, C) to (n_local, rows, C).

        Args:
            features: after the norm.
            harmonics: (E, (l_max + 1)^2).
            places: in the tables, (E,).
            lengths: in A, (E, 1).
            envelope: (E, 1).
            edge_index: (2, E), sorted by centre.
            of_centers, of_edges: of the pieces, see `chunks`.
            types: of the local atoms, not read.
        """
        rows, channels = features.size(1), features.size(2)
        sent = self.from_neighbor(features, types).view(-1, rows * channels)
        sent = exchange(sent).index_select(0, edge_index[1])
        own = self.from_center(features, types).view(-1, rows * channels)
        pairs = (sent + own.index_select(0, edge_index[0])).view(-1, rows, channels)
        sums: list[torch.Tensor] = []
        first = 0
        for n_centers, piece, y, place, length, u, index in zip(  # noqa: B905 (TorchScript)
            of_centers,
            pairs.split(of_edges),
            harmonics.split(of_edges),
            places.split(of_edges),
            lengths.split(of_edges),
            envelope.split(of_edges),
            edge_index[0].split(of_edges),
        ):
            sums.append(self.of_edges(piece, y, place, length, u, index - first, n_centers))
            first += n_centers
        return self.project(torch.cat(sums), types)

    def of_edges(
        self,
        pairs: torch.Tensor,
        harmonics: torch.Tensor,
        places: torch.Tensor,
        lengths: torch.Tensor,
        envelope: torch.Tensor,
        centers: torch.Tensor,
        n_centers: int,
    ) -> torch.Tensor:
        """Sums (n_centers, rows, C) over all edges of some centres, of features (E, rows, C)."""
        n_edges, channels = pairs.size(0), pairs.size(2)
        read = self.read(pairs, harmonics, places, lengths)
        invariant = read[:, : self.alpha_rows].reshape(n_edges, self.alpha_width)
        # A leaky ReLU whose kink is rounded off by a sigmoid.
        leaky = invariant * (self.slope + (1.0 - self.slope) * torch.sigmoid(invariant))
        heads = leaky.view(-1, self.n_heads, self.alpha_width // self.n_heads)
        logits = (heads * self.alpha_dot).sum(dim=2)
        if self.smooth:
            logits = logits + torch.log(envelope.clamp(min=1e-30))
            attention = softmax_over_neighbours(logits, centers, n_centers) * envelope
        else:
            attention = softmax_over_neighbours(logits, centers, n_centers)

        value = self.value(self.gate(read), harmonics, places, lengths)
        heads = torch.index_select(attention, 1, self.head_of)  # type: ignore[arg-type]
        weighted = value * heads.view(n_edges, value.size(1), channels)
        return sum_over_neighbours(weighted, centers, n_centers)


class _Block(torch.nn.Module):
    """`equiformer._Block` of rows of channels."""

    __constants__ = ("changes_irreps",)

    def __init__(
        self,
        block: Any,
        network: EquiformerNetwork,
        channels: int,
        *,
        fine: bool,
        trained: bool,
    ) -> None:
        super().__init__()
        irreps = block.linear_1.irreps_in
        self.changes_irreps = block.changes_irreps
        self.norm_1 = _LayerNorm(block.norm_1, irreps, channels)
        self.attention = _Attention(block.attention, network, channels, fine=fine, trained=trained)
        self.norm_2 = _LayerNorm(block.norm_2, irreps, channels)
        self.gate = _Gate(block.gate, channels)
        self.linear_1 = from_linear(block.linear_1, channels)
        self.linear_2 = from_linear(block.linear_2, channels)
        self.shortcut: torch.nn.Module = torch.nn.Identity()
        if block.changes_irreps:
            self.shortcut = from_linear(block.shortcut, channels)

    def forward(
        self,
        features: torch.Tensor,
        harmonics: torch.Tensor,
        places: torch.Tensor,
        lengths: torch.Tensor,
        envelope: torch.Tensor,
        edge_index: torch.Tensor,
        of_centers: list[int],
        of_edges: list[int],
        types: torch.Tensor,
    ) -> torch.Tensor:
        """(n_local, rows, C) to (n_local, rows', C)."""
        features = features + self.attention(
            self.norm_1(features),
            harmonics,
            places,
            lengths,
            envelope,
            edge_index,
            of_centers,
            of_edges,
            types,
        )
        found = self.linear_2(self.gate(self.linear_1(self.norm_2(features), types)), types)
        if self.changes_irreps:
            features = self.shortcut(features, types)
        return features + found


class FastEquiformer(torch.nn.Module):
    """The function of `EquiformerNetwork`, with weights that follow from its own.

    Args:
        network: the reference.
        trained: whether those are trained in this network (`derived.refresh`).

    Raises:
        KernelsUnavailable: degrees beyond those that the operators cover.
    """

    __constants__ = (
        "edges_of_a_piece",
        "fine_at_cutoff",
        "l_max",
        "power",
        "r_max",
        "smooth",
        "table_error",
    )

    def __init__(self, network: EquiformerNetwork, *, trained: bool = False) -> None:
        super().__init__()
        self.l_max = network.harmonics.irreps_out.lmax
        if self.l_max > L_MAX:
            raise KernelsUnavailable(f"expected degrees up to {L_MAX}, got {self.l_max}")
        blocks: Any = network.blocks
        channels = _channels(blocks)
        self.smooth, self.r_max, self.power = network.smooth, network.r_max, network.envelope_power
        self.dtype = network.dtype
        self.n_layers = network.n_layers
        self.exchange_widths = network.exchange_widths
        self.outputs = network.outputs

        degree: Any = network.degree_embedding
        irreps = degree.constant.irreps_out
        layout = Layout(irreps, channels)
        places = torch.from_numpy(layout.places())
        one_hot = torch.eye(network.n_species, dtype=network.dtype) * network.n_species**0.5
        one = torch.ones(1, 1, dtype=network.dtype)
        derive(self, "by_type", lambda: _as_rows(network.atom_embedding(one_hot), places, layout))
        derive(self, "constant", lambda: _as_rows(degree.constant(one), places, layout))
        try:
            self.fine_at_cutoff = False
            product, built = self._with_tables(network, channels, trained=trained)
        except KernelsUnavailable:
            self.fine_at_cutoff = True
            product, built = self._with_tables(network, channels, trained=trained)
        self.joined = JoinedRadial(network) if trained else torch.nn.Identity()
        self.degree_product = product
        self.degree_project = from_linear(degree.project, channels, with_bias=False)
        # The bias of that map is added for each neighbour, the rest is linear in their sum.
        derive(
            self,
            "degree_bias",
            lambda: bias_of(degree.project, channels).to(network.dtype) / degree.norm,
        )
        self.degree_norm = degree.norm
        self.edges_of_a_piece = EDGES_OF_A_PIECE
        self.blocks = torch.nn.ModuleList(built)
        self.table_error = max(
            self.degree_product.table_error,
            *(block.attention.read.table_error for block in built),
        )
        # Scalars alone: rows of channels are the reference's order.
        self.norm = part_of(network.norm, trained=trained)
        readout: Any = network.readout
        factor = float(readout[1].acts[0].cst)
        self.readout = torch.nn.Sequential(
            _scalars(readout[0]),
            torch.nn.SiLU(),
            _scalars(readout[2], factor, network.energy_divisor),
        )

    def _with_tables(
        self, network: EquiformerNetwork, channels: int, *, trained: bool
    ) -> tuple[Any, list[Any]]:
        """The product of the degree embedding, and the blocks."""
        degree: Any = network.degree_embedding
        fine = self.fine_at_cutoff
        product = convolution(
            network,
            degree.product,
            degree.radial,
            channels,
            fine=fine,
            trained=trained,
            enveloped=network.smooth,
        )
        blocks: Any = network.blocks
        return product, [
            _Block(block, network, channels, fine=fine, trained=trained) for block in blocks
        ]

    def forward(
        self,
        edge_vectors: torch.Tensor,
        edge_index: torch.Tensor,
        types: torch.Tensor,
        n_local: int,
    ) -> dict[str, torch.Tensor]:
        """As `EquiformerNetwork.forward`."""
        order = sorted_by_center(edge_index)
        if order.numel() > 0:
            edge_vectors, edge_index = edge_vectors[order], edge_index[:, order]
        harmonics, distances = torch.ops.egraff.edge_harmonics(edge_vectors, self.l_max, self.dtype)
        places = table_place(distances / self.r_max, self.fine_at_cutoff).to(self.dtype)
        lengths = distances.unsqueeze(1)
        envelope = torch.ones_like(lengths)
        if self.smooth:
            envelope = polynomial_envelope(lengths, self.r_max, self.power)
        envelope = envelope.to(self.dtype)
        lengths = self.joined(lengths)
        centers = edge_index[0]
        of_centers, of_edges = center_chunks(centers, n_local, self.edges_of_a_piece)
        to_constant = torch.stack([centers, torch.zeros_like(centers)])
        local_types = types[:n_local]

        around = self.degree_product(
            self.constant, harmonics, places, lengths, to_constant, n_local
        )
        around = self.degree_project(around, local_types) / self.degree_norm
        enveloped = sum_over_neighbours(envelope, centers, n_local).unsqueeze(2)
        features = self.by_type[local_types] + around  # type: ignore[index]
        features = features + enveloped * self.degree_bias  # type: ignore[operator]
        for block in self.blocks:
            features = block(
                features,
                harmonics,
                places,
                lengths,
                envelope,
                edge_index,
                of_centers,
                of_edges,
                local_types,
            )
        last = self.norm(features.flatten(1))
        return {"energy": self.readout(last).view(-1), "features": last}


def _scalars(linear: Any, factor: float = 1.0, divisor: float = 1.0) -> Linear:
    """e3nn's `Linear` between scalars, of what is multiplied by a factor, over a divisor."""
    n = linear.irreps_in.dim

    def bias() -> torch.Tensor:
        return linear(torch.zeros(1, n, dtype=linear.weight.dtype))

    def weight() -> torch.Tensor:
        return (linear(torch.eye(n, dtype=linear.weight.dtype)) - bias()).t() * (factor / divisor)

    return Linear(weight, lambda: bias()[0] / divisor)


def _channels(blocks: Any) -> int:
    """The largest number of channels that divides all multiplicities."""
    found = [
        mul
        for block in blocks
        for linear in (
            block.linear_1,
            block.linear_2,
            block.attention.to_gate,
            block.attention.to_value,
            block.attention.alpha,
        )
        for mul, _ in (*linear.irreps_in, *linear.irreps_out)
    ]
    return math.gcd(*found)


def _as_rows(features: torch.Tensor, places: torch.Tensor, layout: Layout) -> torch.Tensor:
    """(n, width) in e3nn's order to (n, rows, C)."""
    return features[:, torch.argsort(places)].view(-1, layout.rows, layout.channels)
