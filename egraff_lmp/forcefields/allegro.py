"""Allegro (Musaelian et al. 2023), from the package `nequip-allegro`: strictly local, no exchange.

Its features live on edges whose centre is local; of a ghost only the type is needed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch

from egraff_lmp.contract import Citation, Output
from egraff_lmp.forcefields.base import ForceField, Network, NetworkContext
from egraff_lmp.forcefields.building import require_choice
from egraff_lmp.forcefields.nequip_package import nequip_state, refuse_calls, unwrap

PRESETS: dict[str, dict[str, Any]] = {
    "small": {
        "l_max": 1,
        "parity": False,
        "num_layers": 2,
        "num_scalar_features": 32,
        "num_tensor_features": 8,
        "allegro_mlp_hidden_layers_depth": 1,
        "allegro_mlp_hidden_layers_width": 32,
        "scalar_embed_mlp_hidden_layers_depth": 1,
        "scalar_embed_mlp_hidden_layers_width": 32,
        "readout_mlp_hidden_layers_depth": 1,
        "readout_mlp_hidden_layers_width": 16,
        "num_bessels": 8,
        "polynomial_cutoff_p": 6,
    },
    # Table 12 of EGraFFBench, mapped from an older release of the package: its two-body latent MLP
    # [128, 256, 512, 1024] is the scalar embedding of three hidden layers of their mean width, its
    # latent MLP [1024, 1024, 1024] the MLP of each layer, its edge energy MLP the read-out.
    "paper": {
        "l_max": 2,
        "parity": True,
        "num_layers": 2,
        "num_scalar_features": 1024,
        "num_tensor_features": 64,
        "allegro_mlp_hidden_layers_depth": 2,
        "allegro_mlp_hidden_layers_width": 1024,
        "scalar_embed_mlp_hidden_layers_depth": 3,
        "scalar_embed_mlp_hidden_layers_width": 300,
        "readout_mlp_hidden_layers_depth": 1,
        "readout_mlp_hidden_layers_width": 128,
        "readout_mlp_nonlinearity": None,
        "num_bessels": 8,
        "polynomial_cutoff_p": 6,
    },
}
# Functions of `allegro.model` that build an Allegro, the one of own settings first.
BUILDERS = ("AllegroModel", "FullAllegroModel")
# Two-body embeddings of the package, and their settings.
RADIAL = {
    "Bessel": ("num_bessels", "bessel_trainable", "polynomial_cutoff_p"),
    "Spline": ("num_splines", "spline_span"),
}
_NOT_NEEDED = ("per_type_energy_scale_shift", "total_energy_sum")


class AllegroNetwork(torch.nn.Module):
    """Allegro's energy model as a function of a graph (see `forcefields.base`).

    Args:
        energy_model: the sequence of modules built by `allegro.model.AllegroModel`.
        n_layers: tensor-product layers.
    """

    __constants__ = ("per_type_norm",)

    def __init__(self, energy_model: Any, n_layers: int) -> None:
        super().__init__()
        self.n_layers = n_layers
        self.exchange_widths: tuple[int, ...] = ()
        self.outputs = (Output("edge_energy", "edge", 1, "eV"),)
        # What the package's sum over a centre's edges multiplies them by.
        reduce = energy_model.edge_eng_sum
        norm = reduce.norm_module.norm_const.reshape(-1)
        self.per_type_norm = int(norm.numel()) > 1
        self.register_buffer("norm", norm / math.sqrt(2))
        self.stages = torch.nn.ModuleList(
            module for name, module in energy_model.named_children() if name not in _NOT_NEEDED
        )

    def forward(
        self,
        edge_vectors: torch.Tensor,
        edge_index: torch.Tensor,
        types: torch.Tensor,
        n_local: int,
    ) -> dict[str, torch.Tensor]:
        """Energy of each local atom in units of the training scale, and that of each edge."""
        # Keys of nequip.data.AtomicDataDict.
        data = {
            # Only its length is read: the modules count atoms by it.
            "pos": torch.zeros((types.size(0), 3), dtype=torch.float64, device=types.device),
            "atom_types": types,
            "edge_index": edge_index,
            "edge_vectors": edge_vectors,
        }
        for stage in self.stages:
            data = stage(data)
        norm = self.norm
        if self.per_type_norm:
            norm = self.norm[types[edge_index[0]]]  # type: ignore[index]
        return {
            "energy": data["atomic_energy"].view(-1)[:n_local],
            "edge_energy": data["edge_energy"].view(-1) * norm,  # type: ignore[operator]
        }


def build(settings: Mapping[str, Any], context: NetworkContext) -> AllegroNetwork:
    """Allegro with the package's own builder; `settings` are its arguments.

    `radial` is the two-body embedding, out of `RADIAL` with its settings. `builder` is another of
    the package's `BUILDERS`, and `avg_num_neighbors` one number for each element in place of the
    context's. The energy scale and shift stay 1 and 0 here: `AtomicEnergyModel` applies them in
    float64.
    """
    import allegro.model

    refuse_calls(settings)
    arguments = {
        "builder": BUILDERS[0],
        "radial": "Bessel",
        "avg_num_neighbors": context.avg_num_neighbors,
        **settings,
    }
    require_choice(arguments, "builder", BUILDERS)
    require_choice(arguments, "radial", RADIAL)
    kind = arguments.pop("radial")
    radial = {"_target_": f"allegro.nn.TwoBody{kind}ScalarEmbed"}
    radial.update({name: arguments.pop(name) for name in RADIAL[kind] if name in arguments})
    with nequip_state():
        model = getattr(allegro.model, arguments.pop("builder"))(
            **arguments,
            seed=context.seed,
            model_dtype=str(context.dtype).removeprefix("torch."),
            type_names=list(context.species),
            r_max=context.r_max,
            radial_chemical_embed=radial,
            per_type_energy_scales=None,
            per_type_energy_shifts=None,
            do_derivatives=False,
        )
    parts = unwrap(model, "edge_norm")
    return AllegroNetwork(parts, n_layers=int(parts.allegro.num_layers))


def of_species(source: Network, target: Network, kept: Sequence[int]) -> dict[str, torch.Tensor]:
    """The rows of the embeddings of types and of pairs; see `ForceField.of_species`."""
    given: dict[str, torch.Tensor] = dict(cast(AllegroNetwork, source).named_parameters())
    found = {}
    for name, value in given.items():
        if name.endswith(("center_embed.weight", "neighbor_embed.weight")):
            found[name] = value[list(kept)]
        elif name.endswith("spline.class_embed.weight"):  # centre * n_species + neighbour
            n_species = math.isqrt(len(value))
            found[name] = value[[i * n_species + j for i in kept for j in kept]]
    return found


ALLEGRO = ForceField(
    key="allegro",
    architecture="Allegro",
    build=build,
    presets=PRESETS,
    citations=(
        Citation(
            text=(
                "A. Musaelian et al., Learning local equivariant representations for large-scale "
                "atomistic dynamics, Nat. Commun. 14, 579 (2023)"
            ),
            doi="10.1038/s41467-023-36329-y",
        ),
    ),
    packages=("nequip-allegro", "nequip", "e3nn"),
    of_species=of_species,
)
