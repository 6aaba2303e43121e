"""Native files of other packages, made with those packages: configs and builders."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from egraff_lmp.forcefields.nequip_package import nequip_state

R_MAX = 4.0
SPECIES = ("H", "O", "Ge")
SHIFTS = {"H": -13.6, "O": -432.1, "Ge": -7.25}
SCALES = {"H": 0.7, "O": 1.9, "Ge": 3.1}


NEQUIP: dict[str, Any] = {
    "_target_": "nequip.model.NequIPGNNModel",
    "seed": 3,
    "model_dtype": "float64",
    "type_names": list(SPECIES),
    "r_max": R_MAX,
    "num_layers": 2,
    "l_max": 1,
    "parity": False,
    "num_features": 6,
    "radial_mlp_width": 8,
    "avg_num_neighbors": 9.0,
    "per_type_energy_shifts": -1.5,
    "per_type_energy_scales": 2.5,
}
# All that a config can say which changes the function: two scales, shifts, mean numbers of
# neighbours and cutoffs by type, residual layers, trained Bessel roots, a deeper readout.
RICH: dict[str, Any] = {
    "per_type_energy_shifts": SHIFTS,
    "per_type_energy_scales": SCALES,
    "avg_num_neighbors": {"H": 7.0, "O": 10.0, "Ge": 14.0},
    "per_edge_type_cutoff": {"H": 2.6, "O": {"H": 2.9, "O": 3.6, "Ge": 4.0}},
    "readout_mlp_hidden_layers_depth": 1,
    "readout_mlp_hidden_layers_width": 8,
}
RICH_NEQUIP: dict[str, Any] = {
    **NEQUIP,
    **RICH,
    "num_layers": 3,
    "l_max": 2,
    "parity": True,
    "num_features": 4,
    "convnet_resnet": True,
    "bessel_trainable": True,
    "type_embed_num_features": 5,
}
ALLEGRO: dict[str, Any] = {
    "_target_": "allegro.model.AllegroModel",
    "seed": 4,
    "model_dtype": "float64",
    "type_names": list(SPECIES),
    "r_max": R_MAX,
    "l_max": 1,
    "parity": False,
    "num_layers": 2,
    "num_scalar_features": 8,
    "num_tensor_features": 4,
    "radial_chemical_embed": {"_target_": "allegro.nn.TwoBodyBesselScalarEmbed"},
    "avg_num_neighbors": 9.0,
    "per_type_energy_shifts": -1.5,
    "per_type_energy_scales": 2.5,
}
RICH_ALLEGRO: dict[str, Any] = {
    **ALLEGRO,
    **RICH,
    "l_max": 2,
    "parity": True,
    "radial_chemical_embed": {"_target_": "allegro.nn.TwoBodySplineScalarEmbed"},
}


def save_checkpoint(
    config: Mapping[str, Any], path: Path, ema: bool = False, data: Any = None, **extra: Any
) -> Path:
    """What `nequip-train` saves after its last step, without the steps: weights are random."""
    import lightning
    from nequip.train import EMALightningModule, NequIPLightningModule

    kind: Any = EMALightningModule if ema else NequIPLightningModule
    target = f"nequip.train.{kind.__name__}"
    quiet = logging.getLogger("lightning.pytorch")
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    with nequip_state():
        module = kind(
            model=dict(config),
            num_datasets={"train": 1, "val": 0, "test": 0, "predict": 0},
            optimizer={"_target_": "torch.optim.Adam", "lr": 0.01},
            info_dict={
                "versions": {"nequip": "0.19.1"},
                "data": data,
                "training_module": {"_target_": target, "model": dict(config)},
                **extra,
            },
        )
        if ema:  # averages differ from the raw weights
            for average in module.ema.ema_weights:
                average.mul_(1.25)
        trainer = lightning.Trainer(
            accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False
        )
        trainer.strategy.connect(module)
        trainer.save_checkpoint(path)
    quiet.setLevel(level)
    return path


def mace_model(dtype: torch.dtype = torch.float64, **changes: Any) -> Any:
    """An untrained ScaleShiftMACE (MACE where there is no scale), with forces of some eV/A."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        from e3nn import o3
        from mace.modules import MACE, ScaleShiftMACE, blocks

        arguments: dict[str, Any] = {
            "r_max": R_MAX,
            "num_bessel": 6,
            "num_polynomial_cutoff": 5,
            "max_ell": 2,
            "interaction_cls": "RealAgnosticResidualInteractionBlock",
            "interaction_cls_first": "RealAgnosticResidualInteractionBlock",
            "num_interactions": 2,
            "num_elements": len(SPECIES),
            "hidden_irreps": "4x0e + 4x1o",
            "MLP_irreps": "6x0e",
            "atomic_energies": np.array(list(SHIFTS.values())),
            "avg_num_neighbors": 9.0,
            "atomic_numbers": [1, 8, 32],
            "correlation": 2,
            "gate": torch.nn.functional.silu,
            "radial_MLP": [8, 8],
            "atomic_inter_scale": 1.7,
            "atomic_inter_shift": 0.4,
            **changes,
        }
        for name in ("hidden_irreps", "MLP_irreps"):
            arguments[name] = o3.Irreps(arguments[name])
        for name in ("interaction_cls", "interaction_cls_first"):
            arguments[name] = getattr(blocks, arguments[name])
        kind = ScaleShiftMACE
        if arguments["atomic_inter_scale"] is None:
            del arguments["atomic_inter_scale"], arguments["atomic_inter_shift"]
            kind = MACE
        previous = torch.get_default_dtype()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            torch.set_default_dtype(dtype)
            try:
                model = kind(**arguments)
            finally:
                torch.set_default_dtype(previous)
        with torch.no_grad():
            for readout in model.readouts:
                getattr(readout, "linear_2", getattr(readout, "linear", None)).weight.mul_(40.0)
    return model
