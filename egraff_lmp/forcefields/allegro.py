"""Allegro (Musaelian et al. 2023), from the package `nequip-allegro`: strictly local, no exchange.

Its features live on edges whose centre is local; of a ghost only the type is needed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from egraff_lmp.contract import Citation, Output
from egraff_lmp.forcefields.base import ForceField, NetworkContext
from egraff_lmp.forcefields.nequip_package import nequip_state, unwrap

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

    `num_bessels` and `polynomial_cutoff_p` are those of the two-body embedding. The energy scale
    and shift stay 1 and 0 here: `AtomicEnergyModel` applies them in float64.
    """
    from allegro.model import AllegroModel

    arguments = dict(settings)
    radial = {
        "_target_": "allegro.nn.TwoBodyBesselScalarEmbed",
        "num_bessels": arguments.pop("num_bessels"),
        "polynomial_cutoff_p": arguments.pop("polynomial_cutoff_p"),
    }
    with nequip_state():
        model = AllegroModel(
            **arguments,
            seed=context.seed,
            model_dtype=str(context.dtype).removeprefix("torch."),
            type_names=list(context.species),
            r_max=context.r_max,
            radial_chemical_embed=radial,
            avg_num_neighbors=context.avg_num_neighbors,
            per_type_energy_scales=None,
            per_type_energy_shifts=None,
            do_derivatives=False,
        )
    return AllegroNetwork(unwrap(model, "edge_norm"), n_layers=arguments["num_layers"])


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
)
