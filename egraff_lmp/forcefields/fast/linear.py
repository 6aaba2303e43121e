"""Linear maps of e3nn as blocks of `egraff::node_linear`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from egraff_lmp.forcefields.fast.derived import Recipe, derive
from egraff_lmp.forcefields.fast.layout import Entry, Layout
from egraff_lmp.operators import load_operators

# The operators must be known before any network that calls them is scripted.
load_operators()


Matrices = Callable[[], list[torch.Tensor]]


class NodeLinear(torch.nn.Module):
    """A linear map between irreps of atoms' features, with a set of weights for each type or one.

    Args:
        places: (entry in, entry out) of each part; parts with the same entry out add up.
        matrices: the weights [types or 1, joined_in * C, joined_out * C'] of each part.
        rows_out: of the result.
        channels_out: C'.
        dtype: of the features.
        bias: (rows_out, C') that is added to every atom, or None.
    """

    __constants__ = ("has_bias",)

    def __init__(
        self,
        places: list[tuple[Entry, Entry]],
        matrices: Matrices,
        rows_out: int,
        channels_out: int,
        dtype: torch.dtype,
        bias: Recipe | None = None,
    ) -> None:
        super().__init__()
        self.blocks: list[int] = []
        self.rows_out = rows_out
        self.channels_out = channels_out
        with torch.no_grad():
            built = matrices()
        n_types = max((weights.shape[0] for weights in built), default=1)
        offset = 0
        for (source, target), weights in zip(places, built, strict=True):
            self.blocks += [source.first_row, source.joined, 2 * source.degree + 1]
            self.blocks += [target.first_row, target.joined, offset]
            offset += weights[0].numel()
        self.by_type = n_types > 1
        self.matrices = matrices
        derive(self, "weights", lambda: _flat(matrices(), n_types).to(dtype))
        # After the weights, which it is a copy of: the operator takes no gradient of it.
        shapes = [weights.shape[1:] for weights in built]
        derive(self, "transposed", lambda: _turned(self.weights.detach(), shapes))  # type: ignore[operator]
        self.has_bias = bias is not None
        if bias is None:
            self.register_buffer("bias", torch.zeros(0, 0))
        else:
            derive(self, "bias", lambda: bias().to(dtype))

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
    return torch.cat(pieces, dim=1).contiguous() if pieces else torch.zeros(n_types, 0)


def _turned(weights: torch.Tensor, shapes: list[torch.Size]) -> torch.Tensor:
    """The same with each of these matrices transposed."""
    pieces = weights.split([shape.numel() for shape in shapes], dim=1)
    turned = [
        piece.view(-1, *shape).transpose(1, 2).flatten(1)
        for piece, shape in zip(pieces, shapes, strict=True)
    ]
    return torch.cat(turned, dim=1) if turned else weights


def from_linear(
    linear: Any,
    channels: int,
    factors: Callable[[], torch.Tensor] | None = None,
    of_inputs: Callable[[], torch.Tensor] | None = None,
    *,
    with_bias: bool = True,
) -> NodeLinear:
    """e3nn's `Linear` in the kernels' layout.

    Args:
        linear: with biases or without.
        channels: C, of what goes in and comes out.
        factors: one number, or one per type, that multiplies the result; not where there are
            biases.
        of_inputs: what each channel of the input is multiplied by, (irreps_in.num_irreps,).
        with_bias: False leaves biases out.
    """
    part = _Part(linear, channels, 0, factors, of_inputs)
    bias = part.bias if part.has_bias and with_bias else None
    return NodeLinear(part.places, part.matrices, part.rows, channels, linear.weight.dtype, bias)


def side_by_side(linears: list[Any], channels: int) -> NodeLinear:
    """Several of e3nn's `Linear` of the same input: the rows of each after those of the one before.

    Args:
        linears: with biases.
        channels: C.
    """
    parts: list[_Part] = []
    rows = 0
    for linear in linears:
        parts.append(_Part(linear, channels, rows))
        rows += parts[-1].rows
    return NodeLinear(
        [place for part in parts for place in part.places],
        lambda: [matrix for part in parts for matrix in part.matrices()],
        rows,
        channels,
        linears[0].weight.dtype,
        lambda: torch.cat([part.bias() for part in parts]),
    )


def bias_of(linear: Any, channels: int) -> torch.Tensor:
    """The biases of e3nn's `Linear` in the kernels' layout, (rows, C) in float64."""
    return _Part(linear, channels, 0).bias()


class _Part:
    """A `Linear` whose result has rows from `first_row` on; see `from_linear`."""

    def __init__(
        self,
        linear: Any,
        channels: int,
        first_row: int,
        factors: Callable[[], torch.Tensor] | None = None,
        of_inputs: Callable[[], torch.Tensor] | None = None,
    ) -> None:
        source = Layout(linear.irreps_in, channels)
        target = Layout(linear.irreps_out, channels)
        self.linear, self.factors, self.of_inputs = linear, factors, of_inputs
        self.rows, self.channels = target.rows, channels
        self.has_bias = bool(linear.bias.numel())
        self.places: list[tuple[Entry, Entry]] = []
        self.instructions = [one for one in linear.instructions if one.i_in != -1]
        for instruction in self.instructions:
            out = target.entries[instruction.i_out]
            out = replace(out, first_row=first_row + out.first_row)
            self.places.append((source.entries[instruction.i_in], out))
        # Of e3nn's numbers, those of scalars, which alone have biases.
        scalars = torch.cat(
            [
                torch.full((mul * ir.dim,), ir.is_scalar(), dtype=torch.bool)
                for mul, ir in linear.irreps_out
            ]
        )
        self.scalars = torch.from_numpy(target.places())[scalars]

    def matrices(self) -> list[torch.Tensor]:
        """(types or 1, n_in, n_out) of each place, float64."""
        found: list[torch.Tensor] = []
        offset = 0
        flat = self.linear.weight.double()
        scale = torch.ones(1) if self.factors is None else self.factors().reshape(-1)
        of_inputs = None if self.of_inputs is None else self.of_inputs().double()
        for instruction in self.instructions:
            size = math.prod(instruction.path_shape)
            matrix = flat[offset : offset + size].view(instruction.path_shape)
            offset += size
            matrix = matrix * instruction.path_weight * scale.double().view(-1, 1, 1)
            if of_inputs is not None:
                first = sum(mul for mul, _ in self.linear.irreps_in[: instruction.i_in])
                matrix = matrix * of_inputs[first : first + matrix.size(1)].view(1, -1, 1)
            found.append(matrix)
        return found

    def bias(self) -> torch.Tensor:
        """(rows, C): zero but for scalars."""
        flat = torch.zeros(self.rows * self.channels, dtype=torch.float64)
        if self.has_bias:
            flat = flat.index_put((self.scalars,), self.linear.bias.double())
        return flat.view(self.rows, self.channels)


def from_type_product(
    product: Any, attributes: Callable[[], torch.Tensor], channels: int
) -> NodeLinear:
    """A `FullyConnectedTensorProduct` of features and scalars known by type, contracted with them.

    out[w] = sum over u, v of W[u, v, w] x[u] a[v] becomes one matrix a type, sum over v.

    Args:
        product: features x scalars -> features, with its own weights.
        attributes: a of each type, (n_types, n_scalars).
        channels: C.
    """
    source = Layout(product.irreps_in1, channels)
    target = Layout(product.irreps_out, channels)
    places = [
        (source.entries[instruction.i_in1], target.entries[instruction.i_out])
        for instruction in product.instructions
    ]

    def matrices() -> list[torch.Tensor]:
        found: list[torch.Tensor] = []
        offset = 0
        flat, by_type = product.weight.double(), attributes().double()
        for instruction, (entry, _) in zip(product.instructions, places, strict=True):
            size = math.prod(instruction.path_shape)
            weights = flat[offset : offset + size].view(instruction.path_shape)
            offset += size
            scalars = product.irreps_in2.slices()[instruction.i_in2]
            # The Wigner 3j symbol (l, 0, l) is the identity over sqrt(2l + 1).
            factor = instruction.path_weight / math.sqrt(2 * entry.degree + 1)
            found.append(torch.einsum("uvw,tv->tuw", weights, by_type[:, scalars]) * factor)
        return found

    return NodeLinear(places, matrices, target.rows, channels, product.weight.dtype)
