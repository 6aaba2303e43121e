"""BOTNet (Batatia et al. 2022, "The design space of E(3)-equivariant atom-centered interatomic
potentials"), written for this project from that paper's equations on e3nn.

BOTNet is a NequIP in which every layer raises the body order by exactly one: messages are two-body
tensor products, the update of an atom is linear in its messages (no gates), each layer has a linear
read-out of its own, and only the last read-out is not linear (sections 4 and 5 of the paper). It is
not MACE with correlation 1, whose messages pass through a symmetric contraction.

Exchanged between layers: the features of the layer before after its first linear map, as wide as
the hidden irreps. The first layer's features follow from the type, and need no exchange.

Edge vectors point from neighbour to centre here, as in the authors' code, so that the weights of
its classes can be taken over (tests/forcefields/test_botnet.py does).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from e3nn import nn as enn
from e3nn import o3

from egraff_lmp.contract import Citation, Output
from egraff_lmp.forcefields.base import ForceField, Network, NetworkContext
from egraff_lmp.forcefields.building import fresh_weights, require_counts, require_known
from egraff_lmp.forcefields.exchange import exchange
from egraff_lmp.forcefields.layers import (
    bessel_basis,
    depthwise_product,
    polynomial_envelope,
    sum_over_neighbours,
)

PRESETS: dict[str, dict[str, Any]] = {
    "small": {
        "num_interactions": 3,
        "hidden_irreps": "16x0e + 16x1o",
        "MLP_irreps": "16x0e",
        "max_ell": 2,
        "num_bessel": 8,
        "num_polynomial_cutoff": 5,
        "radial_MLP": [32, 32],
        "radial": "agnostic",
    },
    # Table 13 of EGraFFBench. What was run for it was MACE with correlation 1; the radial network
    # is the authors' default.
    "paper": {
        "num_interactions": 5,
        "hidden_irreps": "16x0e + 16x1o + 16x2e",
        "MLP_irreps": "16x0e",
        "max_ell": 3,
        "num_bessel": 8,
        "num_polynomial_cutoff": 5,
        "radial_MLP": [64, 64, 64],
        "radial": "agnostic",
    },
}


class _ElementRadial(torch.nn.Module):
    """Radial weights that depend linearly on the basis and on the neighbour's element."""

    def __init__(self, n_species: int, n_basis: int, n_weights: int) -> None:
        super().__init__()
        self.weights = torch.nn.Parameter(torch.empty(n_species, n_basis, n_weights))
        torch.nn.init.xavier_uniform_(self.weights)

    def forward(self, embedding: torch.Tensor, neighbor_types: torch.Tensor) -> torch.Tensor:
        """(E, n_basis) and types (E,) to (E, n_weights)."""
        out = embedding.new_zeros(embedding.size(0), self.weights.size(2))
        for species in range(self.weights.size(0)):
            mask = (neighbor_types == species).to(embedding.dtype).unsqueeze(1)
            out = out + (embedding * mask) @ self.weights[species]
        return out


class _AgnosticRadial(torch.nn.Module):
    """Radial weights from a multi-layer perceptron of the basis, the same for all elements."""

    def __init__(self, n_basis: int, hidden: list[int], n_weights: int) -> None:
        super().__init__()
        self.net = enn.FullyConnectedNet([n_basis, *hidden, n_weights], torch.nn.functional.silu)

    def forward(self, embedding: torch.Tensor, neighbor_types: torch.Tensor) -> torch.Tensor:
        """(E, n_basis) to (E, n_weights)."""
        return self.net(embedding)


class _Layer(torch.nn.Module):
    """Message A_i = (1/n) W sum_j R(r_ij) Y(r_ij) (W' h_j), and its update with the element.

    The update of a residual layer is A_i + W_z h_i, that of the first layer of the agnostic
    variant W_z A_i, z being the element of the centre (section 5.2 of the paper).
    """

    __constants__ = ("exchanges", "residual")

    def __init__(
        self,
        irreps_in: o3.Irreps,
        harmonics: o3.Irreps,
        target: o3.Irreps,
        n_species: int,
        settings: Mapping[str, Any],
        norm: float,
        *,
        residual: bool,
        exchanges: bool,
    ) -> None:
        super().__init__()
        self.exchanges = exchanges
        self.residual = residual
        self.norm = norm
        self.linear_up = o3.Linear(irreps_in, irreps_in)
        self.tensor_product, irreps_mid = depthwise_product(irreps_in, harmonics, target)
        n_basis, n_weights = settings["num_bessel"], self.tensor_product.weight_numel
        self.radial: torch.nn.Module
        if settings["radial"] == "element":
            self.radial = _ElementRadial(n_species, n_basis, n_weights)
        else:
            self.radial = _AgnosticRadial(n_basis, list(settings["radial_MLP"]), n_weights)
        # In the order of the message's irreps, as in the authors' code.
        self.irreps_out = o3.Irreps([(target.count(ir), ir) for _, ir in irreps_mid.simplify()])
        self.linear = o3.Linear(irreps_mid.simplify(), self.irreps_out)
        self.skip = o3.FullyConnectedTensorProduct(
            irreps_in if residual else self.irreps_out, f"{n_species}x0e", self.irreps_out
        )

    def forward(
        self,
        features: torch.Tensor,
        attributes: torch.Tensor,
        edge_harmonics: torch.Tensor,
        edge_embedding: torch.Tensor,
        edge_index: torch.Tensor,
        neighbor_types: torch.Tensor,
    ) -> torch.Tensor:
        """Features of local atoms, (n_local, width), to those after the layer.

        In the first layer `features` are those of all atoms, known by type.
        """
        n_local = attributes.size(0)
        up = self.linear_up(features)
        if self.exchanges:
            up = exchange(up)
        weights = self.radial(edge_embedding, neighbor_types)
        messages = self.tensor_product(up[edge_index[1]], edge_harmonics, weights)
        gathered = sum_over_neighbours(messages, edge_index[0], n_local)
        message = self.linear(gathered) / self.norm
        if self.residual:
            return message + self.skip(features[:n_local], attributes)
        return self.skip(message, attributes)


class BOTNetNetwork(torch.nn.Module):
    """BOTNet's interaction energy as a function of a graph (see `forcefields.base`)."""

    def __init__(self, settings: Mapping[str, Any], context: NetworkContext) -> None:
        super().__init__()
        self.n_species = len(context.species)
        self.r_max = context.r_max
        self.n_basis = int(settings["num_bessel"])
        self.envelope_power = float(settings["num_polynomial_cutoff"])
        self.dtype = context.dtype
        hidden = o3.Irreps(settings["hidden_irreps"])
        harmonics = o3.Irreps.spherical_harmonics(settings["max_ell"])
        self.harmonics = o3.SphericalHarmonics(harmonics, normalize=True, normalization="component")
        irreps = o3.Irreps([(hidden.count(o3.Irrep(0, 1)), (0, 1))])
        self.embedding = o3.Linear(o3.Irreps(f"{self.n_species}x0e"), irreps)
        layers: list[_Layer] = []
        readouts: list[torch.nn.Module] = []
        widths: list[int] = []
        self.n_layers = int(settings["num_interactions"])
        for index in range(self.n_layers):
            layer = _Layer(
                irreps,
                harmonics,
                hidden,
                self.n_species,
                settings,
                context.avg_num_neighbors,
                residual=index > 0 or settings["radial"] == "element",
                exchanges=index > 0,
            )
            if index > 0:
                widths.append(irreps.dim)
            irreps = layer.irreps_out
            layers.append(layer)
            last = index == self.n_layers - 1 and index > 0
            readouts.append(
                _NonLinearReadout(irreps, o3.Irreps(settings["MLP_irreps"]))
                if last
                else o3.Linear(irreps, o3.Irreps("0e"))
            )
        self.layers = torch.nn.ModuleList(layers)
        self.readouts = torch.nn.ModuleList(readouts)
        self.exchange_widths = tuple(widths)
        self.outputs = (Output("features", "atom", irreps.dim),)

    def forward(
        self,
        edge_vectors: torch.Tensor,
        edge_index: torch.Tensor,
        types: torch.Tensor,
        n_local: int,
    ) -> dict[str, torch.Tensor]:
        """Energy of each local atom in units of the training scale, and its last features."""
        # Geometry in float64, then the network's precision.
        lengths = torch.linalg.vector_norm(edge_vectors, dim=1, keepdim=True)
        harmonics = self.harmonics(-edge_vectors).to(self.dtype)
        embedding = bessel_basis(lengths, self.r_max, self.n_basis) * polynomial_envelope(
            lengths, self.r_max, self.envelope_power
        )
        embedding = embedding.to(self.dtype)
        one_hot = torch.nn.functional.one_hot(types, self.n_species).to(self.dtype)
        attributes = one_hot[:n_local]
        features = self.embedding(one_hot)
        neighbor_types = types[edge_index[1]]
        energy = torch.zeros(n_local, dtype=self.dtype, device=types.device)
        for layer, readout in zip(self.layers, self.readouts):  # noqa: B905 (TorchScript)
            features = layer(features, attributes, harmonics, embedding, edge_index, neighbor_types)
            energy = energy + readout(features).view(-1)
        return {"energy": energy, "features": features}


class _NonLinearReadout(torch.nn.Module):
    """The one place of the network that is not linear in the messages: W' silu(W h)."""

    def __init__(self, irreps_in: o3.Irreps, irreps_hidden: o3.Irreps) -> None:
        super().__init__()
        self.linear_1 = o3.Linear(irreps_in, irreps_hidden)
        self.activation = enn.Activation(irreps_hidden, [torch.nn.functional.silu])
        self.linear_2 = o3.Linear(irreps_hidden, o3.Irreps("0e"))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(n_local, width) to (n_local, 1)."""
        return self.linear_2(self.activation(self.linear_1(features)))


def build(settings: Mapping[str, Any], context: NetworkContext) -> BOTNetNetwork:
    """BOTNet from its settings.

    Args:
        settings: `num_interactions`, `hidden_irreps` and `MLP_irreps` (text), `max_ell`,
            `num_bessel`, `num_polynomial_cutoff`, `radial_MLP` (widths), and `radial`: "agnostic"
            (weights from the distance alone, the authors' main model) or "element" (weights that
            depend on the neighbour's element, too).
        context: what the data fixes.

    Raises:
        ValueError: an unknown `radial`.
        KeyError: a setting is missing.
    """
    require_known(settings, PRESETS["small"])
    if settings["radial"] not in ("agnostic", "element"):
        raise ValueError(f"radial: expected 'agnostic' or 'element', got '{settings['radial']}'")
    require_counts(settings, "num_interactions", "num_bessel", "num_polynomial_cutoff")
    if o3.Irreps(settings["hidden_irreps"]).count(o3.Irrep(0, 1)) == 0:
        raise ValueError(
            f"hidden_irreps: expected some 0e, which energies are read from, got "
            f"'{settings['hidden_irreps']}'"
        )
    with fresh_weights(context):
        return BOTNetNetwork(settings, context)


def spared(network: Network) -> list[torch.nn.Parameter]:
    """All but the linear maps of messages.

    That is the rule by which `mace-torch` decays interactions; it has no other for BOTNet, which
    its training no longer knows, and the products that it decays beside them are none of BOTNet's.
    """
    layers = cast(BOTNetNetwork, network).layers
    decayed = {id(layer.linear.weight) for layer in layers}  # type: ignore[union-attr]
    return [parameter for parameter in network.parameters() if id(parameter) not in decayed]


BOTNET = ForceField(
    key="botnet",
    architecture="BOTNet",
    build=build,
    presets=PRESETS,
    citations=(
        Citation(
            text=(
                "I. Batatia et al., The design space of E(3)-equivariant atom-centred interatomic "
                "potentials, Nat. Mach. Intell. 7, 56 (2025)"
            ),
            doi="10.1038/s42256-024-00956-x",
        ),
    ),
    packages=("e3nn",),
    spared=spared,
)
