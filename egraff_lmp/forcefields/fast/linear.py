"""Linear maps of e3nn as blocks of `egraff::node_linear`."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch

from egraff_lmp.forcefields.fast.layout import Entry, Layout
from egraff_lmp.operators import load_operators

# The operators must be known before any network that calls them is scripted.
load_operators()


class NodeLinear(torch.nn.Module):
    """A linear map between irreps of atoms' features, with a set of weights for each type or one.

    Args:
        blocks: (entry in, entry out, weights [types or 1, joined_in * C, joined_out * C']) of each
            part; parts with the same entry out add up.
        rows_out: of the result.
        channels_out: C'.
        dtype: of the features.
        bias: (rows_out, C') that is added to every atom, or None.
    """

    __constants__ = ("has_bias",)

    def __init__(
        self,
        blocks: list[tuple[Entry, Entry, torch.Tensor]],
        rows_out: int,
        channels_out: int,
        dtype: torch.dtype,
        bias: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        self.blocks: list[int] = []
        self.rows_out = rows_out
        self.channels_out = channels_out
        offset = 0
        n_types = max((weights.shape[0] for _, _, weights in blocks), default=1)
        for source, target, weights in blocks:
            self.blocks += [source.first_row, source.joined, 2 * source.degree + 1]
            self.blocks += [target.first_row, target.joined, offset]
            offset += weights[0].numel()
        self.by_type = n_types > 1
        matrices = [weights for _, _, weights in blocks]
        self.register_buffer("weights", _flat(matrices, n_types).to(dtype))
        turned = [weights.transpose(1, 2) for _, _, weights in blocks]
        self.register_buffer("transposed", _flat(turned, n_types).to(dtype))
        self.has_bias = bias is not None
        self.register_buffer("bias", torch.zeros(0, 0) if bias is None else bias.to(dtype))

    def forward(self, features: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        """(n, rows, C) of atoms of these types to (n, rows_out, C')."""
        return torch.ops.egraff.node_linear(
            features,
            self.weights,
            types if self.by_type else None,
            self.blocks,
            self.rows_out,
            self.channels_out,
            self.transposed,
            self.bias if self.has_bias else None,
        )


def _flat(matrices: list[torch.Tensor], n_types: int) -> torch.Tensor:
    """All matrices of a type one after the other, (n_types, numbers)."""
    pieces = [matrix.expand(n_types, -1, -1).reshape(n_types, -1) for matrix in matrices]
    return torch.cat(pieces, dim=1).detach().contiguous() if pieces else torch.zeros(n_types, 0)


def from_linear(
    linear: Any,
    channels: int,
    factors: torch.Tensor | None = None,
    of_inputs: torch.Tensor | None = None,
) -> NodeLinear:
    """e3nn's `Linear` in the kernels' layout.

    Args:
        linear: with biases or without.
        channels: C, of what goes in and comes out.
        factors: one number, or one per type, that multiplies the result; not where there are
            biases.
        of_inputs: what each channel of the input is multiplied by, (irreps_in.num_irreps,).
    """
    blocks, bias, rows = _parts(linear, channels, 0, factors, of_inputs)
    return NodeLinear(blocks, rows, channels, linear.weight.dtype, bias)


def side_by_side(linears: list[Any], channels: int) -> NodeLinear:
    """Several of e3nn's `Linear` of the same input: the rows of each after those of the one before.

    Args:
        linears: with biases.
        channels: C.
    """
    blocks, biases, rows = [], [], 0
    for linear in linears:
        own, bias, count = _parts(linear, channels, rows, None, None)
        blocks += own
        biases.append(torch.zeros(count, channels) if bias is None else bias)
        rows += count
    return NodeLinear(blocks, rows, channels, linears[0].weight.dtype, torch.cat(biases))


def _parts(
    linear: Any,
    channels: int,
    first_row: int,
    factors: torch.Tensor | None,
    of_inputs: torch.Tensor | None,
) -> tuple[list[tuple[Entry, Entry, torch.Tensor]], torch.Tensor | None, int]:
    """Blocks to rows from `first_row` on, biases, and the number of rows; see `from_linear`."""
    source = Layout(linear.irreps_in, channels)
    target = Layout(linear.irreps_out, channels)
    scale = torch.ones(1) if factors is None else factors.detach().reshape(-1)
    blocks = []
    offset = 0
    flat = linear.weight.detach().double()
    for instruction in linear.instructions:
        if instruction.i_in == -1:
            continue
        size = math.prod(instruction.path_shape)
        matrix = flat[offset : offset + size].view(instruction.path_shape)
        offset += size
        matrix = matrix * instruction.path_weight * scale.double().view(-1, 1, 1)
        if of_inputs is not None:
            first = sum(mul for mul, _ in linear.irreps_in[: instruction.i_in])
            own = of_inputs[first : first + matrix.size(1)]
            matrix = matrix * own.detach().double().view(1, -1, 1)
        out = target.entries[instruction.i_out]
        out = replace(out, first_row=first_row + out.first_row)
        blocks.append((source.entries[instruction.i_in], out, matrix))
    bias = _bias(linear, target) if linear.bias.numel() else None
    return blocks, bias, target.rows


def _bias(linear: Any, target: Layout) -> torch.Tensor:
    """The biases of a `Linear`, which its scalars have, as rows."""
    flat = torch.zeros(target.rows * target.channels, dtype=torch.float64)
    places = torch.from_numpy(target.places())
    scalars = torch.cat(
        [
            torch.full((mul * ir.dim,), ir.is_scalar(), dtype=torch.bool)
            for mul, ir in linear.irreps_out
        ]
    )
    flat[places[scalars]] = linear.bias.detach().double()
    return flat.view(target.rows, target.channels)


def from_type_product(product: Any, attributes: torch.Tensor, channels: int) -> NodeLinear:
    """A `FullyConnectedTensorProduct` of features and scalars known by type, contracted with them.

    out[w] = sum over u, v of W[u, v, w] x[u] a[v] becomes one matrix a type, sum over v.

    Args:
        product: features x scalars -> features, with its own weights.
        attributes: a of each type, (n_types, n_scalars).
        channels: C.
    """
    source = Layout(product.irreps_in1, channels)
    target = Layout(product.irreps_out, channels)
    blocks = []
    offset = 0
    flat = product.weight.detach().double()
    for instruction in product.instructions:
        size = math.prod(instruction.path_shape)
        weights = flat[offset : offset + size].view(instruction.path_shape)
        offset += size
        start = product.irreps_in2.slices()[instruction.i_in2]
        by_type = torch.einsum("uvw,tv->tuw", weights, attributes.detach().double()[:, start])
        entry = source.entries[instruction.i_in1]
        # The Wigner 3j symbol (l, 0, l) is the identity over sqrt(2l + 1).
        factor = instruction.path_weight / math.sqrt(2 * entry.degree + 1)
        blocks.append((entry, target.entries[instruction.i_out], by_type * factor))
    return NodeLinear(blocks, target.rows, channels, product.weight.dtype)
