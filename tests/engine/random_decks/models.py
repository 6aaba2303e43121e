"""Untrained networks as small as they come: here loading takes longer than evaluating."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from egraff_lmp.contract import EnergyReference, read_contract, save_deployed
from egraff_lmp.data.frames import Frames
from egraff_lmp.forcefields import FORCE_FIELDS, AtomicEnergyModel, NetworkContext
from egraff_lmp.forcefields.export import export_model

SPECIES = ("S", "Ge", "Te")


@dataclass(frozen=True)
class Kind:
    """One network.

    Attributes:
        dtype: "float64" or "float32".
        r_max: cutoff in A.
        scale: eV; what brings the forces of untrained networks to 1 eV/A.
        settings: what differs from the preset "small".
        kernels: whether the file that LAMMPS gets holds the network on the fused kernels. Python
            evaluates a second file of the same weights then, that of the reference network.
    """

    key: str
    dtype: str
    r_max: float
    scale: float
    settings: Mapping[str, Any]
    kernels: bool = False


NEQUIP = {"num_layers": 2, "num_features": 4, "radial_mlp_width": 8}
ALLEGRO = {"num_scalar_features": 8, "num_tensor_features": 4}
BOTNET = {"num_interactions": 2, "hidden_irreps": "4x0e + 4x1o", "radial_MLP": [8]}
MACE = {"hidden_irreps": "4x0e + 4x1o", "max_ell": 1, "radial_MLP": [8]}
EQUIFORMER = {"embedding": [8, 4], "head": [4, 2], "feed_forward": [8, 4], "feature": 8}
TORCHMDNET = {"embedding_dimension": 8, "num_layers": 2, "num_heads": 2}
KINDS: Mapping[str, Kind] = {
    "nequip": Kind("nequip", "float64", 4.0, 20.0, NEQUIP),
    "allegro": Kind("allegro", "float64", 4.2, 5.0, ALLEGRO),
    "botnet": Kind("botnet", "float64", 3.6, 20.0, BOTNET),
    "mace": Kind("mace", "float64", 3.8, 20.0, MACE),
    "equiformer": Kind("equiformer", "float64", 3.5, 20.0, EQUIFORMER),
    "torchmdnet": Kind("torchmdnet", "float64", 4.0, 20.0, TORCHMDNET),
    "nequip-32": Kind("nequip", "float32", 3.9, 8.0, NEQUIP),
    "mace-32": Kind("mace", "float32", 4.1, 20.0, MACE),
    "allegro-32": Kind("allegro", "float32", 3.7, 3.0, ALLEGRO),
    "nequip-kernels": Kind("nequip", "float64", 3.9, 20.0, NEQUIP, kernels=True),
    "mace-kernels": Kind("mace", "float64", 3.7, 20.0, MACE, kernels=True),
    "botnet-kernels": Kind("botnet", "float64", 3.5, 20.0, BOTNET, kernels=True),
    "torchmdnet-kernels": Kind("torchmdnet", "float64", 3.8, 20.0, TORCHMDNET, kernels=True),
    "allegro-kernels": Kind("allegro", "float64", 4.0, 5.0, ALLEGRO, kernels=True),
    "equiformer-kernels": Kind("equiformer", "float64", 3.6, 20.0, EQUIFORMER, kernels=True),
    "nequip-kernels-32": Kind("nequip", "float32", 4.1, 8.0, NEQUIP, kernels=True),
    "mace-kernels-32": Kind("mace", "float32", 3.9, 20.0, MACE, kernels=True),
    "botnet-kernels-32": Kind("botnet", "float32", 3.7, 20.0, BOTNET, kernels=True),
    "allegro-kernels-32": Kind("allegro", "float32", 3.8, 3.0, ALLEGRO, kernels=True),
    "equiformer-kernels-32": Kind("equiformer", "float32", 3.7, 20.0, EQUIFORMER, kernels=True),
    "torchmdnet-kernels-32": Kind("torchmdnet", "float32", 4.0, 20.0, TORCHMDNET, kernels=True),
}


def make_model(name: str, folder: Path) -> Path:
    """The deployed file of one kind, made when first asked for; its weights are always the same."""
    path = folder / f"{name}.pt"
    if not path.exists():
        if KINDS[name].kernels:
            _export(KINDS[name], False, reference_of(name, path))
        _export(KINDS[name], KINDS[name].kernels, path)
    return path


def reference_of(name: str, path: Path) -> Path:
    """The file that Python evaluates where LAMMPS gets the file `path` of a kind."""
    return path.with_name(f"{name}.reference.pt") if KINDS[name].kernels else path


def _export(kind: Kind, kernels: bool, path: Path) -> None:
    """Write the file of a frozen module: it computes the same and loads ten times faster.

    Raises:
        RuntimeError: kernels are wanted, and the exported network calls none.
    """
    force_field = FORCE_FIELDS[kind.key]
    context = NetworkContext(SPECIES, kind.r_max, 12.0, getattr(torch, kind.dtype), seed=7)
    network = force_field.build({**force_field.presets["small"], **kind.settings}, context)
    shift = torch.arange(len(SPECIES), dtype=torch.float64) * -0.1
    reference = EnergyReference("none", dict(zip(SPECIES, shift.tolist(), strict=True)))
    whole = path.with_suffix(".whole.pt")
    export_model(
        AtomicEnergyModel(network, kind.scale, shift),
        force_field,
        context,
        reference,
        _frame(),
        {},
        whole,
        kernels=kernels,
    )
    contract = read_contract(whole)
    if bool(contract.operators) != kernels:
        raise RuntimeError(f"expected kernels: {kernels}, got the operators {contract.operators}")
    module = torch.jit.load(str(whole)).eval()
    graph = torch.jit.freeze(module, optimize_numerics=False)
    save_deployed(graph, contract, path)


def _frame() -> Frames:
    """Eight atoms in a cube of 6 A, for the self test of the contract."""
    positions = np.random.default_rng(3).uniform(0, 6.0, (8, 3))
    species = ("Ge", "Te", "Te", "S", "S", "Ge", "S", "Te")
    cell = np.eye(3)[None] * 6.0
    return Frames(species, positions[None], cell, (True,) * 3, None, None, None, "eight atoms")
