"""NequIP (Batzner et al. 2022), from the package `nequip`, with exchange between its layers.

Inside a convolution only the gathered neighbour features must be known for ghosts. The first
linear map and the self-connection act on local atoms alone, and the exchange comes after that map,
so ghosts cost no arithmetic (Batzner et al., Fig. 1: self-interaction, then convolution).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch

from egraff_lmp.contract import Citation, Output
from egraff_lmp.forcefields.base import ForceField, Network, NetworkContext
from egraff_lmp.forcefields.building import require_choice
from egraff_lmp.forcefields.exchange import exchange
from egraff_lmp.forcefields.nequip_package import nequip_state, refuse_calls, unwrap

PRESETS: dict[str, dict[str, Any]] = {
    # Minutes on two cores for a few hundred frames of 200 atoms.
    "small": {
        "num_layers": 3,
        "l_max": 1,
        "parity": False,
        "num_features": 16,
        "radial_mlp_depth": 1,
        "radial_mlp_width": 32,
        "num_bessels": 8,
        "bessel_trainable": True,
        "polynomial_cutoff_p": 6,
    },
    # Table 11 of EGraFFBench: "invariant layers" are hidden layers of the radial network.
    "paper": {
        "num_layers": 6,
        "l_max": 2,
        "parity": True,
        "num_features": 32,
        "radial_mlp_depth": 3,
        "radial_mlp_width": 64,
        "num_bessels": 8,
        "bessel_trainable": True,
        "polynomial_cutoff_p": 6,
    },
}


# Functions of `nequip.model` that build a NequIP, the one of own settings first.
BUILDERS = ("NequIPGNNModel", "PresetNequIPGNNModel", "FullNequIPGNNModel")


class _Convolution(torch.nn.Module):
    """One interaction block and its gate, with ghosts' features fetched when `exchanges`."""

    __constants__ = ("exchanges", "has_self_connection", "per_type_norm", "residual")

    def __init__(self, layer: Any, exchanges: bool) -> None:
        super().__init__()
        block = layer.conv
        self.exchanges = exchanges
        self.residual = bool(layer.resnet)
        self.has_self_connection = block.sc is not None
        self.self_connection = block.sc if block.sc is not None else torch.nn.Identity()
        self.linear_1 = block.linear_1
        self.linear_2 = block.linear_2
        self.tensor_product = block.tp_scatter.tp
        self.radial_mlp = block.edge_mlp
        self.gate = layer.equivariant_nonlin
        # One number, or one per type of the neighbour whose features are gathered.
        self.register_buffer("norm", block.avg_num_neighbors_norm.norm_const.reshape(-1))
        self.per_type_norm = int(block.avg_num_neighbors_norm.norm_const.numel()) > 1

    def forward(
        self,
        features: torch.Tensor,
        attributes: torch.Tensor,
        edge_harmonics: torch.Tensor,
        edge_embedding: torch.Tensor,
        edge_index: torch.Tensor,
        types: torch.Tensor,
    ) -> torch.Tensor:
        """Features of local atoms, (n_local, width), to those after the layer.

        In the first layer `features` are those of all atoms, known by type. `attributes` are
        those of local atoms, `types` those of all.
        """
        n_local = attributes.size(0)
        norm = self.norm
        if self.per_type_norm:
            norm = self.norm[types[: features.size(0)]].unsqueeze(1)  # type: ignore[index]
        x = self.linear_1(features) * norm
        if self.exchanges:
            x = exchange(x)
        weights = self.radial_mlp(edge_embedding)
        messages = self.tensor_product(x[edge_index[1]], edge_harmonics, weights)
        gathered = torch.zeros(
            (n_local, messages.size(1)), dtype=messages.dtype, device=messages.device
        ).index_add(0, edge_index[0], messages)
        out = self.linear_2(gathered)
        if self.has_self_connection:
            out = out + self.self_connection(features[:n_local], attributes)
        out = self.gate(out)
        if self.residual:
            out = features[:n_local] + out
        return out


class NequIPNetwork(torch.nn.Module):
    """NequIP's energy model as a function of a graph (see `forcefields.base`).

    Args:
        energy_model: the sequence of modules built by `nequip.model.NequIPGNNModel`.
        r_max: cutoff in A, the largest where there is one for each pair of types.
    """

    __constants__ = ("n_species", "per_edge_type_cutoff")

    def __init__(self, energy_model: Any, r_max: float) -> None:
        super().__init__()
        layers = [m for name, m in energy_model.named_children() if name.endswith("_convnet")]
        self.n_layers = len(layers)
        self.exchange_widths = tuple(layer.conv.linear_1.irreps_out.dim for layer in layers[1:])
        self.r_max = r_max
        self.type_embedding = energy_model.type_embed.embed_module
        self.n_species = int(self.type_embedding.num_embeddings)
        # 1 / cutoff of [centre type * n_species + neighbour type] where pairs differ.
        reciprocals = energy_model.edge_norm._rmax_recip.detach().reshape(-1)
        self.per_edge_type_cutoff = int(reciprocals.numel()) > 1
        self.register_buffer("reciprocal_cutoffs", reciprocals.clone(), persistent=False)
        self.harmonics = energy_model.spharm.sh
        self.cutoff = energy_model.bessel_encode.cutoff
        self.bessel_roots = energy_model.bessel_encode.bessel_weights
        self.embedding_factor = float(energy_model.factor.factor)
        self.layers = torch.nn.ModuleList(
            _Convolution(layer, exchanges=index > 0) for index, layer in enumerate(layers)
        )
        self.readout = energy_model.per_atom_energy_readout.mlp_module
        width = energy_model.per_atom_energy_readout.irreps_in["node_features"].dim
        self.outputs = (Output("features", "atom", width),)

    def forward(
        self,
        edge_vectors: torch.Tensor,
        edge_index: torch.Tensor,
        types: torch.Tensor,
        n_local: int,
    ) -> dict[str, torch.Tensor]:
        """Energy of each local atom in units of the training scale, and its last features."""
        features = self.type_embedding(types)
        attributes = features[:n_local]
        dtype = features.dtype
        # Geometry in float64, as the package does; then the network's precision.
        harmonics = self.harmonics(edge_vectors).to(dtype)
        x = torch.linalg.vector_norm(edge_vectors, dim=1, keepdim=True)
        if self.per_edge_type_cutoff:
            pairs = types[edge_index[0]] * self.n_species + types[edge_index[1]]
            x = x * self.reciprocal_cutoffs[pairs].unsqueeze(1)  # type: ignore[index]
        else:
            x = x / self.r_max
        bessel = torch.sinc(x * self.bessel_roots) * self.bessel_roots
        embedding = bessel.to(dtype) * self.cutoff(x).to(dtype) * self.embedding_factor
        for layer in self.layers:
            features = layer(features, attributes, harmonics, embedding, edge_index, types)
        return {"energy": self.readout(features).view(-1), "features": features}


def build(settings: Mapping[str, Any], context: NetworkContext) -> NequIPNetwork:
    """NequIP with the package's own builder; `settings` are its arguments.

    `builder` among them is another of the package's `BUILDERS`, and `avg_num_neighbors` one number
    for each element in place of the context's. The energy scale and shift stay 1 and 0 here:
    `AtomicEnergyModel` applies them in float64.
    """
    import nequip.model

    refuse_calls(settings)
    arguments = {
        "builder": BUILDERS[0],
        "avg_num_neighbors": context.avg_num_neighbors,
        **settings,
    }
    require_choice(arguments, "builder", BUILDERS)
    with nequip_state():
        model = getattr(nequip.model, arguments.pop("builder"))(
            **arguments,
            seed=context.seed,
            model_dtype=str(context.dtype).removeprefix("torch."),
            type_names=list(context.species),
            r_max=context.r_max,
            per_type_energy_scales=None,
            per_type_energy_shifts=None,
            do_derivatives=False,
        )
    return NequIPNetwork(unwrap(model, "type_embed"), context.r_max)


def of_species(source: Network, target: Network, kept: Sequence[int]) -> dict[str, torch.Tensor]:
    """The rows of the embedding of types; see `ForceField.of_species`."""
    return {"type_embedding.weight": cast(NequIPNetwork, source).type_embedding.weight[list(kept)]}


NEQUIP = ForceField(
    key="nequip",
    architecture="NequIP",
    build=build,
    presets=PRESETS,
    citations=(
        Citation(
            text=(
                "S. Batzner et al., E(3)-equivariant graph neural networks for data-efficient and "
                "accurate interatomic potentials, Nat. Commun. 13, 2453 (2022)"
            ),
            doi="10.1038/s41467-022-29939-5",
        ),
    ),
    packages=("nequip", "e3nn"),
    of_species=of_species,
)
