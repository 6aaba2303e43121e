"""What every reader of a foreign file returns, and the check that it was understood.

A reader rebuilds the network with this project's own wrapper. Whether that is the same function is
measured, not assumed: energies and forces of the package's own code are compared on a frame that
holds every species, and a difference ends the import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import atomic_numbers, covalent_radii
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.forcefields import AtomicEnergyModel, ForceField, edge_forces
from egraff_lmp.graph import find_edges

# Relative to the largest energy of an atom and the largest derivative along an edge. Constants of a
# float32 model are known to 1e-7; in float64 only the order of sums differs.
AGREEMENT = {torch.float32: 1e-6, torch.float64: 1e-8}

Evaluate = Callable[[Frames], tuple[NDArray[np.float64], NDArray[np.float64]]]


@dataclass(frozen=True)
class Foreign:
    """A model of another package, ready to be rebuilt.

    Attributes:
        force_field: row of the table that it becomes.
        species: elements in type order.
        r_max: cutoff in A.
        avg_num_neighbors: as the package was told, or their mean over types.
        dtype: its own precision.
        shift: energy zero of each species in eV.
        build: this project's model in a precision, with the file's weights.
        evaluate: energies of the atoms in eV, (N,), and forces in eV/A, (N, 3), of the first of
            some frames, by the package's own code.
        comparable: what to compare with that result, from what `build` made in the file's own
            precision; the model itself, unless `evaluate` calculates in another precision.
        provenance: what the file says of itself, as plain values.
        settings: with which the row of `force_field` builds such a network, as plain values.
        fixed: what training cannot begin with, in words; empty where it can.
    """

    force_field: ForceField
    species: tuple[str, ...]
    r_max: float
    avg_num_neighbors: float
    dtype: torch.dtype
    shift: tuple[float, ...]
    build: Callable[[torch.dtype], AtomicEnergyModel]
    evaluate: Evaluate
    provenance: Mapping[str, Any]
    settings: Mapping[str, Any]
    fixed: str = ""
    comparable: Callable[[AtomicEnergyModel], AtomicEnergyModel] = lambda model: model


def made_frame(species: tuple[str, ...], r_max: float) -> Frames:
    """A periodic, triclinic frame with every species, at the distances of a dense solid.

    A jittered lattice, so that no two atoms overlap; its cell is smaller than 2 r_max for a few
    species, and every pair of species meets within a few cells.
    """
    rng = np.random.default_rng(2024)
    radii = [float(covalent_radii[atomic_numbers[element]]) for element in species]
    spacing = min(2.0 * float(np.mean(radii)) + 0.3, 0.7 * r_max)
    n_atoms = max(8, 2 * len(species))
    sides = int(np.ceil(n_atoms ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(sides)] * 3, indexing="ij"), -1).reshape(-1, 3)
    sites = grid[rng.permutation(len(grid))[:n_atoms]] + rng.uniform(-0.12, 0.12, (n_atoms, 3))
    shear = np.array([[1.0, 0.0, 0.0], [0.15, 1.0, 0.0], [-0.1, 0.2, 1.0]])
    order = rng.permutation([index % len(species) for index in range(n_atoms)])
    return Frames(
        species=tuple(species[index] for index in order),
        positions=(sites * spacing @ shear)[None],
        cell=(sides * spacing * shear)[None],
        pbc=(True, True, True),
        energy=None,
        forces=None,
        timestep_fs=None,
        source="a frame made for the self test",
    )


def check_same(foreign: Foreign, model: AtomicEnergyModel, frame: Frames, path: Path) -> None:
    """Compare `model`, in the file's own precision, with the package's own result.

    Raises:
        EgraffError: energies or forces differ by more than `AGREEMENT`, or are not finite.
    """
    energies, forces, steepest = _own(foreign.comparable(model), foreign, frame)
    try:
        expected_energies, expected_forces = foreign.evaluate(frame)
    except Exception as error:  # anything can be wrong in a file from elsewhere
        raise EgraffError(
            f"{path}: expected a model that its own package evaluates, got "
            f"{type(error).__name__}: {one_line(error)}: install the versions it was made with."
        ) from error
    tolerance = AGREEMENT[foreign.dtype]
    pairs = (
        ("energies", energies, expected_energies, float(np.abs(expected_energies).max())),
        ("forces", forces, expected_forces, steepest),
    )
    for what, own, theirs, scale in pairs:
        difference = float(np.abs(own - theirs).max())
        if not difference <= tolerance * max(scale, 1.0):  # also where it is not a number
            raise EgraffError(
                f"{path}: expected the rebuilt {foreign.force_field.architecture} to equal the "
                f"package's own result, got {what} that differ by {difference:.1e} on "
                f"{frame.source}: this variant is not supported; report it with the file's "
                f"versions ({foreign.provenance.get('versions', 'not recorded')})."
            )


def _own(
    model: AtomicEnergyModel, foreign: Foreign, frame: Frames
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    positions, cell = frame.positions[0], frame.cell[0]
    edges = find_edges(positions, cell, frame.pbc, foreign.r_max)
    vectors = torch.tensor(edges.vectors(positions, cell), requires_grad=True)
    index = torch.tensor(edges.index)
    types = torch.tensor([foreign.species.index(element) for element in frame.species])
    energies = model(vectors, index, types, frame.n_atoms)["atomic_energy"]
    (gradient,) = torch.autograd.grad(energies.sum(), vectors)
    forces = edge_forces(gradient, index, frame.n_atoms)
    steepest = float(gradient.abs().max()) if gradient.numel() else 0.0
    return energies.detach().numpy(), forces.numpy(), steepest


def one_line(error: BaseException, most: int = 200) -> str:
    """The first line of an error's message."""
    return (str(error).strip().splitlines() or [""])[0][:most]


def elements_of(names: tuple[str, ...], path: Path) -> tuple[str, ...]:
    """Type names as elements.

    Raises:
        EgraffError: a name is no chemical element.
    """
    unknown = [name for name in names if not atomic_numbers.get(name)]
    if unknown:
        raise EgraffError(
            f"{path}: expected chemical elements as type names, got {' '.join(unknown)}: models "
            "of several types for one element are not supported."
        )
    return names
