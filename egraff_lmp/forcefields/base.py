"""What every force field has in common: its table entry and the module that is deployed.

The deployed module is a pure function of a graph. It never sees positions or a cell, so the same
file serves one rank, many ranks and Python:

    forward(edge_vectors [E, 3] float64, edge_index [2, E] int64, types [n_all] int64, n_local)
        -> {"atomic_energy": [n_local] float64, ...}

Rows 0 .. n_local-1 of `types` are the atoms whose energy is wanted, the rest are ghosts; the
centre (row 0 of `edge_index`) is always local. Between layers a network calls `exchange`, which
takes the features of the local rows and returns those of all rows. Under LAMMPS that is a forward
communication, and its gradient a reverse communication; anywhere else all atoms are local and it
is the identity. `Network` is what a network has to be; what it returns beside the energy is named
by its `outputs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

import torch

from egraff_lmp.contract import Citation, Output
from egraff_lmp.errors import EgraffError


@dataclass(frozen=True)
class NetworkContext:
    """What a network must know of the data before it is built.

    Attributes:
        species: elements in type order.
        r_max: cutoff in A.
        avg_num_neighbors: mean number of edges per atom in the training set.
        dtype: precision of weights and features.
        seed: of the weight initialisation.
    """

    species: tuple[str, ...]
    r_max: float
    avg_num_neighbors: float
    dtype: torch.dtype
    seed: int


class Network(Protocol):
    """A `torch.nn.Module` that evaluates a graph, and says of itself what its contract states.

    Attributes:
        n_layers: layers.
        exchange_widths: numbers per atom of each exchange of an evaluation, in their order; empty
            for a strictly local network.
        outputs: what `forward` returns beside the energy.
    """

    @property
    def n_layers(self) -> int: ...  # noqa: D102

    @property
    def exchange_widths(self) -> tuple[int, ...]: ...  # noqa: D102

    @property
    def outputs(self) -> tuple[Output, ...]: ...  # noqa: D102

    def forward(
        self,
        edge_vectors: torch.Tensor,
        edge_index: torch.Tensor,
        types: torch.Tensor,
        n_local: int,
    ) -> dict[str, torch.Tensor]:
        """Energies of the local atoms, and the outputs.

        Args:
            edge_vectors: r_j - r_i in A, (E, 3) in float64.
            edge_index: centres i and neighbours j, (2, E) in int64.
            types: indices into the species, (n_all,) in int64; local atoms come first.
            n_local: number of local atoms.

        Returns:
            "energy", (n_local,) in units of the training scale, and every one of `outputs`.
        """
        ...

    # What there is of torch.nn.Module. A protocol cannot have a class as its base.
    @property
    def __call__(self) -> Callable[..., Any]: ...  # noqa: D102

    def modules(self) -> Iterator[torch.nn.Module]: ...  # noqa: D102

    def parameters(self, recurse: bool = True) -> Iterator[torch.nn.Parameter]: ...  # noqa: D102

    def eval(self) -> Any: ...  # noqa: D102


@runtime_checkable
class HaloNetwork(Protocol):
    """What a network has, too, that passes messages without exchange.

    It treats every atom of its halo as local.

    Attributes:
        halo_layers: cutoffs that the energy of an atom sees.
    """

    @property
    def halo_layers(self) -> int: ...  # noqa: D102


class FastNetwork(Network, Protocol):
    """A network on the operators of `csrc/ops`.

    Attributes:
        table_error: the largest error of its tabulated radial weights relative to the largest of
            them; 0 without tables.
    """

    @property
    def table_error(self) -> float: ...  # noqa: D102


def no_parameters(network: Network) -> list[torch.nn.Parameter]:
    """What a force field spares from weight decay whose authors decay all parameters or none."""
    return []


OfSpecies = Callable[[Network, Network, Sequence[int]], dict[str, torch.Tensor]]


def carry_over(source: Network, target: Network, of_species: Mapping[str, torch.Tensor]) -> None:
    """Give `target` the weights of `source`, which was built for other species.

    Args:
        source: whose parameters are taken.
        target: the same network for some of its species.
        of_species: parameters of `target` that depend on species, by name; all others are taken
            as they are.

    Raises:
        EgraffError: the two differ in more than their species.
    """
    given = {**dict(cast(torch.nn.Module, source).named_parameters()), **of_species}
    wanted = dict(cast(torch.nn.Module, target).named_parameters())
    differ = {*given} ^ {*wanted}
    differ |= {name for name in {*given} & {*wanted} if given[name].shape != wanted[name].shape}
    if differ:
        raise EgraffError(
            "expected a network that its settings tell whole, got one with other weights "
            f"({', '.join(sorted(differ)[:3])}): this variant cannot be trained further here."
        )
    with torch.no_grad():
        for name, parameter in wanted.items():
            parameter.copy_(given[name])


@dataclass(frozen=True)
class ForceField:
    """One row of the table of force fields.

    Attributes:
        key: name in configs and on the command line.
        architecture: display name.
        build: makes the network from settings and context.
        presets: settings by name; every force field has at least "small".
        citations: what a user of the model cites.
        packages: distributions whose versions the contract records.
        spared: the parameters of one of its networks that its authors' training does not decay
            (`weight_decay_on: authors` in a config).
        of_species: of a network, the same network built for some of its species, and the indices
            of these: the parameters of the second that depend on species, by name, as they follow
            from the first's; see `carry_over`. None where elements cannot be left out.
    """

    key: str
    architecture: str
    build: Callable[[Mapping[str, Any], NetworkContext], Network]
    presets: Mapping[str, Mapping[str, Any]]
    citations: tuple[Citation, ...]
    packages: tuple[str, ...]
    spared: Callable[[Network], list[torch.nn.Parameter]] = no_parameters
    of_species: OfSpecies | None = None


class AtomicEnergyModel(torch.nn.Module):
    """A network with the energy zero put back: this module is trained, scripted and deployed.

    E_i = scale * network_i + shift[type_i], summed outside in float64. `scale` (eV) is the spread
    of the training forces or energies, `shift` (eV) the reference energy of each species. A scale
    of one number per species, (n_species,), is that of the centre's type.
    """

    # TorchScript unrolls loops over constant tuples.
    __constants__ = ("per_type_scale", "plain", "scaled_atoms", "scaled_edges")

    def __init__(self, network: Network, scale: float | torch.Tensor, shift: torch.Tensor) -> None:
        super().__init__()
        self.network = network
        outputs = network.outputs
        energies = [output for output in outputs if output.unit == "eV"]
        self.scaled_atoms = tuple(output.name for output in energies if output.per == "atom")
        self.scaled_edges = tuple(output.name for output in energies if output.per == "edge")
        self.plain = tuple(output.name for output in outputs if output.unit != "eV")
        scales = torch.as_tensor(scale, dtype=torch.float64).detach().clone()
        self.per_type_scale = scales.dim() == 1
        self.register_buffer("scale", scales)
        self.register_buffer("shift", shift.to(torch.float64))

    def forward(
        self,
        edge_vectors: torch.Tensor,
        edge_index: torch.Tensor,
        types: torch.Tensor,
        n_local: int,
    ) -> dict[str, torch.Tensor]:
        """Energy of each local atom in eV, (n_local,) float64, as {"atomic_energy": ...}.

        Beside it the network's outputs, energies among them in eV without the energy zero.
        """
        found = self.network(edge_vectors, edge_index, types, n_local)
        local_types = types[:n_local]
        shift = self.shift[local_types]  # type: ignore[index]
        atom_scale, edge_scale = self.scale, self.scale
        if self.per_type_scale:
            atom_scale = self.scale[local_types]  # type: ignore[index]
            edge_scale = atom_scale[edge_index[0]]  # type: ignore[index]
        energy = found["energy"].to(torch.float64) * atom_scale + shift  # type: ignore[operator]
        result = {"atomic_energy": energy}
        for name in self.scaled_atoms:
            result[name] = found[name].to(torch.float64) * atom_scale  # type: ignore[operator]
        for name in self.scaled_edges:
            result[name] = found[name].to(torch.float64) * edge_scale  # type: ignore[operator]
        for name in self.plain:
            result[name] = found[name]
        return result


def edge_forces(
    edge_gradients: torch.Tensor, edge_index: torch.Tensor, n_atoms: int
) -> torch.Tensor:
    """Forces from the gradient of the energy with respect to the edge vectors.

    With r_ij = r_j - r_i, F_i = + sum_j dE/dr_ij over edges i -> j, and F_j = - dE/dr_ij.

    Args:
        edge_gradients: dE/dr_ij, (E, 3) in eV/A.
        edge_index: (2, E).
        n_atoms: N; all atoms are local here.

    Returns:
        (N, 3) in eV/A.
    """
    forces = edge_gradients.new_zeros(n_atoms, 3)
    forces = forces.index_add(0, edge_index[0], edge_gradients)
    return forces.index_add(0, edge_index[1], -edge_gradients)
