"""The checks that need no LAMMPS, on a right model and on wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import toys

from egraff_lmp.contract import read_contract
from egraff_lmp.deployed import DeployedModel
from egraff_lmp.fileio import sha256_file
from egraff_lmp.verify.checks import crystals, cutoff, self_test, symmetry
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
