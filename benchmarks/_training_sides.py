"""The sides of `training.py`'s comparison: a training step of one network in three ways.

`own_step`: this project's, on kernels or eager. `package_step`: that of the package which the force
field comes from, with its own model, loss and step; the weights are the same (same seed).

Energies are less their mean, and the training scale is 1 eV: the loss of all sides is half of
the mean square error of the energy per atom plus half of that of the force components.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, replace

import numpy as np
import torch
from _gete import packed
from _sides import mace_module, nequip_builder, nequip_transforms
from _subjects import SUBJECTS, Subject, context_of, data_root, reference
from ase import Atoms

from egraff_lmp.data.frames import Frames
from egraff_lmp.data.table import read_source
from egraff_lmp.errors import EgraffError
from egraff_lmp.forcefields import NetworkContext
from egraff_lmp.train.benchmark import Step, TrainingSteps, require_kernels
from egraff_lmp.train.config import TrainConfig, parse_config
from egraff_lmp.train.graphs import build_graphs, collate
from egraff_lmp.train.module import ForceFieldModule

LEARNING_RATE = 1e-3
GRADIENT_CLIP = 10.0
DTYPE = "float32"
WEIGHT = 0.5  # of energies and forces: nequip divides the weights by their sum
# Who has a package here that trains the same network; of the others, why not.
NO_PACKAGE = {
    "botnet": "no package at hand, mace-torch 0.3.16 no longer has BOTNet",
    "torchmdnet": "no package at hand, torchmd-net 3.1.0 comes as source with extensions",
    "equiformer": "no package at hand, the authors' code is not packaged",
}


@dataclass(frozen=True)
class TrainingSystem:
    """A batch: the first frames of a source of `egraff data`."""

    name: str
    source: str
    n_frames: int


TRAINING_SYSTEMS: dict[str, TrainingSystem] = {
    system.name: system
    for system in (
        TrainingSystem("GeTe-200", "gete:test", 1),
        TrainingSystem("aspirin-5x21", "aspirin:train", 5),
    )
}


def labelled(system: TrainingSystem) -> Frames | None:
    """The batch's frames, energies less their mean; None where the data are not on this machine.

    GeTe is packed at random where its data are missing, with random labels: the same cost, to the
    difference in the number of edges.
    """
    os.environ.setdefault("EGRAFF_DATA", str(data_root()))
    try:
        frames = read_source(system.source).select(slice(0, system.n_frames))
        # A record names the data set, and no path of this machine.
        frames = replace(frames, source=system.source)
    except EgraffError:
        if not system.source.startswith("gete:"):
            return None
        frames = _random_gete()
    if frames.energy is None:
        raise EgraffError(f"{system.source}: expected energies, got none.")
    return replace(frames, energy=frames.energy - frames.energy.mean())


def structures(frames: Frames) -> list[Atoms]:
    """The frames, periodic as they are."""
    return [
        Atoms(frames.species, positions, cell=cell, pbc=frames.pbc)
        for positions, cell in zip(frames.positions, frames.cell, strict=True)
    ]


def context_for(subject: Subject, frames: Frames) -> NetworkContext:
    """What all sides build their network with; the number of neighbours is the first frame's."""
    return context_of(subject, structures(frames)[0], DTYPE)


def own_step(name: str, frames: Frames, kernels: str) -> Step:
    """A step of this project's training on all frames; `kernels` as in its config.

    Raises:
        KernelsUnavailable: there are none for this network.
    """
    subject = SUBJECTS[name]
    context = context_for(subject, frames)
    batch = collate(build_graphs(frames, context.species, context.r_max))
    model = reference(subject, context).requires_grad_(True).train()
    module = ForceFieldModule(model, _config(subject, kernels))
    if kernels != "off":
        require_kernels(module)
    return TrainingSteps(module, [batch])


def package_step(name: str, frames: Frames) -> Step:
    """A step of the package's own training on all frames."""
    subject = SUBJECTS[name]
    context = context_for(subject, frames)
    warnings.simplefilter("ignore")
    return (_mace if subject.key == "mace" else _nequip)(subject, context, frames)


def _config(subject: Subject, kernels: str) -> TrainConfig:
    return parse_config(
        {
            "forcefield": subject.key,
            "data": {"train": ["the benchmark's"], "n_validation": 1},
            "r_max": subject.r_max,
            "dtype": DTYPE,
            "loss": {"energy": WEIGHT, "forces": WEIGHT},
            "optimiser": {
                "name": "amsgrad",
                "learning_rate": LEARNING_RATE,
                "gradient_clip": GRADIENT_CLIP,
            },
            "ema_decay": None,
            "device": "cpu",
            "kernels": kernels,
        },
        "the benchmark's config",
    )


def _nequip(subject: Subject, context: NetworkContext, frames: Frames) -> Step:
    """`NequIPLightningModule.training_step`, its optimiser, and what Lightning does between."""
    from nequip.data import AtomicDataDict
    from nequip.data.ase import from_ase
    from nequip.train import NequIPLightningModule
    from nequip.utils.global_state import set_global_state

    set_global_state()
    module = NequIPLightningModule(
        model=nequip_builder(subject, context),
        num_datasets={"train": 1, "val": 0, "test": 0, "predict": 0},
        optimizer={"_target_": "torch.optim.Adam", "lr": LEARNING_RATE, "amsgrad": True},
        loss={
            "_target_": "nequip.train.EnergyForceLoss",
            "per_atom_energy": True,
            "coeffs": {"total_energy": WEIGHT, "forces": WEIGHT},
        },
    ).train()
    optimiser = module.configure_optimizers()
    found = []
    for atoms, energy, forces in zip(structures(frames), frames.energy, frames.forces, strict=True):
        data = from_ase(atoms)
        for transform in nequip_transforms(context):
            data = transform(data)
        data[AtomicDataDict.TOTAL_ENERGY_KEY] = torch.tensor([[energy]])
        data[AtomicDataDict.FORCE_KEY] = torch.tensor(forces)
        found.append(data)
    whole = AtomicDataDict.batched_from_list(found)

    def step() -> float:
        """The loss before it."""
        batch = {key: value.clone() for key, value in whole.items()}  # a loader's is new, too
        optimiser.zero_grad()
        loss = module.training_step(batch, 0)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), GRADIENT_CLIP)
        optimiser.step()
        return float(loss.detach())

    return step


def _mace(subject: Subject, context: NetworkContext, frames: Frames) -> Step:
    """`mace.tools.train.take_step`."""
    from mace import data, modules
    from mace.tools import AtomicNumberTable, torch_geometric, torch_tools
    from mace.tools.train import take_step

    torch_tools.set_default_dtype(DTYPE)
    model = mace_module(subject, context).train()
    table = AtomicNumberTable([int(z) for z in model.atomic_numbers])
    configurations = [
        data.Configuration(
            atomic_numbers=atoms.numbers,
            positions=atoms.positions,
            properties={"energy": energy, "forces": forces},
            property_weights={"energy": 1.0, "forces": 1.0},
            cell=atoms.cell.array,
            pbc=tuple(frames.pbc),
        )
        for atoms, energy, forces in zip(
            structures(frames), frames.energy, frames.forces, strict=True
        )
    ]
    graphs = [
        data.AtomicData.from_config(one, z_table=table, cutoff=context.r_max)
        for one in configurations
    ]
    whole = torch_geometric.batch.Batch.from_data_list(graphs)
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, amsgrad=True)
    loss = modules.WeightedEnergyForcesLoss(energy_weight=WEIGHT, forces_weight=WEIGHT)

    def step() -> float:
        """The loss before it."""
        found, _ = take_step(
            model=model,
            loss_fn=loss,
            batch=whole.clone(),  # a loader's is new, too
            optimizer=optimiser,
            ema=None,
            output_args={"forces": True, "virials": False, "stress": False},
            max_grad_norm=GRADIENT_CLIP,
            device=torch.device("cpu"),
        )
        return float(found)

    return step


def _random_gete() -> Frames:
    atoms = packed()
    forces = np.random.default_rng(0).normal(size=(1, len(atoms), 3))
    return Frames(
        tuple(atoms.get_chemical_symbols()),
        atoms.get_positions()[None],
        atoms.cell.array[None],
        (True, True, True),
        np.zeros(1),
        forces,
        None,
        "random packing",
    )
