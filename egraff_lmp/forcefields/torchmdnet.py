"""TorchMD-NET's equivariant transformer, ET (Thölke & De Fabritiis 2022), written for this project
from the paper's equations, with periodic boundaries and without a cap on the neighbours.

Every atom has scalars x (F channels) and vectors v (3 x F). A layer attends to all neighbours of
an atom: a_ij = silu(sum q_i k_j D^K_ij) is not normalised over them (Eq. 7), so that no sum over
neighbours is needed before the messages.

Exchanged before every layer: keys (F) and values (3 F) of the neighbours, and from the second layer
on their vectors (3 F): 4 F, then 7 F wide. That is wider than x and v themselves (F, then 4 F), but
leaves all projections with the owner of an atom, so that ghosts cost no arithmetic. The first layer
needs it, too, because the embedding already sums over neighbours (Eq. 3).

The original (`vector_cutoff: false`, torchmd-net's default) multiplies the attention by the cosine
cutoff, but not the vectors: v_j and r_ij enter sums with weights that stay finite at r_max, and the
energy jumps when a neighbour passes it. The default here (`vector_cutoff: true`, torchmd-net's own
option) multiplies all values, and is continuous with its first derivative. With the weights of
deployed_models/gete-torchmdnet.pt the original jumps by 13 meV (median of 18 pairs of GeTe-200, at
most 46) when a pair of neighbours passes r_max, the default by nothing. Preset "paper-original".

Means and widths of the radial basis are computed in float32, as the package does whatever the
precision of its network (`basis: float32`); in a network in float64 they differ from those computed
in float64 by up to 1e-7 of the means and 1e-6 of the widths. Checkpoints from before that setting
have `basis: exact`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from egraff_lmp.contract import Citation, Output
from egraff_lmp.forcefields.base import ForceField, NetworkContext
from egraff_lmp.forcefields.building import (
    fresh_weights,
    require_choice,
    require_counts,
    require_known,
)
from egraff_lmp.forcefields.exchange import exchange
from egraff_lmp.forcefields.layers import (
    BASES,
    cosine_envelope,
    expnorm_basis,
    expnorm_initial,
    sum_over_neighbours,
)

PRESETS: dict[str, dict[str, Any]] = {
    "small": {
        "embedding_dimension": 48,
        "num_layers": 3,
        "num_rbf": 16,
        "num_heads": 4,
        "trainable_rbf": True,
        "vector_cutoff": True,
        "basis": "float32",
    },
    # Table 16 of EGraFFBench.
    "paper": {
        "embedding_dimension": 128,
        "num_layers": 6,
        "num_rbf": 32,
        "num_heads": 8,
        "trainable_rbf": False,
        "vector_cutoff": True,
        "basis": "float32",
    },
}
PRESETS["paper-original"] = {**PRESETS["paper"], "vector_cutoff": False}
# Settings that checkpoints of earlier versions do not have, and what their networks do.
EARLIER = {"basis": "exact"}


class _Attention(torch.nn.Module):
    """One layer: attention (Eqs. 4-9 of the paper), and the update of scalars and vectors."""

    __constants__ = ("first", "vector_cutoff")

    def __init__(
        self, width: int, n_basis: int, n_heads: int, *, first: bool, vector_cutoff: bool
    ) -> None:
        super().__init__()
        self.width = width
        self.n_heads = n_heads
        self.head = width // n_heads
        self.first = first
        self.vector_cutoff = vector_cutoff
        self.norm = torch.nn.LayerNorm(width)
        self.query = torch.nn.Linear(width, width)
        self.key = torch.nn.Linear(width, width)
        self.value = torch.nn.Linear(width, 3 * width)
        self.out = torch.nn.Linear(width, 3 * width)
        self.vectors = torch.nn.Linear(width, 3 * width, bias=False)
        self.key_filter = torch.nn.Linear(n_basis, width)
        self.value_filter = torch.nn.Linear(n_basis, 3 * width)
        for module in self.children():
            if isinstance(module, torch.nn.Linear):
                torch.nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    torch.nn.init.zeros_(module.bias)

    def forward(
        self,
        x: torch.Tensor,
        v: torch.Tensor,
        directions: torch.Tensor,
        cutoff: torch.Tensor,
        basis: torch.Tensor,
        own_basis: torch.Tensor,
        edge_index: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Changes of x (n_local, F) and v (n_local, 3, F).

        Args:
            x: scalars of local atoms.
            v: vectors of local atoms.
            directions: (E, 3) unit vectors from centre to neighbour.
            cutoff: (E, 1).
            basis: (E, K).
            own_basis: (1, K), the basis at distance 0.
            edge_index: (2, E).
        """
        n_local, width = x.size(0), self.width
        normed = self.norm(x)
        query = self.query(normed)
        sent = [self.key(normed), self.value(normed)]
        if not self.first:
            sent.append(v.reshape(n_local, 3 * width))
        received = exchange(torch.cat(sent, dim=1))
        neighbours = received[edge_index[1]]

        key_filter = torch.nn.functional.silu(self.key_filter(basis))
        value_filter = torch.nn.functional.silu(self.value_filter(basis))
        logits = query[edge_index[0]] * neighbours[:, :width] * key_filter
        attention = logits.view(-1, self.n_heads, self.head).sum(dim=2, keepdim=True)
        attention = torch.nn.functional.silu(attention)
        values = neighbours[:, width : 4 * width] * value_filter
        if self.vector_cutoff:
            values = values * cutoff
        else:
            attention = attention * cutoff.unsqueeze(2)
        values = values.view(-1, self.n_heads, 3 * self.head)
        scalar, along_v, along_r = values.split([self.head, self.head, self.head], dim=2)
        scalar = (scalar * attention).reshape(-1, width)
        along_r = along_r.reshape(-1, 1, width)
        vector = along_r * directions.unsqueeze(2)
        if not self.first:
            carried = neighbours[:, 4 * width :].view(-1, 3, width)
            vector = vector + carried * along_v.reshape(-1, 1, width)
        # An atom attends to itself, too, at distance 0, where the cutoff is 1: there is no
        # direction, and the rest is known without neighbours.
        own_key = torch.nn.functional.silu(self.key_filter(own_basis))
        own_value = torch.nn.functional.silu(self.value_filter(own_basis))
        own_logits = (query * sent[0] * own_key).view(-1, self.n_heads, self.head)
        own_attention = torch.nn.functional.silu(own_logits.sum(dim=2, keepdim=True))
        own_values = (sent[1] * own_value).view(-1, self.n_heads, 3 * self.head)
        own_scalar, own_v, _ = own_values.split([self.head, self.head, self.head], dim=2)

        scalars = sum_over_neighbours(scalar, edge_index[0], n_local)
        scalars = scalars + (own_scalar * own_attention).reshape(n_local, width)
        vectors = sum_over_neighbours(vector, edge_index[0], n_local)
        vectors = vectors + v * own_v.reshape(n_local, 1, width)
        first, second, third = self.out(scalars).split([width, width, width], dim=1)
        one, two, three = self.vectors(v).split([width, width, width], dim=2)
        dx = (one * two).sum(dim=1) * second + third
        dv = three * first.unsqueeze(1) + vectors
        return dx, dv


class TorchMDNetNetwork(torch.nn.Module):
    """The equivariant transformer's energy as a function of a graph (see `forcefields.base`)."""

    __constants__ = ("r_max",)

    def __init__(self, settings: Mapping[str, Any], context: NetworkContext) -> None:
        super().__init__()
        width = int(settings["embedding_dimension"])
        n_basis = int(settings["num_rbf"])
        n_species = len(context.species)
        self.r_max = context.r_max
        self.n_layers = int(settings["num_layers"])
        self.embedding = torch.nn.Embedding(n_species, width)
        self.neighbour_embedding = torch.nn.Embedding(n_species, width)
        self.neighbour_filter = torch.nn.Linear(n_basis, width)
        self.combine = torch.nn.Linear(2 * width, width)
        means, betas = expnorm_initial(context.r_max, n_basis, BASES[settings["basis"]])
        trained = bool(settings["trainable_rbf"])
        self.means = torch.nn.Parameter(means.to(context.dtype), requires_grad=trained)
        self.betas = torch.nn.Parameter(betas.to(context.dtype), requires_grad=trained)
        self.layers = torch.nn.ModuleList(
            _Attention(
                width,
                n_basis,
                int(settings["num_heads"]),
                first=index == 0,
                vector_cutoff=bool(settings["vector_cutoff"]),
            )
            for index in range(self.n_layers)
        )
        self.norm = torch.nn.LayerNorm(width)
        self.readout = torch.nn.Sequential(
            torch.nn.Linear(width, width // 2),
            torch.nn.SiLU(),
            torch.nn.Linear(width // 2, 1),
        )
        for module in (self.neighbour_filter, self.combine, *self.readout):
            if isinstance(module, torch.nn.Linear):
                torch.nn.init.xavier_uniform_(module.weight)
                torch.nn.init.zeros_(module.bias)
        self.exchange_widths = (4 * width, *(7 * width for _ in range(self.n_layers - 1)))
        self.outputs = (Output("features", "atom", width),)

    def forward(
        self,
        edge_vectors: torch.Tensor,
        edge_index: torch.Tensor,
        types: torch.Tensor,
        n_local: int,
    ) -> dict[str, torch.Tensor]:
        """Energy of each local atom in units of the training scale, and its last features."""
        dtype = self.means.dtype
        lengths = torch.linalg.vector_norm(edge_vectors, dim=1, keepdim=True)
        directions = (edge_vectors / lengths).to(dtype)
        lengths = lengths.to(dtype)
        cutoff = cosine_envelope(lengths, self.r_max)
        basis = expnorm_basis(lengths, self.means, self.betas, self.r_max)
        own_basis = expnorm_basis(lengths.new_zeros(1, 1), self.means, self.betas, self.r_max)
        filtered = self.neighbour_filter(basis) * cutoff
        messages = filtered * self.neighbour_embedding(types[edge_index[1]])
        around = sum_over_neighbours(messages, edge_index[0], n_local)
        x = self.combine(torch.cat([self.embedding(types[:n_local]), around], dim=1))
        v = x.new_zeros(n_local, 3, x.size(1))
        for layer in self.layers:
            dx, dv = layer(x, v, directions, cutoff, basis, own_basis, edge_index)
            x = x + dx
            v = v + dv
        x = self.norm(x)
        return {"energy": self.readout(x).view(-1), "features": x}


def build(settings: Mapping[str, Any], context: NetworkContext) -> TorchMDNetNetwork:
    """ET from its settings.

    Args:
        settings: `embedding_dimension` (F, a multiple of `num_heads`), `num_layers`, `num_rbf`,
            `num_heads`, `trainable_rbf`, `vector_cutoff` (False: the original, discontinuous at
            the cutoff), and `basis`, which is "exact" where it is left out.
        context: what the data fixes.

    Raises:
        ValueError: heads that do not divide the width, or an unknown setting or basis.
        KeyError: a setting is missing.
    """
    settings = {**EARLIER, **settings}
    require_known(settings, PRESETS["small"])
    require_choice(settings, "basis", BASES)
    require_counts(settings, "embedding_dimension", "num_heads", "num_layers", "num_rbf")
    width, n_heads = settings["embedding_dimension"], settings["num_heads"]
    if width % n_heads:
        raise ValueError(
            f"embedding_dimension: expected a multiple of num_heads = {n_heads}, got {width}"
        )
    with fresh_weights(context):
        return TorchMDNetNetwork(settings, context)


TORCHMDNET = ForceField(
    key="torchmdnet",
    architecture="TorchMD-NET ET",
    build=build,
    presets=PRESETS,
    citations=(
        Citation(
            text=(
                "P. Thölke, G. De Fabritiis, TorchMD-NET: Equivariant transformers for neural "
                "network based molecular potentials, ICLR (2022)"
            ),
            doi="10.48550/arXiv.2202.02541",
        ),
    ),
    packages=(),
)
