"""The three force fields, deployed, and the same networks as their own packages run them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from _gete import NEIGHBORS_WITHIN_5A
from ase import Atoms
from ase.calculators.calculator import Calculator

from egraff_lmp.contract import EnergyReference
from egraff_lmp.data.frames import Frames
from egraff_lmp.forcefields import FORCE_FIELDS, AtomicEnergyModel, NetworkContext

SPECIES = ("Ge", "Te")
R_MAX = 5.0
SEED = 0


def context() -> NetworkContext:
    """What every network here is built with; float32."""
    return NetworkContext(SPECIES, R_MAX, NEIGHBORS_WITHIN_5A, torch.float32, SEED)


def deploy(key: str, preset: str, atoms: Atoms, path: Path) -> None:
    """An untrained network as a deployed file: speed does not depend on the weights."""
    from egraff_lmp.forcefields.export import export_model

    entry = FORCE_FIELDS[key]
    network = entry.build(entry.presets[preset], context())
    model = AtomicEnergyModel(network, 1.0, torch.zeros(len(SPECIES)))
    reference = EnergyReference("none", dict.fromkeys(SPECIES, 0.0))
    frame = Frames(
        tuple(atoms.get_chemical_symbols()),
        atoms.get_positions()[None],
        atoms.cell.array[None],
        (True, True, True),
        None,
        None,
        None,
        "benchmark",
    )
    export_model(model, entry, context(), reference, frame, {}, path)


def upstream(key: str, preset: str) -> Calculator:
    """The same network, same seed, as an ASE calculator of the package it comes from (eager)."""
    settings = dict(FORCE_FIELDS[key].presets[preset])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _mace(settings) if key == "mace" else _nequip(key, settings)


def _nequip(key: str, settings: dict[str, Any]) -> Calculator:
    from nequip.data.transforms import ChemicalSpeciesToAtomTypeMapper, NeighborListTransform
    from nequip.integrations.ase import NequIPCalculator

    from egraff_lmp.forcefields.nequip_package import nequip_state

    common = {
        "seed": SEED,
        "model_dtype": "float32",
        "type_names": list(SPECIES),
        "r_max": R_MAX,
        "avg_num_neighbors": NEIGHBORS_WITHIN_5A,
        "per_type_energy_scales": None,
        "per_type_energy_shifts": None,
    }
    with nequip_state():
        if key == "nequip":
            from nequip.model import NequIPGNNModel

            model = NequIPGNNModel(**settings, **common)
        else:
            from allegro.model import AllegroModel

            radial = {
                "_target_": "allegro.nn.TwoBodyBesselScalarEmbed",
                "num_bessels": settings.pop("num_bessels"),
                "polynomial_cutoff_p": settings.pop("polynomial_cutoff_p"),
            }
            model = AllegroModel(**settings, **common, radial_chemical_embed=radial)
    transforms = [
        ChemicalSpeciesToAtomTypeMapper(list(SPECIES)),
        NeighborListTransform(r_max=R_MAX),
    ]
    return NequIPCalculator(model.eval(), "cpu", transforms=transforms)


def _mace(settings: dict[str, Any]) -> Calculator:
    import numpy as np
    from ase.data import atomic_numbers
    from e3nn import o3
    from mace.calculators import MACECalculator
    from mace.modules import MACE
    from mace.modules.blocks import RealAgnosticResidualInteractionBlock as Block

    settings["hidden_irreps"] = o3.Irreps(settings["hidden_irreps"])
    settings["MLP_irreps"] = o3.Irreps(settings["MLP_irreps"])
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(SEED)
    try:
        model = MACE(
            **settings,
            r_max=R_MAX,
            interaction_cls=Block,
            interaction_cls_first=Block,
            num_elements=len(SPECIES),
            atomic_energies=np.zeros(len(SPECIES)),
            avg_num_neighbors=NEIGHBORS_WITHIN_5A,
            atomic_numbers=[atomic_numbers[element] for element in SPECIES],
            gate=torch.nn.functional.silu,
        )
    finally:
        torch.set_default_dtype(before)
    return MACECalculator(models=[model], device="cpu", default_dtype="float32")
