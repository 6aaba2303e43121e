"""`egraff compare`: largest differences between Python and LAMMPS, and between rank counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from egraff_lmp.compare.lammps_side import Case, LammpsResult, evaluate_in_lammps
from egraff_lmp.contract import read_contract
from egraff_lmp.deployed import DeployedModel, Evaluation
from egraff_lmp.fileio import sha256_file
from egraff_lmp.rollout.datafile import Structure

# Two orders of summation differ by rounding alone: 1e-10 eV/A leaves room for a thousand terms of
# 1 eV/A in float64. float32 carries 7 digits, of which a deep network loses one or two.
TOLERANCE_FLOAT64 = 1e-10
TOLERANCE_FLOAT32 = 5e-5
# Python computes edge vectors from wrapped positions and lattice shifts, LAMMPS from the positions
# of ghosts: they differ in the last digits, which a network magnifies.
TOLERANCE_PYTHON_FLOAT64 = 1e-8


@dataclass(frozen=True)
class Difference:
    """Largest absolute differences between two evaluations.

    Attributes:
        first: "python", or a rank count as "1 rank(s)".
        second: as `first`.
        energy_ev: of the total energy; `energy_relative` is it over the energy's size.
        forces_ev_per_a: of any force component.
        virial_ev: of any virial component.
        energies_ev: of any per-atom energy.
        tolerance: what the precision of the network allows, eV/A.
        ok: whether energy per atom, forces, virial per atom and per-atom energies are within it.
    """

    first: str
    second: str
    energy_ev: float
    energy_relative: float
    forces_ev_per_a: float
    virial_ev: float
    energies_ev: float
    tolerance: float
    ok: bool


@dataclass(frozen=True)
class Comparison:
    """All differences of one model on one structure.

    Attributes:
        model: path, with `sha256` its hash and `dtype` the network's precision.
        structure: where the frame came from, with `n_atoms` its size.
        differences: Python against the first rank count, then the first against each other one.
    """

    model: str
    sha256: str
    dtype: str
    structure: str
    n_atoms: int
    differences: tuple[Difference, ...]

    @property
    def ok(self) -> bool:
        """Whether every difference is within its tolerance."""
        return all(difference.ok for difference in self.differences)

    def to_json(self) -> dict[str, object]:
        """Plain values, with a schema number."""
        return {"schema": 1, "ok": self.ok, **asdict(self)}


def compare(
    model: str | Path,
    structure: Structure,
    ranks: Sequence[int] = (1, 2, 4),
    launcher: str | None = None,
) -> Comparison:
    """Compare Python with LAMMPS and LAMMPS with itself on several numbers of ranks.

    Raises:
        EgraffError: not a deployed model, an unknown element, or LAMMPS refused.
    """
    contract = read_contract(model)
    python = DeployedModel(model).evaluate(
        structure.species, structure.positions, structure.cell, structure.pbc
    )
    case = Case("compare", structure, Path(model))
    results = [evaluate_in_lammps([case], count, launcher)[0] for count in ranks]
    single = contract.dtype == "float32"
    differences = [
        difference(
            "python",
            f"{ranks[0]} rank(s)",
            python,
            results[0],
            TOLERANCE_FLOAT32 if single else TOLERANCE_PYTHON_FLOAT64,
        )
    ]
    tolerance = TOLERANCE_FLOAT32 if single else TOLERANCE_FLOAT64
    differences += [
        difference(f"{ranks[0]} rank(s)", f"{count} rank(s)", results[0], other, tolerance)
        for count, other in zip(ranks[1:], results[1:], strict=True)
    ]
    return Comparison(
        str(model),
        sha256_file(model),
        contract.dtype,
        structure.source,
        len(structure.species),
        tuple(differences),
    )


def difference(
    first: str,
    second: str,
    a: Evaluation | LammpsResult,
    b: Evaluation | LammpsResult,
    tolerance: float,
) -> Difference:
    """Largest differences between two evaluations of the same frame."""
    atoms = max(1, len(a.energies))
    energy = abs(a.energy - b.energy)
    forces = _largest(a.forces - b.forces)
    virial = _largest(a.virial - b.virial)
    energies = _largest(a.energies - b.energies)
    # Sums over atoms may differ by as many roundings as there are atoms. Written so that NaN fails.
    ok = all(value <= tolerance for value in (energy / atoms, forces, virial / atoms, energies))
    relative = energy / abs(a.energy) if a.energy else energy
    return Difference(first, second, energy, relative, forces, virial, energies, tolerance, ok)


def _largest(values: np.ndarray) -> float:
    return float(np.abs(values).max(initial=0.0))
