"""From a network in memory to a deployed file: scripting, self test, contract.

`egraff deploy` (train/deploy.py) calls this with what a checkpoint holds; tests call it with
untrained networks.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import atomic_masses, atomic_numbers
from e3nn.util.jit import script

from egraff_lmp.contract import (
    KERNELS_UNAVAILABLE,
    Contract,
    EnergyReference,
    SelfTest,
    TrainingRange,
    save_deployed,
)
from egraff_lmp.data.frames import Frames
from egraff_lmp.forcefields.base import (
    AtomicEnergyModel,
    FastNetwork,
    ForceField,
    HaloNetwork,
    NetworkContext,
    edge_forces,
)
from egraff_lmp.forcefields.fast import KernelsUnavailable, fast_network, operators_of
from egraff_lmp.forcefields.fast.proof import graph_of, random_graphs, require_equal
from egraff_lmp.graph import find_edges
from egraff_lmp.runs.machine import versions


def export_model(
    model: AtomicEnergyModel,
    force_field: ForceField,
    context: NetworkContext,
    energy_reference: EnergyReference,
    frame: Frames,
    provenance: Mapping[str, Any],
    path: str | Path,
    *,
    kernels: bool = True,
    training_range: TrainingRange | None = None,
) -> Contract:
    """Script `model`, compute its self test on the first frame of `frame`, and write `path`.

    With `kernels`, and where there are kernels for it, the file holds the network on them in place
    of the reference network, after the two were found equal. Where there are none, the file holds
    the reference network, and its provenance says why under `KERNELS_UNAVAILABLE`.

    Args:
        model: the network with scale and shift, on the CPU.
        force_field: its row of the table.
        context: what it was built with.
        energy_reference: what `model.shift` holds, for the contract.
        frame: at least one frame of elements that the model knows.
        provenance: what training recorded.
        path: where the file goes; it appears whole or not at all.
        kernels: whether to look for them; False keeps the reference network.
        training_range: of the training frames, where they are known.

    Raises:
        EgraffError: the network on the kernels differs from the reference network.
    """
    model = model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    scripted, record = None, dict(provenance)
    table_error, widths = 0.0, model.network.exchange_widths
    if kernels:
        try:
            scripted, network = _with_kernels(model, context, frame)
            table_error, widths = network.table_error, network.exchange_widths
        except KernelsUnavailable as reason:
            record[KERNELS_UNAVAILABLE] = str(reason)
    if scripted is None:
        scripted = _script(model)
    test, memory = _self_test(scripted, context, frame)
    contract = replace(
        _contract(model, force_field, context, energy_reference, test, memory, record),
        exchange_widths=widths,
        operators=operators_of(scripted),
        radial_table_error=float(table_error),
        training_range=training_range,
    )
    save_deployed(scripted, contract, path)
    return contract


def _with_kernels(
    model: AtomicEnergyModel, context: NetworkContext, frame: Frames
) -> tuple[torch.jit.ScriptModule, FastNetwork]:
    """The scripted model on the kernels, and its network as it was before."""
    network = fast_network(model.network)
    scripted = _script(AtomicEnergyModel(network, model.scale, model.shift))  # type: ignore[arg-type]
    types = [context.species.index(element) for element in frame.species]
    graphs = [
        graph_of(frame.positions[0], frame.cell[0], frame.pbc, types, context.r_max),
        *random_graphs(len(context.species), context.r_max),
    ]
    require_equal(scripted.network, model.network, graphs, context.dtype)
    return scripted, network


def _script(model: torch.nn.Module) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and what LAMMPS loads
        return script(model)


def _self_test(
    scripted: torch.jit.ScriptModule, context: NetworkContext, frame: Frames
) -> tuple[SelfTest, float]:
    """The self-test record and the bytes kept for the backward pass, per edge."""
    positions, cell = frame.positions[0], frame.cell[0]
    edges = find_edges(positions, cell, frame.pbc, context.r_max)
    vectors = torch.tensor(edges.vectors(positions, cell), requires_grad=True)
    index = torch.tensor(edges.index)
    types = torch.tensor([context.species.index(element) for element in frame.species])

    kept: dict[int, int] = {}
    weights = {
        tensor.untyped_storage().data_ptr()
        for tensor in (*scripted.parameters(), *scripted.buffers())
    }

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with (
        torch.jit.optimized_execution(False),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        energies = scripted(vectors, index, types, frame.n_atoms)["atomic_energy"]
    (gradient,) = torch.autograd.grad(energies.sum(), vectors)
    forces = edge_forces(gradient, index, frame.n_atoms)
    test = SelfTest(
        species=frame.species,
        positions=tuple(map(tuple, positions.tolist())),
        cell=tuple(map(tuple, cell.tolist())),
        pbc=frame.pbc,
        energies=tuple(energies.detach().tolist()),
        forces=tuple(map(tuple, forces.tolist())),
        n_edges=int(index.shape[1]),
    )
    return test, sum(kept.values()) / max(1, index.shape[1])


def _contract(
    model: AtomicEnergyModel,
    force_field: ForceField,
    context: NetworkContext,
    energy_reference: EnergyReference,
    self_test: SelfTest,
    memory_bytes_per_edge: float,
    provenance: dict[str, Any],
) -> Contract:
    network = model.network
    widths = network.exchange_widths
    return Contract(
        architecture=force_field.architecture,
        forcefield=force_field.key,
        r_max=context.r_max,
        n_layers=network.n_layers,
        exchange_widths=widths,
        outputs=network.outputs,
        halo_layers=(network.halo_layers if isinstance(network, HaloNetwork) else len(widths) + 1),
        species=context.species,
        masses_amu=tuple(
            float(np.round(atomic_masses[atomic_numbers[element]], 6))
            for element in context.species
        ),
        dtype=str(context.dtype).removeprefix("torch."),
        energy_reference=energy_reference,
        memory_bytes_per_edge=memory_bytes_per_edge,
        n_parameters=sum(parameter.numel() for parameter in network.parameters()),
        provenance=provenance,
        citations=force_field.citations,
        versions=versions(("torch", "egraff_lmp", "ase", *force_field.packages)),
        self_test=self_test,
    )
