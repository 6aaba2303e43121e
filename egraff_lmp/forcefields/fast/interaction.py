"""One layer of messages between atoms as one operator, which keeps its input and nothing else."""

from collections.abc import Callable
from typing import Any

import torch

from egraff_lmp.forcefields.exchange import exchange
from egraff_lmp.forcefields.fast.gate import Gate
from egraff_lmp.forcefields.fast.linear import NodeLinear


class TrainedInteraction(torch.nn.Module):
    """The function of `Interaction` by the operators in it: its weights have gradients.

    Args:
        convolution, up, down, exchanges, gate, skip: see `Interaction`.
    """

    def __init__(
        self,
        convolution: torch.nn.Module,
        up: NodeLinear,
        down: NodeLinear,
        exchanges: bool,
        gate: Gate | None = None,
        skip: NodeLinear | None = None,
    ) -> None:
        super().__init__()
        self.convolution, self.exchanges = convolution, exchanges
        self.up, self.down, self.gate, self.skip = up, down, gate, skip

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
        """As `Interaction.forward`."""
        features = features if self.gate is None else self.gate(features)
        sent = self.up(features, types[: features.size(0)])
        if self.exchanges:
            sent = exchange(sent)
        local_types = types[:n_local]
        sums = self.convolution(sent, harmonics, x, embedding, edge_index, n_local)
        out = self.down(sums, local_types)
        return out if self.skip is None else out + self.skip(features[:n_local], local_types)


def interaction(trained: bool) -> Callable[..., torch.nn.Module]:
    """What makes a layer for a network that is deployed, or for one that is trained."""
    return TrainedInteraction if trained else Interaction


class Interaction(torch.nn.Module):
    """down(sum over neighbours of up(gate(features)) x harmonics) + skip(gate(features)).

    See `csrc/ops/interaction.cpp`.

    Args:
        convolution: of `fast.radial`: paths, and what it takes of edges.
        up, down: before and after it; neither has a bias.
        exchanges: whether the features are those of local atoms, and `up`'s go to ghosts.
        gate: of the features, or None.
        skip: added to the result, or None; it has no bias.
    """

    __constants__ = ("exchanges", "has_skip")

    # TorchScript cannot tell what is in an empty list, and wants these annotations as types: this
    # file does not put off their evaluation.
    gate_parts: list[int]
    gate_scales: list[float]
    skip_blocks: list[int]

    def __init__(
        self,
        convolution: torch.nn.Module,
        up: NodeLinear,
        down: NodeLinear,
        exchanges: bool,
        gate: Gate | None = None,
        skip: NodeLinear | None = None,
    ) -> None:
        super().__init__()
        for linear in (up, down, skip):
            if linear is not None and linear.has_bias:
                raise ValueError("expected linear maps without biases")
        self.convolution = convolution
        self.exchanges = exchanges
        self.paths: list[int] = list(convolution.paths)  # type: ignore[arg-type]
        self.gate_parts = gate.parts if gate else []
        self.gate_scales = gate.scales if gate else []
        self.up_blocks, self.up_rows = up.blocks, up.rows_out
        self.down_blocks, self.down_rows = down.blocks, down.rows_out
        self.skip_blocks = skip.blocks if skip else []
        self.has_skip = skip is not None
        for name, linear in (("up", up), ("down", down), ("skip", skip)):
            held: Any = linear
            self.register_buffer(name, held.weights if held else torch.zeros(0))
            self.register_buffer(f"{name}_transposed", held.transposed if held else torch.zeros(0))

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
        """(n_local, rows, C) where it exchanges, else (n_all, rows, C), to (n_local, rows', C).

        Args:
            features: see above.
            harmonics: (E, (l_max + 1)^2).
            x: distances over the cutoff, (E,).
            embedding: what the exact radial network takes, (E, n_basis).
            edge_index: (2, E).
            types: (n_all,).
            n_local: number of centres.
        """
        weights, radial, table = self.convolution.of_edges(x, embedding)  # type: ignore[operator]
        return torch.ops.egraff.interaction(
            features,
            harmonics,
            weights,
            radial,
            table,
            edge_index,
            types,
            n_local,
            self.gate_parts,
            self.gate_scales,
            self.exchanges,
            [self.up, self.up_transposed],
            self.up_blocks,
            self.up_rows,
            self.paths,
            [self.down, self.down_transposed],
            self.down_blocks,
            self.down_rows,
            [self.skip, self.skip_transposed] if self.has_skip else [],
            self.skip_blocks,
        )
