"""What `step.py` times: force fields, systems, and the networks built of both."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _gete import gete
from ase import Atoms

from egraff_lmp.contract import KERNELS_UNAVAILABLE, EnergyReference
from egraff_lmp.data.frames import Frames
from egraff_lmp.forcefields import FORCE_FIELDS, AtomicEnergyModel, NetworkContext
from egraff_lmp.graph import Edges, find_edges

SEED = 0
# MACE as the public foundation models have it; the number of radial functions is that of the paper.
FOUNDATION = {
    "num_interactions": 2,
    "hidden_irreps": "128x0e + 128x1o",
    "MLP_irreps": "16x0e",
    "max_ell": 3,
    "correlation": 3,
    "num_bessel": 8,
    "num_polynomial_cutoff": 5,
    "radial_MLP": [64, 64, 64],
}
_DATA = "MDBENCHGNN/Datasets"


@dataclass(frozen=True)
class Subject:
    """A force field with its size: `key` of the table, settings, cutoff in A."""

    name: str
    key: str
    settings: dict[str, Any]
    r_max: float


@dataclass(frozen=True)
class System:
    """A block of atoms: a frame of a data set, repeated along the axes."""

    name: str
    source: str
    copies: tuple[int, int, int] = (1, 1, 1)


SUBJECTS: dict[str, Subject] = {
    key: Subject(key, key, dict(entry.presets["paper"]), 5.0) for key, entry in FORCE_FIELDS.items()
}
SUBJECTS["mace-foundation"] = Subject("mace-foundation", "mace", FOUNDATION, 6.0)
# Measured where nothing else is asked for.
DEFAULT_SUBJECTS = tuple(SUBJECTS)
# Small networks show whether everything runs; their times mean little.
SUBJECTS |= {
    f"{key}-small": Subject(f"{key}-small", key, dict(entry.presets["small"]), 4.0)
    for key, entry in FORCE_FIELDS.items()
}

SYSTEMS: dict[str, System] = {
    system.name: system
    for system in (
        System("3BPA-27", "3bpa/data/test"),
        System("LiPS-83", "Data_lips/data/val"),
        System("LiPS20-1008", "lips20:Li7PS6", (3, 3, 2)),
        System("GeTe-200", "gete"),
        System("GeTe-1600", "gete", (2, 2, 2)),
        System("GeTe-12800", "gete", (4, 4, 4)),
    )
}


def data_root() -> Path:
    """The folder of the ab-initio data: EGRAFF_DATA, or ../shared/data beside the checkout."""
    root = Path(__file__).resolve().parent.parent
    return Path(os.environ.get("EGRAFF_DATA", root.parent / "shared" / "data"))


def structure(system: System) -> Atoms | None:
    """The atoms of a system, periodic; None where its data are not on this machine.

    GeTe is packed at random where its data are missing (see `_gete`).
    """
    if system.source == "gete":
        return gete()[0].repeat(system.copies)
    if system.source.startswith("lips20:"):
        crystal = first_frame(system.source)
        return None if crystal is None else crystal.repeat(system.copies)
    file = data_root() / _DATA / system.source / "nequip_npz.npz"
    if not file.is_file():
        return None
    with np.load(file) as content:
        numbers, positions, cell = content["atomic_numbers"], content["pos"][0], content["cell"]
    return Atoms(numbers, positions, cell=cell, pbc=True).repeat(system.copies)


def first_frame(source: str) -> Atoms | None:
    """The first frame of a source of `egraff data`; None where its data are not on this machine."""
    from egraff_lmp.data.table import read_source
    from egraff_lmp.errors import EgraffError

    os.environ.setdefault("EGRAFF_DATA", str(data_root()))
    try:
        frames = read_source(source, None)
    except EgraffError:
        return None
    return Atoms(frames.species, frames.positions[0], cell=frames.cell[0], pbc=True)


def species_of(atoms: Atoms) -> tuple[str, ...]:
    """The elements in the order of the network's types: by atomic number, as MACE wants them."""
    from ase.data import chemical_symbols

    return tuple(chemical_symbols[z] for z in np.unique(atoms.numbers))


def edges_of(atoms: Atoms, r_max: float) -> Edges:
    """Directed edges shorter than r_max."""
    return find_edges(atoms.get_positions(), atoms.cell.array, atoms.pbc, r_max)


def context_of(subject: Subject, atoms: Atoms, dtype: str) -> NetworkContext:
    """What the network is built with; the mean number of neighbours is that of the atoms."""
    neighbours = edges_of(atoms, subject.r_max).index.shape[1] / len(atoms)
    return NetworkContext(
        species_of(atoms), subject.r_max, float(neighbours), getattr(torch, dtype), SEED
    )


def reference(subject: Subject, context: NetworkContext) -> AtomicEnergyModel:
    """The network in tree, untrained, with energies that start at zero."""
    network = FORCE_FIELDS[subject.key].build(subject.settings, context)
    model = AtomicEnergyModel(network, 1.0, torch.zeros(len(context.species))).eval()
    return model.requires_grad_(False)


def deploy(subject: Subject, context: NetworkContext, atoms: Atoms, path: Path) -> None:
    """The same network as a deployed file; the self test is on `atoms`."""
    from egraff_lmp.forcefields.export import export_model

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
    contract = export_model(
        reference(subject, context),
        FORCE_FIELDS[subject.key],
        context,
        EnergyReference("none", dict.fromkeys(context.species, 0.0)),
        frame,
        {},
        path,
        kernels=True,
    )
    if not contract.operators:
        reason = contract.provenance[KERNELS_UNAVAILABLE]
        print(f"{subject.key}: the deployed file has no kernels: {reason}", file=sys.stderr)
