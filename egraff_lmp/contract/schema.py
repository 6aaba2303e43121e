"""The contract of a deployed force field: frozen records and their JSON form.

The same JSON is read by C++ (`csrc/model/contract.cpp`); a field added here is added there. Lengths
are in A, energies in eV, forces in eV/A, masses in amu. Only the standard library and numpy are
imported, because a simulation reads contracts with nothing else installed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from egraff_lmp.errors import EgraffError

SCHEMA = 1
KIND = "egraff deployed force field"
CONTRACT_MEMBER = "egraff_contract.json"
# Key of the provenance: why a file has the reference network though kernels were asked for.
KERNELS_UNAVAILABLE = "kernels_unavailable"
UNITS = {"length": "angstrom", "energy": "eV", "force": "eV/angstrom", "mass": "amu"}


@dataclass(frozen=True)
class Citation:
    """One publication to cite when the model is used."""

    text: str
    doi: str = ""
    bibtex: str = ""


@dataclass(frozen=True)
class EnergyReference:
    """How the arbitrary zero of the energies was taken out of the network.

    The per-species values are added outside the network, in float64, so that float32 never holds
    a number like -39 800 eV.

    Attributes:
        method: "isolated_atoms", "least_squares", "mean", "none", "imported" (what the file of
            another package held), or, of a training that began with another network, "start" (its
            own, moved by what labels and network differed by) or "unchanged".
        per_species_ev: element to reference energy in eV.
    """

    method: str
    per_species_ev: Mapping[str, float]


@dataclass(frozen=True)
class Output:
    """An extra result of a network, which `compute egraff/atom NAME` gives to LAMMPS.

    Attributes:
        name: key in what the network returns.
        per: "atom" for rows per local atom, "edge" for rows per edge (LAMMPS gets their sum over
            the edges of a centre).
        width: numbers a row.
        unit: "eV" for energies, "" for numbers without one.
    """

    name: str
    per: str
    width: int
    unit: str = ""


@dataclass(frozen=True)
class SelfTest:
    """One frame with the energies and forces that the exporting machine computed.

    Attributes:
        species: element of each atom, (N,).
        positions: (N, 3) in A.
        cell: (3, 3) in A, rows are the lattice vectors; zero rows where not periodic.
        pbc: periodicity along the three lattice vectors.
        energies: energy of each atom in eV, (N,), reference energies included.
        forces: (N, 3) in eV/A.
        n_edges: directed edges shorter than r_max.
    """

    species: tuple[str, ...]
    positions: tuple[tuple[float, ...], ...]
    cell: tuple[tuple[float, ...], ...]
    pbc: tuple[bool, bool, bool]
    energies: tuple[float, ...]
    forces: tuple[tuple[float, ...], ...]
    n_edges: int


@dataclass(frozen=True)
class ShortestDistance:
    """The shortest distance between atoms of two elements (or of one) in the training frames.

    Attributes:
        elements: in the order of the species; both the same for atoms of one element.
        angstrom: over all periodic images, below r_max.
    """

    elements: tuple[str, str]
    angstrom: float


@dataclass(frozen=True)
class TrainingRange:
    """How far the training frames go: what the guards of a simulation compare with.

    Attributes:
        shortest_distances: of each pair of elements that came within r_max of each other.
        largest_force: largest force on an atom in eV/A; None where no frame has forces.
    """

    shortest_distances: tuple[ShortestDistance, ...]
    largest_force: float | None

    @classmethod
    def from_plain(cls, raw: Mapping[str, Any] | None) -> TrainingRange | None:
        """Inverse of `dataclasses.asdict`, lists for tuples allowed; None stays None."""
        if raw is None:
            return None
        return cls(
            tuple(
                ShortestDistance(
                    (str(pair["elements"][0]), str(pair["elements"][1])), float(pair["angstrom"])
                )
                for pair in raw["shortest_distances"]
            ),
            None if raw["largest_force"] is None else float(raw["largest_force"]),
        )


@dataclass(frozen=True)
class Contract:
    """Everything that a program must know of a deployed file before it runs it.

    Attributes:
        architecture: display name of the force field ("NequIP").
        forcefield: its key in `egraff_lmp.forcefields.FORCE_FIELDS` ("nequip").
        r_max: cutoff in A.
        n_layers: message-passing (or, for strictly local models, tensor-product) layers.
        exchange_widths: numbers per atom exchanged before each layer that needs neighbours'
            features, in call order; empty for strictly local models.
        species: elements in the order of the network's type index.
        masses_amu: standard atomic mass of each species.
        dtype: precision of the network, "float32" or "float64". Energies are summed in float64.
        units: always `UNITS`; stated so that a reader need not guess.
        energy_reference: see `EnergyReference`.
        memory_bytes_per_edge: tensors kept for the backward pass, per edge, measured at export.
        n_parameters: number of trainable weights.
        provenance: data set, hashes, split, errors, seed, date: what `egraff train` recorded.
        citations: what to cite.
        versions: packages at export time (torch, egraff_lmp, e3nn, ...).
        self_test: see `SelfTest`.
        outputs: what the network returns besides "atomic_energy".
        halo_layers: cutoffs r_max that the energy of an atom sees: 1 for strictly local models.
            Where the network does not exchange, it is evaluated on a halo this many cutoffs deep.
        operators: kernels of `csrc/ops` that the network calls; a program without them cannot run
            the file. Empty for a file that was deployed with `--reference`.
        radial_table_error: largest error of the radial weights that were put into tables,
            relative to the largest of them; 0 without tables.
        training_range: see `TrainingRange`; None where the training frames are not known (files of
            other packages, and of checkpoints that were written before it was recorded).
    """

    architecture: str
    forcefield: str
    r_max: float
    n_layers: int
    exchange_widths: tuple[int, ...]
    species: tuple[str, ...]
    masses_amu: tuple[float, ...]
    dtype: str
    energy_reference: EnergyReference
    memory_bytes_per_edge: float
    n_parameters: int
    provenance: Mapping[str, Any]
    citations: tuple[Citation, ...]
    versions: Mapping[str, str]
    self_test: SelfTest
    outputs: tuple[Output, ...] = ()
    halo_layers: int = 1
    operators: tuple[str, ...] = ()
    radial_table_error: float = 0.0
    training_range: TrainingRange | None = None
    units: Mapping[str, str] = field(default_factory=lambda: dict(UNITS))

    def to_json(self) -> str:
        """JSON text with the schema number first."""
        return json.dumps({"kind": KIND, "schema": SCHEMA, **asdict(self)}, indent=1)

    @classmethod
    def from_json(cls, text: str, where: str) -> Contract:
        """Parse JSON text; `where` names the file in messages.

        Raises:
            EgraffError: not a contract, a newer schema, or a missing field.
        """
        try:
            raw = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise EgraffError(
                f"{where}: its contract is not valid JSON ({error}): the file is damaged; "
                "copy it again or deploy it again with `egraff deploy`."
            ) from None
        if not isinstance(raw, dict) or raw.get("kind") != KIND:
            raise EgraffError(
                f"{where}: expected a contract of kind '{KIND}', got "
                f"{raw.get('kind') if isinstance(raw, dict) else type(raw).__name__!r}: "
                "deploy the model again with `egraff deploy`."
            )
        schema = raw.get("schema")
        if not isinstance(schema, int) or not 1 <= schema <= SCHEMA:
            raise EgraffError(
                f"{where}: expected a contract of schema {SCHEMA} or older, got {schema}: "
                "update egraff_lmp (pip install -U egraff_lmp) or deploy the model with this "
                "version."
            )
        try:
            return cls._from_mapping(raw)
        except (LookupError, TypeError, ValueError) as error:
            raise EgraffError(
                f"{where}: its contract lacks or misstates {error}: deploy the model again with "
                "`egraff deploy`."
            ) from None

    @classmethod
    def _from_mapping(cls, raw: Mapping[str, Any]) -> Contract:
        test = raw["self_test"]
        reference = raw["energy_reference"]
        return cls(
            architecture=str(raw["architecture"]),
            forcefield=str(raw["forcefield"]),
            r_max=float(raw["r_max"]),
            n_layers=int(raw["n_layers"]),
            exchange_widths=tuple(int(width) for width in raw["exchange_widths"]),
            species=tuple(raw["species"]),
            masses_amu=tuple(float(mass) for mass in raw["masses_amu"]),
            dtype=str(raw["dtype"]),
            energy_reference=EnergyReference(
                reference["method"], dict(reference["per_species_ev"])
            ),
            memory_bytes_per_edge=float(raw["memory_bytes_per_edge"]),
            n_parameters=int(raw["n_parameters"]),
            provenance=dict(raw["provenance"]),
            citations=tuple(Citation(**citation) for citation in raw["citations"]),
            versions=dict(raw["versions"]),
            self_test=SelfTest(
                species=tuple(test["species"]),
                positions=_rows(test["positions"]),
                cell=_rows(test["cell"]),
                pbc=(bool(test["pbc"][0]), bool(test["pbc"][1]), bool(test["pbc"][2])),
                energies=tuple(float(value) for value in test["energies"]),
                forces=_rows(test["forces"]),
                n_edges=int(test["n_edges"]),
            ),
            outputs=tuple(Output(**output) for output in raw.get("outputs", ())),
            # Files of the first release do not state it.
            halo_layers=int(raw.get("halo_layers", len(raw["exchange_widths"]) + 1)),
            # Files from before there were kernels do not state these two.
            operators=tuple(str(name) for name in raw.get("operators", ())),
            radial_table_error=float(raw.get("radial_table_error", 0.0)),
            training_range=TrainingRange.from_plain(raw.get("training_range")),
            units=dict(raw["units"]),
        )


def _rows(values: Any) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(x) for x in row) for row in values)
