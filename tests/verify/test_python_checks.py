"""The checks that need no LAMMPS, on a right model and on wrong ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toys
from ase import units

from egraff_lmp.contract import read_contract
from egraff_lmp.deployed import DeployedModel
from egraff_lmp.fileio import sha256_file
from egraff_lmp.verify.checks import crystals, cutoff, dynamics, self_test, symmetry, tables
from egraff_lmp.verify.deck import Outcome
from egraff_lmp.verify.finding import Context, Finding, Subject
from egraff_lmp.verify.precision import precision_of
from egraff_lmp.verify.python_side import PythonSide
from egraff_lmp.verify.structures import crystals as perfect_crystals
from egraff_lmp.verify.structures import self_test_frame

JUDGES = (self_test.judge, symmetry.judge, cutoff.judge, crystals.judge)


def no_lammps(name: str, ranks: int) -> None:
    raise AssertionError(f"{name} asked for LAMMPS")


def context(path: Path) -> Context:
    contract = read_contract(path)
    frame = self_test_frame(contract)
    subject = Subject(
        path, sha256_file(path), contract, frame, perfect_crystals(contract, frame), (1,)
    )
    return Context(subject, precision_of(contract), PythonSide(DeployedModel(path)), no_lammps)


def findings(path: Path) -> dict[str, Finding]:
    told = context(path)
    return {finding.name: finding for judge in JUDGES for finding in judge(told)}


def failures(path: Path) -> set[str]:
    return {name for name, finding in findings(path).items() if finding.verdict == "failed"}


def test_a_right_model_passes(tmp_path: Path) -> None:
    found = findings(toys.save(toys.Pairs(toys.R_MAX), tmp_path / "model.pt"))
    assert [finding for finding in found.values() if finding.verdict != "passed"] == []
    assert len(found) >= 12


def test_a_discontinuous_cutoff_is_named(tmp_path: Path) -> None:
    """No envelope at all: the energy jumps by exp(-4) a."""
    path = toys.save(toys.Pairs(toys.R_MAX, power=0.0), tmp_path / "model.pt")
    found = failures(path)
    assert {"cutoff: jump of the energy", "cutoff: continuity of dimers"} <= found
    assert not {name for name in found if name.startswith("symmetry")}


def test_a_kink_at_the_cutoff_is_named(tmp_path: Path) -> None:
    """An envelope that ends with a slope: the energy is continuous, the force is not."""
    path = toys.save(toys.Pairs(toys.R_MAX, power=1.0), tmp_path / "model.pt")
    found = failures(path)
    assert "cutoff: jump of the forces" in found
    assert "cutoff: jump of the energy" not in found


def test_a_cusp_at_symmetric_sites_is_named(tmp_path: Path) -> None:
    path = toys.save(toys.Symmetric(toys.R_MAX), tmp_path / "model.pt")
    assert failures(path) == {"crystals: growth of the force"}


def test_energies_in_float32_are_named(tmp_path: Path) -> None:
    path = toys.save(toys.Pairs(toys.R_MAX, single=True), tmp_path / "model.pt")
    assert "self test: energies in float64" in failures(path)


def test_swapped_elements_are_named(tmp_path: Path) -> None:
    honest = toys.Pairs(toys.R_MAX)
    path = toys.save(toys.Swapped(toys.R_MAX), tmp_path / "model.pt", honest)
    assert {"self test: energies", "self test: forces"} <= failures(path)


@pytest.mark.parametrize("name", ["gete-nequip", "gete-mace", "lips20-allegro", "gete-botnet"])
def test_deployed_models_pass(root: Path, name: str) -> None:
    assert failures(root / "deployed_models" / f"{name}.pt") == set()


def test_many_structures_are_each_alone(root: Path) -> None:
    """Graphs that share no edge do not know of each other."""
    told = context(root / "deployed_models" / "gete-mace.pt")
    structures = [crystal.structure for crystal in told.subject.crystals]
    for structure, found in zip(structures, told.python.many(structures), strict=True):
        alone = told.python.one(structure)
        assert abs(found.energies - alone.energies).max() < told.precision.python
        assert abs(found.forces - alone.forces).max() < told.precision.python


@pytest.mark.parametrize(
    ("error", "verdict"), [(0.0, "not applicable"), (1e-6, "passed"), (1e-4, "failed")]
)
def test_radial_tables_are_judged_by_what_the_contract_states(
    tmp_path: Path, error: float, verdict: str
) -> None:
    told = context(toys.save(toys.Pairs(toys.R_MAX), tmp_path / "model.pt"))
    contract = replace(told.subject.contract, radial_table_error=error)
    told = replace(told, subject=replace(told.subject, contract=contract))
    assert [finding.verdict for finding in tables.judge(told)] == [verdict]


@pytest.mark.parametrize(("heat", "verdict"), [(1.0, "passed"), (1.3, "failed")])
def test_velocities_of_another_temperature_are_named(
    tmp_path: Path, heat: float, verdict: str
) -> None:
    """Numbers drawn from Maxwell's distribution at `heat` times the bath's temperature."""
    told = context(toys.save(toys.Pairs(toys.R_MAX), tmp_path / "model.pt"))
    contract, frame = told.subject.contract, told.subject.frame
    masses = dict(zip(contract.species, contract.masses_amu, strict=True))
    mass = np.array([masses[element] for element in frame.species])
    angstrom_per_fs = np.sqrt(heat * units.kB * dynamics.TEMPERATURE_KELVIN / mass) * units.fs
    rng = np.random.default_rng(1)
    steps = [
        {
            "v": 1000 * angstrom_per_fs[:, None] * rng.normal(size=(len(mass), 3)),
            "etotal": np.array(0.0),
        }
        for _ in range(200)
    ]
    told = replace(told, lammps=lambda name, ranks: Outcome("", tuple(steps)))
    found = [f for f in dynamics.judge(told) if f.name == "dynamics: velocities in NVT"]
    assert {finding.verdict for finding in found} == {verdict}
    assert len(found) == len(set(frame.species))
