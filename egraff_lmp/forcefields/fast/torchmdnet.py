"""ET on the operators, from the weights of the reference network (`forcefields.torchmdnet`).

An atom's scalars and vectors are rows of channels. Channels go round the heads: channel u belongs
to head u % heads, so that a register of the kernels holds all heads. Where the vectors are zero
(the first layer) or reach no energy (the last one), nothing of them is computed or exchanged. That
the whole is equal is shown at export (`proof`).
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch

from egraff_lmp.forcefields.exchange import exchange
from egraff_lmp.forcefields.fast.derived import LayerNorm, Linear, derive, part_of
from egraff_lmp.forcefields.fast.expnorm import distance_at, table_place
from egraff_lmp.forcefields.fast.radial import (
    ExactConvolution,
    TabulatedConvolution,
    require_table,
)
from egraff_lmp.forcefields.fast.unavailable import KernelsUnavailable
from egraff_lmp.forcefields.layers import cosine_envelope, expnorm_basis
from egraff_lmp.forcefields.torchmdnet import TorchMDNetNetwork

MOST_HEADS = 16
# Rows that a layer reads of each neighbour: key, scalar; along v, along r; and the vectors.
_SCALARS, _NO_VECTORS, _VECTORS = 2, 4, 7
# The harmonics of degree 1 are sqrt(3) times the direction.
_DIRECTION = 1.0 / math.sqrt(3.0)
# The convolution that sums scalars: l1, l2, l3, row in, step, row out, step.
_SCALAR_PATH = [0, 0, 0, 0, 1, 0, 1]


class _Radial(torch.nn.Module):
    """Distances (S, 1) in A to the cosine envelope (S, 1) and the basis (S, n_basis)."""

    __constants__ = ("r_max",)

    def __init__(self, network: TorchMDNetNetwork) -> None:
        super().__init__()
        self.r_max = network.r_max
        derive(self, "means", lambda: network.means)
        derive(self, "betas", lambda: network.betas)

    def forward(self, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        lengths = lengths.to(self.means)  # type: ignore[arg-type]
        cutoff = cosine_envelope(lengths, self.r_max)
        return cutoff, expnorm_basis(lengths, self.means, self.betas, self.r_max)  # type: ignore[arg-type]


class _JoinedRadial(torch.nn.Module):
    """The same side by side, (S, 1 + n_basis): for filters that are trained, computed once."""

    def __init__(self, network: TorchMDNetNetwork) -> None:
        super().__init__()
        self.radial = _Radial(network)

    def forward(self, lengths: torch.Tensor) -> torch.Tensor:
        return torch.cat(self.radial(lengths), dim=1)


class _GivenRadial(torch.nn.Module):
    """Envelope and basis that are given side by side."""

    def forward(self, joined: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        cutoff, basis = joined.split([1, joined.size(1) - 1], dim=1)
        return cutoff, basis


class _EmbeddingFilter(torch.nn.Module):
    """Weights of the sum over neighbours in the embedding: (S, 1) in A to (S, F)."""

    def __init__(self, network: TorchMDNetNetwork, order: torch.Tensor, *, trained: bool) -> None:
        super().__init__()
        self.radial = _GivenRadial() if trained else _Radial(network)
        self.filter = _reordered(network.neighbour_filter, order, None)

    def forward(self, lengths: torch.Tensor) -> torch.Tensor:
        cutoff, basis = self.radial(lengths)
        return self.filter(basis) * cutoff


class _AttentionFilter(torch.nn.Module):
    """Weights of an edge in a layer's attention: (S, 1) in A to (S, rows, F).

    Args:
        layer: of the reference network.
        network: that network.
        rows: 2, or 4.
    """

    __constants__ = ("rows", "vector_cutoff", "width")

    def __init__(self, layer: Any, network: TorchMDNetNetwork, rows: int) -> None:
        super().__init__()
        self.rows, self.width = rows, layer.width
        self.vector_cutoff = layer.vector_cutoff
        self.radial = _Radial(network)
        self.key = _reordered(layer.key_filter, _order(layer), None)
        self.values = _reordered(layer.value_filter, _value_order(layer, rows), None)

    def forward(self, lengths: torch.Tensor) -> torch.Tensor:
        cutoff, basis = self.radial(lengths)
        key = torch.nn.functional.silu(self.key(basis)).unsqueeze(1)
        values = torch.nn.functional.silu(self.values(basis)).view(-1, self.rows - 1, self.width)
        cutoff = cutoff.unsqueeze(1)
        # The original multiplies the attention: that is, the scalars alone.
        scalar = values[:, :1] * cutoff
        vectors = values[:, 1:] * cutoff if self.vector_cutoff else values[:, 1:]
        return torch.cat([key, scalar, vectors], dim=1)


class _TrainedFilter(torch.nn.Module):
    """The same from envelope and basis side by side; along r over sqrt(3), for the operator.

    Args:
        layer: of the reference network.
        rows: 2, or 4.
    """

    def __init__(self, layer: Any, rows: int) -> None:
        super().__init__()
        self.rows, self.width = rows, layer.width
        values = _value_order(layer, rows)
        key = _order(layer)
        self.filter = Linear(
            lambda: _stacked(layer.key_filter.weight, key, layer.value_filter.weight, values),
            lambda: _stacked(layer.key_filter.bias, key, layer.value_filter.bias, values),
        )
        scale = [1.0, 1.0, 1.0, _DIRECTION][:rows]
        enveloped = [0.0, 1.0, *[float(layer.vector_cutoff)] * 2][:rows]
        dtype = layer.query.weight.dtype
        self.register_buffer("scale", torch.tensor(scale, dtype=dtype))
        self.register_buffer("enveloped", torch.tensor(enveloped, dtype=dtype))

    def forward(self, joined: torch.Tensor) -> torch.Tensor:
        """(S, 1 + n_basis) to (S, rows, F)."""
        cutoff, basis = joined.split([1, joined.size(1) - 1], dim=1)
        # 1 or the cutoff, times the scale, (S, rows).
        factors = (1.0 + self.enveloped * (cutoff - 1.0)) * self.scale  # type: ignore[operator]
        values = self.filter(basis).view(-1, self.rows, self.width)
        scaled: torch.Tensor = torch.ops.egraff.scaled_silu(values, factors)
        return scaled


class _TabulatedAttention(torch.nn.Module):
    """Attention with weights read from a table; see `_ExactAttention`."""

    __constants__ = ("heads",)

    def __init__(self, weights: Any, own: torch.Tensor, heads: int, r_max: float) -> None:
        super().__init__()
        exact = copy.deepcopy(weights).double()
        table = require_table(lambda s: exact((distance_at(s) * r_max).unsqueeze(1)))
        self.heads = heads
        self.table_error = table.value_error
        self.register_buffer("own", own)
        self.register_buffer("table", table.coefficients.to(own.dtype))

    def forward(
        self,
        query: torch.Tensor,
        features: torch.Tensor,
        harmonics: torch.Tensor,
        places: torch.Tensor,
        lengths: torch.Tensor,
        edge_index: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As `_ExactAttention.forward`; `lengths` is not used."""
        return torch.ops.egraff.tabulated_et_attention(
            query, features, harmonics, places, self.table, self.own, edge_index, self.heads
        )


class _ExactAttention(torch.nn.Module):
    """Attention with weights that the filters give for every edge.

    Args:
        weights: the filters.
        own: weights of an atom's edge to itself, (rows, F).
        heads: their number.
    """

    __constants__ = ("heads",)

    def __init__(self, weights: torch.nn.Module, own: torch.Tensor, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.table_error = 0.0
        self.register_buffer("own", own)
        self.weights = weights

    def forward(
        self,
        query: torch.Tensor,
        features: torch.Tensor,
        harmonics: torch.Tensor,
        places: torch.Tensor,
        lengths: torch.Tensor,
        edge_index: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Sums over neighbours: scalars (n_local, F), vectors (n_local, 3, F) or none.

        Args:
            query: (n_local, F).
            features: (n_all, rows, F).
            harmonics: (E, 4).
            places: in the table, (E,); not used here.
            lengths: in A, (E, 1).
            edge_index: (2, E).
        """
        return torch.ops.egraff.et_attention(
            query, features, harmonics, self.weights(lengths), self.own, edge_index, self.heads
        )


class _TrainedAttention(torch.nn.Module):
    """The same with gradients of the filters, those of an atom's edge to itself included.

    Args:
        weights: the filters.
        radial: gives what they take, from distances in A.
        heads: their number.
    """

    def __init__(self, weights: torch.nn.Module, radial: torch.nn.Module, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.table_error = 0.0
        self.weights, self.radial = weights, radial

    def forward(
        self,
        query: torch.Tensor,
        features: torch.Tensor,
        harmonics: torch.Tensor,
        places: torch.Tensor,
        lengths: torch.Tensor,
        edge_index: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As `_ExactAttention.forward`, but for `lengths`: what `radial` makes of them."""
        n_local, width = query.shape
        own = self.weights(self.radial(lengths.new_zeros(1, 1, dtype=torch.float64)))[0]
        # The operator has no gradient of an atom's own weights: with zeros it leaves them out.
        scalars, vectors = torch.ops.egraff.et_attention(
            query,
            features,
            harmonics,
            self.weights(lengths),
            torch.zeros_like(own),
            edge_index,
            self.heads,
        )
        key, scalar, *others = features[:n_local].unbind(1)
        logits = (query * key * own[0]).view(n_local, width // self.heads, self.heads).sum(dim=1)
        attention = torch.nn.functional.silu(logits).repeat(1, width // self.heads)
        scalars = scalars + attention * scalar * own[1]
        if features.size(1) == _VECTORS:
            own_vectors = torch.stack(others[2:], dim=1) * (others[0] * own[2]).unsqueeze(1)
            vectors = vectors + own_vectors
        return scalars, vectors


class _Layer(torch.nn.Module):
    """One layer; see `torchmdnet._Attention` for the reference."""

    __constants__ = ("first", "last", "rows", "width")

    def __init__(
        self,
        layer: Any,
        network: TorchMDNetNetwork,
        order: torch.Tensor,
        *,
        last: bool,
        trained: bool,
    ) -> None:
        super().__init__()
        self.first, self.last = layer.first, last
        self.width = layer.width
        self.rows = _SCALARS if last else _NO_VECTORS if layer.first else _VECTORS
        weight_rows = min(self.rows, _NO_VECTORS)
        self.norm = _reordered_norm(layer.norm, order)
        self.query = _reordered(layer.query, order, order)
        of_values = _value_order(layer, weight_rows)
        self.sent = Linear(
            lambda: _stacked(layer.key.weight, order, layer.value.weight, of_values).index_select(
                1, order
            ),
            lambda: _stacked(layer.key.bias, order, layer.value.bias, of_values),
        )
        self.attention = _attention(layer, network, weight_rows, trained=trained)
        # The reference slices the results of one map; maps of their own need no copies backward.
        self.for_vectors, self.for_products, self.change = _thirds(layer.out, order)
        self.left, self.right, self.own_vectors = _thirds(layer.vectors, order)
        if layer.first:
            self.for_vectors = self.for_products = self.left = self.right = torch.nn.Identity()
        if layer.first or last:
            self.for_vectors = self.own_vectors = torch.nn.Identity()

    def forward(
        self,
        x: torch.Tensor,
        v: torch.Tensor,
        harmonics: torch.Tensor,
        places: torch.Tensor,
        lengths: torch.Tensor,
        edge_index: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Scalars (n_local, F) and vectors (n_local, 3, F) after the layer."""
        normed = self.norm(x)
        sent = self.sent(normed)
        if self.rows == 7:
            sent = torch.cat([sent, v.flatten(1)], dim=1)
        received = exchange(sent).view(-1, self.rows, self.width)
        scalars, vectors = self.attention(
            self.query(normed), received, harmonics, places, lengths, edge_index
        )
        x = x + self.change(scalars)
        if self.first:
            return x, vectors
        x = x + (self.left(v) * self.right(v)).sum(dim=1) * self.for_products(scalars)
        if self.last:
            return x, vectors
        v = v + self.own_vectors(v) * self.for_vectors(scalars).unsqueeze(1) + vectors
        return x, v


def _attention(
    layer: Any, network: TorchMDNetNetwork, rows: int, *, trained: bool
) -> torch.nn.Module:
    """Attention with filters that are trained, with a table, or in float64 with the filters."""
    if trained:
        return _TrainedAttention(_TrainedFilter(layer, rows), _JoinedRadial(network), layer.n_heads)
    weights: torch.nn.Module = _AttentionFilter(layer, network, rows)
    dtype = layer.query.weight.dtype
    with torch.no_grad():
        own = weights(torch.zeros(1, 1, dtype=dtype))[0]
    if rows > _SCALARS:
        own[3] = 0.0
        weights = _Scaled(weights, [1.0, 1.0, 1.0, _DIRECTION], dtype)
    if dtype == torch.float32:
        return _TabulatedAttention(weights, own, layer.n_heads, network.r_max)
    return _ExactAttention(weights, own, layer.n_heads)


class _Scaled(torch.nn.Module):
    """Weights with a factor for each row."""

    def __init__(self, weights: torch.nn.Module, factors: list[float], dtype: torch.dtype) -> None:
        super().__init__()
        self.weights = weights
        self.register_buffer("factors", torch.tensor(factors, dtype=dtype).view(1, -1, 1))

    def forward(self, lengths: torch.Tensor) -> torch.Tensor:
        return self.weights(lengths) * self.factors  # type: ignore[operator]


class FastTorchMDNet(torch.nn.Module):
    """The function of `TorchMDNetNetwork`, with weights that follow from its own.

    Args:
        network: the reference.
        trained: whether those are trained in this network (`derived.refresh`).

    Raises:
        KernelsUnavailable: the number of heads is no power of two, or too large.
    """

    __constants__ = ("r_max", "table_error")

    def __init__(self, network: TorchMDNetNetwork, *, trained: bool = False) -> None:
        super().__init__()
        layers: Any = network.layers
        heads = layers[0].n_heads
        if heads > MOST_HEADS or heads & (heads - 1):
            raise KernelsUnavailable(
                f"expected heads that are a power of two up to {MOST_HEADS}, got {heads}"
            )
        order = _order(layers[0])
        width = len(order)
        self.r_max = network.r_max
        self.n_layers = network.n_layers
        self.outputs = network.outputs
        self.dtype = network.means.dtype
        built: list[Any] = [
            _Layer(layer, network, order, last=index == network.n_layers - 1, trained=trained)
            for index, layer in enumerate(layers)
        ]
        self.layers = torch.nn.ModuleList(built)
        self.exchange_widths = tuple(layer.rows * width for layer in built)
        combine = network.combine
        derive(
            self,
            "by_type",
            lambda: torch.addmm(
                combine.bias[order], network.embedding.weight, combine.weight[order, :width].t()
            ),
        )
        derive(self, "neighbours", lambda: network.neighbour_embedding.weight[:, None, order])
        derive(self, "around", lambda: combine.weight[order][:, width + order].t())
        self.radial = _JoinedRadial(network) if trained else torch.nn.Identity()
        self.convolution = _embedding_sum(network, order, trained=trained)
        self.table_error = max(
            self.convolution.table_error,
            *(layer.attention.table_error for layer in built),
        )
        self.norm = _reordered_norm(network.norm, order)
        readout: Any = network.readout
        self.readout = torch.nn.Sequential(
            _reordered(readout[0], None, order), *part_of(readout[1:], trained=trained)
        )
        # The output "features" has the reference's order.
        self.register_buffer("places", torch.argsort(order))

    def forward(
        self,
        edge_vectors: torch.Tensor,
        edge_index: torch.Tensor,
        types: torch.Tensor,
        n_local: int,
    ) -> dict[str, torch.Tensor]:
        """As `TorchMDNetNetwork.forward`."""
        harmonics, lengths = torch.ops.egraff.edge_harmonics(edge_vectors, 1, self.dtype)
        places = table_place(lengths / self.r_max).to(self.dtype)
        # Only the exact filters take lengths, in float64, and trained ones what follows from them.
        column = self.radial(lengths.unsqueeze(1))
        around = self.convolution(
            self.neighbours[types],  # type: ignore[index]
            harmonics,
            places,
            column,
            edge_index,
            n_local,
        )
        x = torch.mm(around.flatten(1), self.around)  # type: ignore[arg-type]
        x = x + self.by_type[types[:n_local]]  # type: ignore[index]
        v = x.new_zeros(0, 3, x.size(1))
        for layer in self.layers:
            x, v = layer(x, v, harmonics, places, column, edge_index)
        x = self.norm(x)
        return {"energy": self.readout(x).view(-1), "features": x[:, self.places]}


def _embedding_sum(network: TorchMDNetNetwork, order: torch.Tensor, *, trained: bool) -> Any:
    """The convolution that the embedding takes its neighbours from."""
    filters = _EmbeddingFilter(network, order, trained=trained)
    one = torch.ones(1, dtype=torch.float64)
    dtype = network.means.dtype
    if trained or dtype != torch.float32:
        return ExactConvolution(_SCALAR_PATH, one, filters, dtype, trained=trained)
    exact = copy.deepcopy(filters).double()

    def weights(place: torch.Tensor) -> torch.Tensor:
        return exact((distance_at(place) * network.r_max).unsqueeze(1)).unsqueeze(1)

    return TabulatedConvolution(_SCALAR_PATH, one, weights, torch.float32)


def _order(layer: Any) -> torch.Tensor:
    """The reference's channel [head, place in it] at each channel [place, head] here, (F,)."""
    return torch.arange(layer.width).view(layer.n_heads, layer.head).t().flatten()


def _value_order(layer: Any, rows: int) -> torch.Tensor:
    """The same of the values, which the reference keeps as [head, part, place]: (parts * F,)."""
    values = torch.arange(3 * layer.width).view(layer.n_heads, 3, layer.head)
    return values.permute(1, 2, 0).reshape(3, layer.width)[: rows - 1].flatten()


def _stacked(
    first: torch.Tensor, rows: torch.Tensor, second: torch.Tensor, others: torch.Tensor
) -> torch.Tensor:
    """These rows of one tensor, then those of another."""
    return torch.cat([first.index_select(0, rows), second.index_select(0, others)])


def _reordered(linear: Any, rows: torch.Tensor | None, columns: torch.Tensor | None) -> Linear:
    """A `Linear` with these of its outputs and inputs, in this order; None: all."""

    def weight() -> torch.Tensor:
        found: torch.Tensor = linear.weight
        # Gradients of a selection cost less than those of indexing.
        found = found if rows is None else found.index_select(0, rows)
        return found if columns is None else found.index_select(1, columns)

    if linear.bias is None:
        return Linear(weight)
    return Linear(
        weight, lambda: linear.bias if rows is None else linear.bias.index_select(0, rows)
    )


def _thirds(linear: Any, order: torch.Tensor) -> list[torch.nn.Module]:
    """A `Linear` to three blocks as wide as its input, as three."""
    width = len(order)
    return [_reordered(linear, part * width + order, order) for part in range(3)]


def _reordered_norm(norm: torch.nn.LayerNorm, order: torch.Tensor) -> LayerNorm:
    return LayerNorm(
        lambda: norm.weight.index_select(0, order),
        lambda: norm.bias.index_select(0, order),
        norm.eps,
    )
