"""MACE (Batatia et al. 2022), from the package `mace-torch`, with exchange between its layers.

MACE's edge vectors point from neighbour to centre (receiver minus sender) and its edge index is
(sender, receiver); the conversion is here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from ase.data import atomic_numbers
from e3nn import o3

from egraff_lmp.contract import Citation, Output
from egraff_lmp.errors import EgraffError
from egraff_lmp.forcefields.base import ForceField, Network, NetworkContext
from egraff_lmp.forcefields.building import fresh_weights, quiet, require_choice
from egraff_lmp.forcefields.exchange import exchange

PRESETS: dict[str, dict[str, Any]] = {
    "small": {
        "num_interactions": 2,
        "hidden_irreps": "16x0e + 16x1o",
        "MLP_irreps": "16x0e",
        "max_ell": 2,
        "correlation": 2,
        "num_bessel": 8,
        "num_polynomial_cutoff": 5,
        "radial_MLP": [32, 32],
    },
    # Table 14 of EGraFFBench; the radial network is the package's default.
    "paper": {
        "num_interactions": 2,
        "hidden_irreps": "16x0e + 16x1o + 16x2e",
        "MLP_irreps": "16x0e",
        "max_ell": 3,
        "correlation": 3,
        "num_bessel": 8,
        "num_polynomial_cutoff": 5,
        "radial_MLP": [64, 64, 64],
    },
}


# Classes of interactions by what they do: the skip connection takes the features before the layer
# (residual) or the message; messages are divided by the mean number of neighbours or by a density.
RESIDUAL = {
    "RealAgnosticResidualInteractionBlock": True,
    "RealAgnosticInteractionBlock": False,
    "RealAgnosticDensityResidualInteractionBlock": True,
    "RealAgnosticDensityInteractionBlock": False,
}


class _NoDensity(torch.nn.Module):
    """Stands where an interaction has no density network."""

    def forward(self, edge_embedding: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(edge_embedding[:, :1])


class _SameLengths(torch.nn.Module):
    """Stands where lengths are not transformed."""

    def forward(
        self,
        lengths: torch.Tensor,
        one_hot: torch.Tensor,
        edge_index: torch.Tensor,
        atomic_numbers: torch.Tensor,
    ) -> torch.Tensor:
        return lengths


class _NoRepulsion(torch.nn.Module):
    """Stands where there is no pair repulsion."""

    def forward(
        self,
        lengths: torch.Tensor,
        one_hot: torch.Tensor,
        edge_index: torch.Tensor,
        atomic_numbers: torch.Tensor,
    ) -> torch.Tensor:
        return torch.zeros_like(one_hot[:, 0])


class _NoReadout(torch.nn.Module):
    """Stands where a layer's features are not read."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(features[:, :1])


class _Layer(torch.nn.Module):
    """One interaction and product, with ghosts' features fetched when `exchanges`."""

    __constants__ = ("exchanges", "has_density", "residual")

    def __init__(self, interaction: Any, product: Any, exchanges: bool):
        super().__init__()
        self.exchanges = exchanges
        self.residual = RESIDUAL[type(interaction).__name__]
        self.has_density = hasattr(interaction, "density_fn")
        self.density = interaction.density_fn if self.has_density else _NoDensity()
        self.skip = interaction.skip_tp
        self.linear_up = interaction.linear_up
        self.tensor_product = interaction.conv_tp
        self.radial_mlp = interaction.conv_tp_weights
        self.linear = interaction.linear
        self.reshape = interaction.reshape
        self.norm = float(interaction.avg_num_neighbors)
        self.product = product

    def forward(
        self,
        features: torch.Tensor,
        attributes: torch.Tensor,
        edge_harmonics: torch.Tensor,
        edge_embedding: torch.Tensor,
        envelope: torch.Tensor | None,
        edge_index: torch.Tensor,
    ) -> torch.Tensor:
        """Features of local atoms, (n_local, width), to those after the layer.

        In the first layer `features` are those of all atoms, known by type. `attributes` is the
        one-hot type of local atoms. `envelope` goes to zero at the cutoff; it is None where
        `edge_embedding` holds it already.
        """
        n_local = attributes.size(0)
        skip: torch.Tensor | None = None
        if self.residual:
            skip = _padded(self.skip(features[:n_local], attributes))
        up = self.linear_up(features)
        if self.exchanges:
            up = exchange(up)
        weights = self.radial_mlp(edge_embedding)
        if envelope is not None:
            weights = weights * envelope
        messages = self.tensor_product(up[edge_index[1]], edge_harmonics, weights)
        # One row more than there are atoms: the package's symmetric contraction cannot reshape
        # zero rows, and a rank may be empty. The row is zero and is cut off again.
        gathered = torch.zeros(
            (n_local + 1, messages.size(1)), dtype=messages.dtype, device=messages.device
        ).index_add(0, edge_index[0], messages)
        message = self.linear(gathered)
        if self.has_density:
            density = torch.tanh(self.density(edge_embedding) ** 2)
            if envelope is not None:
                density = density * envelope
            total = torch.zeros((n_local + 1, 1), dtype=density.dtype, device=density.device)
            message = message / (total.index_add(0, edge_index[0], density) + 1)
        else:
            message = message / self.norm
        if not self.residual:
            message = self.skip(message, _padded(attributes))
        return self.product(self.reshape(message), skip, _padded(attributes))[:n_local]


def _padded(rows: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.pad(rows, [0, 0, 0, 1])


class MACENetwork(torch.nn.Module):
    """MACE's interaction energy as a function of a graph (see `forcefields.base`).

    Args:
        mace: a `mace.modules.MACE` with one head and interactions out of `RESIDUAL`, whose zero
            of energy (atomic energies, scale and shift) is not used here.
    """

    __constants__ = ("cutoff_in_embedding", "n_species")

    def __init__(self, mace: Any) -> None:
        super().__init__()
        self.n_layers = len(mace.interactions)
        self.exchange_widths = tuple(
            interaction.linear_up.irreps_out.dim for interaction in mace.interactions[1:]
        )
        self.n_species = int(mace.atomic_numbers.numel())
        self.node_embedding = mace.node_embedding
        self.harmonics = mace.spherical_harmonics
        self.bessel = mace.radial_embedding.bessel_fn
        self.cutoff = mace.radial_embedding.cutoff_fn
        self.cutoff_in_embedding = bool(getattr(mace.radial_embedding, "apply_cutoff", True))
        self.transform = getattr(mace.radial_embedding, "distance_transform", _SameLengths())
        self.repulsion = getattr(mace, "pair_repulsion_fn", _NoRepulsion())
        self.register_buffer("atomic_numbers", mace.atomic_numbers.clone(), persistent=False)
        self.layers = torch.nn.ModuleList(
            _Layer(interaction, product, exchanges=index > 0)
            for index, (interaction, product) in enumerate(
                zip(mace.interactions, mace.products, strict=True)
            )
        )
        # A model may read the last layer alone.
        unread = [_NoReadout() for _ in range(self.n_layers - len(mace.readouts))]
        self.readouts = torch.nn.ModuleList([*unread, *mace.readouts])
        self.dtype = mace.r_max.dtype
        width = mace.products[-1].linear.irreps_out.dim
        self.outputs = (Output("features", "atom", width),)

    def forward(
        self,
        edge_vectors: torch.Tensor,
        edge_index: torch.Tensor,
        types: torch.Tensor,
        n_local: int,
    ) -> dict[str, torch.Tensor]:
        """Energy of each local atom in units of the training scale, and its last features."""
        vectors = -edge_vectors.to(self.dtype)
        lengths = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
        harmonics = self.harmonics(vectors)
        envelope = self.cutoff(lengths)
        one_hot = torch.nn.functional.one_hot(types, self.n_species).to(self.dtype)
        mace_index = edge_index.flip(0)  # (sender, receiver)
        numbers = self.atomic_numbers
        embedding = self.bessel(self.transform(lengths, one_hot, mace_index, numbers))
        outer: torch.Tensor | None = envelope
        if self.cutoff_in_embedding:
            embedding = embedding * envelope
            outer = None
        features = self.node_embedding(one_hot)
        attributes = one_hot[:n_local]
        energy = self.repulsion(lengths, one_hot, mace_index, numbers)[:n_local]
        for layer, readout in zip(self.layers, self.readouts):  # noqa: B905 (TorchScript)
            features = layer(features, attributes, harmonics, embedding, outer, edge_index)
            energy = energy + readout(features).view(-1)
        return {"energy": energy, "features": features}


# Settings that a network of `mace-torch` may have beside those of the presets, and what the presets
# have: the package's default blocks.
EARLIER: dict[str, Any] = {
    "interaction_cls": "RealAgnosticResidualInteractionBlock",
    "interaction_cls_first": "RealAgnosticResidualInteractionBlock",
    "gate": "silu",
    "edge_irreps": None,
}
GATES = {
    "silu": torch.nn.functional.silu,
    "tanh": torch.tanh,
    "abs": torch.abs,
    "None": None,
}
_IRREPS = ("hidden_irreps", "MLP_irreps", "edge_irreps")
_INTERACTIONS = ("interaction_cls", "interaction_cls_first")


def build(settings: Mapping[str, Any], context: NetworkContext) -> MACENetwork:
    """MACE with the package's own class; `settings` are its arguments.

    Irreps are texts, interactions names out of `RESIDUAL`, and `gate` one of `GATES`; what is left
    out is as in `EARLIER`. With a residual first interaction an isolated atom has a network energy
    that depends on its species alone.
    """
    arguments = {**EARLIER, **settings}
    require_choice(arguments, "gate", GATES)
    for name in _INTERACTIONS:
        require_choice(arguments, name, RESIDUAL)
    with quiet():
        from mace.modules import MACE as MACEModel
        from mace.modules import blocks

        for name in _IRREPS:
            if arguments[name] is not None:
                arguments[name] = o3.Irreps(arguments[name])
        for name in _INTERACTIONS:
            arguments[name] = getattr(blocks, arguments[name])
        arguments["gate"] = GATES[arguments["gate"]]
        with fresh_weights(context):
            mace = MACEModel(
                **arguments,
                r_max=context.r_max,
                num_elements=len(context.species),
                atomic_energies=np.zeros(len(context.species)),
                avg_num_neighbors=context.avg_num_neighbors,
                atomic_numbers=[atomic_numbers[element] for element in context.species],
            )
        return MACENetwork(mace)


def of_species(source: Network, target: Network, kept: Sequence[int]) -> dict[str, torch.Tensor]:
    """What follows for some of the species; see `ForceField.of_species`.

    e3nn divides a sum over the one-hot species by the root of their number, so that the weights of
    these sums are multiplied by the ratio of the two.

    Raises:
        EgraffError: the symmetric contractions of the two have other bases.
    """
    old, new = cast(Any, source), cast(Any, target)
    rows = list(kept)
    ratio = (len(rows) / old.n_species) ** 0.5
    embedding = old.node_embedding.linear.weight.view(old.n_species, -1)
    found = {"node_embedding.linear.weight": embedding[rows].reshape(-1) * ratio}
    for number, (before, after) in enumerate(zip(old.layers, new.layers, strict=True)):
        views = [
            before.skip.weight_view_for_instruction(index)[:, rows].reshape(-1) * ratio
            for index, instruction in enumerate(before.skip.instructions)
            if instruction.has_weight
        ]
        prefix = f"layers.{number}"
        found[f"{prefix}.skip.weight"] = torch.cat(views)
        _require_same_basis(before.product, after.product)
        for name, value in before.product.symmetric_contractions.named_parameters():
            if len(value) == old.n_species:  # else one for all elements
                found[f"{prefix}.product.symmetric_contractions.{name}"] = value[rows]
    return found


def _require_same_basis(one: torch.nn.Module, other: torch.nn.Module) -> None:
    """Bases of generalised Clebsch-Gordan coefficients are not unique, and weights refer to one."""
    bases = dict(other.named_buffers())
    for name, value in one.named_buffers():
        if "U_matrix" not in name:
            continue
        fresh = bases[name]
        if value.shape != fresh.shape or not torch.allclose(value, fresh, atol=1e-5):
            raise EgraffError(
                "expected symmetric contractions in the basis of the installed mace-torch, got "
                "another one (cuequivariance makes a smaller one): install the packages that the "
                "model was made with."
            )


def spared(network: Network) -> list[torch.nn.Parameter]:
    """All but the products and the linear maps of messages, as in `mace-torch` (0.3.16)."""
    decayed: set[int] = set()
    for layer in cast(MACENetwork, network).layers:
        decayed.update(id(parameter) for parameter in layer.product.parameters())  # type: ignore[union-attr]
        decayed.add(id(layer.linear.weight))  # type: ignore[union-attr]
    return [parameter for parameter in network.parameters() if id(parameter) not in decayed]


MACE = ForceField(
    key="mace",
    architecture="MACE",
    build=build,
    presets=PRESETS,
    citations=(
        Citation(
            text=(
                "I. Batatia et al., MACE: higher order equivariant message passing neural networks "
                "for fast and accurate force fields, NeurIPS 35 (2022)"
            ),
            doi="10.48550/arXiv.2206.07697",
        ),
    ),
    packages=("mace-torch", "e3nn"),
    spared=spared,
    of_species=of_species,
)
