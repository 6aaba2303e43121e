"""The sides of `step.py`'s comparison that run in Python, as ASE calculators of one network.

`own_calculator`: the force field's own package. `EagerCalculator`: the network in tree, not
scripted. `symmetrix_calculator`: symmetrix-xl, for MACE (`pip install --no-deps symmetrix-xl`).
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _subjects import SEED, Subject, edges_of, reference
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from egraff_lmp.forcefields import NetworkContext

# Its specialised code is compiled on first use, which may take minutes.
EXTRACT_TIMEOUT_SECONDS = 600


class EagerCalculator(Calculator):
    """The network in tree with autograd, operation by operation; the reference of all speed-ups."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def __init__(self, subject: Subject, context: NetworkContext) -> None:
        super().__init__()
        self.model = reference(subject, context)
        self.species, self.r_max = context.species, context.r_max

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Energy and forces; called by ASE."""
        super().calculate(atoms, properties, system_changes)
        edges = edges_of(self.atoms, self.r_max)
        positions, cell = self.atoms.get_positions(), self.atoms.cell.array
        vectors = torch.tensor(edges.vectors(positions, cell), requires_grad=True)
        types = torch.tensor([self.species.index(s) for s in self.atoms.get_chemical_symbols()])
        index = torch.tensor(edges.index)
        energy = self.model(vectors, index, types, len(types))["atomic_energy"].sum()
        (gradient,) = torch.autograd.grad(energy, vectors)
        forces = torch.zeros(len(types), 3, dtype=torch.float64)
        forces.index_add_(0, index[0], gradient).index_add_(0, index[1], -gradient)
        self.results = {"energy": energy.item(), "forces": forces.numpy()}


def own_calculator(subject: Subject, context: NetworkContext) -> Calculator | None:
    """The package's own calculator of the same network (same seed); None where there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if subject.key == "mace":
            from mace.calculators import MACECalculator

            dtype = str(context.dtype).removeprefix("torch.")
            return MACECalculator(
                models=[mace_module(subject, context)], device="cpu", default_dtype=dtype
            )
        if subject.key in ("nequip", "allegro"):
            return _nequip(subject, context)
    return None


def mace_module(subject: Subject, context: NetworkContext, **more: Any) -> torch.nn.Module:
    """The package's MACE (with `more` its ScaleShiftMACE), same weights as the network in tree."""
    from ase.data import atomic_numbers
    from e3nn import o3
    from mace.modules import MACE, ScaleShiftMACE
    from mace.modules.blocks import RealAgnosticResidualInteractionBlock as Block

    settings = dict(subject.settings)
    settings["hidden_irreps"] = o3.Irreps(settings["hidden_irreps"])
    settings["MLP_irreps"] = o3.Irreps(settings["MLP_irreps"])
    before = torch.get_default_dtype()
    torch.set_default_dtype(context.dtype)
    torch.manual_seed(SEED)
    try:
        return (ScaleShiftMACE if more else MACE)(
            **settings,
            **more,
            r_max=context.r_max,
            interaction_cls=Block,
            interaction_cls_first=Block,
            num_elements=len(context.species),
            atomic_energies=np.zeros(len(context.species)),
            avg_num_neighbors=context.avg_num_neighbors,
            atomic_numbers=[atomic_numbers[element] for element in context.species],
            gate=torch.nn.functional.silu,
        )
    finally:
        torch.set_default_dtype(before)


def symmetrix_calculator(subject: Subject, context: NetworkContext, folder: Path) -> Any:
    """symmetrix-xl on the same MACE; its converter runs in a process of its own."""
    model, out = folder / "symmetrix.model", folder / "symmetrix.json"
    torch.save(mace_module(subject, context, atomic_inter_scale=1.0, atomic_inter_shift=0.0), model)
    program = Path(sys.executable).with_name("symmetrix_extract_mace")
    subprocess.run(
        [program, "-m", model, "-o", out],
        check=True,
        capture_output=True,
        timeout=EXTRACT_TIMEOUT_SECONDS,
    )
    os.environ["OMP_PROC_BIND"] = "false"
    from symmetrix import Symmetrix

    return Symmetrix(str(out), dtype=str(context.dtype).removeprefix("torch."))


def nequip_builder(subject: Subject, context: NetworkContext) -> dict[str, Any]:
    """The package's NequIP or Allegro, same weights as the network in tree, as in its configs.

    `_target_` is the function that builds it inside of `nequip_state`, the rest its arguments.
    """
    settings = dict(subject.settings)
    common: dict[str, Any] = {
        "seed": SEED,
        "model_dtype": str(context.dtype).removeprefix("torch."),
        "type_names": list(context.species),
        "r_max": context.r_max,
        "avg_num_neighbors": context.avg_num_neighbors,
        "per_type_energy_scales": None,
        "per_type_energy_shifts": None,
    }
    if subject.key == "nequip":
        return {"_target_": "nequip.model.NequIPGNNModel", **settings, **common}
    common["radial_chemical_embed"] = {
        "_target_": "allegro.nn.TwoBodyBesselScalarEmbed",
        "num_bessels": settings.pop("num_bessels"),
        "polynomial_cutoff_p": settings.pop("polynomial_cutoff_p"),
    }
    return {"_target_": "allegro.model.AllegroModel", **settings, **common}


def nequip_transforms(context: NetworkContext) -> list[Any]:
    """What the package does to a structure before its network sees it: types and edges."""
    from nequip.data.transforms import ChemicalSpeciesToAtomTypeMapper, NeighborListTransform

    names = list(context.species)
    return [ChemicalSpeciesToAtomTypeMapper(names), NeighborListTransform(r_max=context.r_max)]


def _nequip(subject: Subject, context: NetworkContext) -> Calculator:
    from hydra.utils import get_method
    from nequip.integrations.ase import NequIPCalculator

    from egraff_lmp.forcefields.nequip_package import nequip_state

    arguments = nequip_builder(subject, context)
    with nequip_state():
        model = get_method(arguments.pop("_target_"))(**arguments)
    return NequIPCalculator(model.eval(), "cpu", transforms=nequip_transforms(context))
