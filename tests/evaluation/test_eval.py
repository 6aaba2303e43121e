"""Errors of a deployed file on labelled frames, by hand and from the command line."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from typer.testing import CliRunner

from egraff_lmp.cli import build_app
from egraff_lmp.data.ase_io import collection_from_images
from egraff_lmp.deployed import DeployedModel, Evaluation
from egraff_lmp.errors import EgraffError
from egraff_lmp.evaluation.errors import evaluate_frames, group_errors
from egraff_lmp.evaluation.parity import draw_parity

MODEL = Path(__file__).resolve().parents[2] / "deployed_models" / "gete-mace.pt"
# The same file evaluated twice in float32: sums in another order.
SAME_MEV = 0.01


@dataclass
class Wrong:
    """Energies as given, forces of 0 and a virial of 8 eV, whatever the frame."""

    energies: dict[float, float]

    def check_species(self, species):
        if "Au" in species:
            raise EgraffError("no gold")

    def evaluate(self, species, positions, cell, pbc):
        n = len(species)
        energy = self.energies[float(positions[0, 0])]
        return Evaluation(energy, np.full(n, energy / n), np.zeros((n, 3)), 8.0 * np.eye(3))


def labelled(symbols, energy, mark, forces, stress=None):
    atoms = Atoms(symbols, cell=[2, 2, 2], pbc=True)
    atoms.positions[0, 0] = mark
    results = {"energy": energy, "forces": np.asarray(forces, dtype=float)}
    atoms.calc = SinglePointCalculator(atoms, **results)
    if stress is not None:
        atoms.calc.results["stress"] = np.array([stress, stress, stress, 0, 0, 0])
    return atoms


@pytest.fixture
def groups():
    """Two frames of GeTe, wrong by +3 and +5 meV an atom, and one of Ge2, wrong by -2."""
    images = [
        labelled("GeTe", -2.0, 0.1, [[3, 0, 0], [0, 0, 6]], stress=-1.0),
        labelled("GeTe", -3.0, 0.2, [[0, 0, 0], [0, 0, 0]], stress=-1.0),
        labelled("Ge2", -4.0, 0.3, [[0, 0, 0], [0, 6, 0]]),
    ]
    said = {0.1: -2.0 + 0.006, 0.2: -3.0 + 0.010, 0.3: -4.0 - 0.004}
    results = evaluate_frames(Wrong(said), [collection_from_images(images, "x")])
    return {group.name: group for group in group_errors(results)}


def test_errors_by_hand(groups):
    assert list(groups) == ["all frames", "Ge1Te1", "Ge2", "Ge", "Te"]
    whole = groups["all frames"]
    assert whole.n_frames == 3
    assert whole.energy_mae_mev_per_atom == pytest.approx((3 + 5 + 2) / 3)
    assert whole.energy_rmse_mev_per_atom == pytest.approx(math.sqrt((9 + 25 + 4) / 3))
    assert whole.energy_offset_free_mae_mev_per_atom == pytest.approx((1 + 1 + 0) / 3)
    assert whole.forces_mae_mev_per_angstrom == pytest.approx(1000 * 15 / 18)
    assert whole.zero_forces_mae_mev_per_angstrom == pytest.approx(1000 * 15 / 18)
    assert whole.largest_force_error_mev_per_angstrom == pytest.approx(6000)
    # A virial of 8 eV in 8 A^3 is a stress of -1 eV/A^3.
    assert whole.stress_mae_mev_per_angstrom3 == pytest.approx(0, abs=1e-9)
    assert whole.zero_stress_mae_mev_per_angstrom3 == pytest.approx(1000 * 3 / 9)


def test_compositions_and_elements(groups):
    assert groups["Ge2"].energy_mae_mev_per_atom == pytest.approx(2)
    assert math.isnan(groups["Ge2"].stress_mae_mev_per_angstrom3)
    assert groups["Ge"].forces_mae_mev_per_angstrom == pytest.approx(1000 * (3 + 6) / 12)
    assert groups["Te"].forces_mae_mev_per_angstrom == pytest.approx(1000 * 6 / 6)
    assert (groups["Ge"].n_frames, groups["Te"].n_frames) == (3, 2)
    assert math.isnan(groups["Te"].energy_mae_mev_per_atom)
    assert groups["Te"].as_dict()["energy_mae_mev_per_atom"] is None


def test_what_cannot_be_compared():
    atoms = labelled("Au", 0.0, 0.1, [[0, 0, 0]])
    with pytest.raises(EgraffError, match=r"a\.xyz: no gold"):
        evaluate_frames(Wrong({}), [collection_from_images([atoms], "a.xyz")])
    atoms = Atoms("Ge", cell=[2, 2, 2], pbc=True)
    with pytest.raises(EgraffError, match=r"a\.xyz: expected frames with an energy.*--energy-key"):
        evaluate_frames(Wrong({}), [collection_from_images([atoms], "a.xyz")])


@pytest.fixture(scope="module")
def labelled_by_itself(tmp_path_factory):
    """A file whose labels are the model's own, but for forces on Te that are 0.3 eV/A off."""
    model = DeployedModel(MODEL)
    images = []
    for seed in range(3):
        atoms = bulk("GeTe", "rocksalt", a=6.0, cubic=True)
        atoms.rattle(0.1, seed=seed)
        found = model.evaluate(
            atoms.get_chemical_symbols(), atoms.positions, np.asarray(atoms.cell), atoms.pbc
        )
        off = np.array([[0.3, 0, 0] if name == "Te" else [0, 0, 0] for name in atoms.symbols])
        atoms.info["REF_energy"] = found.energy
        atoms.arrays["REF_forces"] = found.forces + off
        atoms.info["REF_stress"] = (-found.virial / atoms.get_volume()).ravel()
        images.append(atoms)
    path = tmp_path_factory.mktemp("eval") / "own.extxyz"
    ase.io.write(path, images)
    return path


def run(*arguments):
    return CliRunner().invoke(build_app(), ["eval", str(MODEL), *map(str, arguments)])


def test_from_the_command_line(labelled_by_itself, tmp_path):
    result = run(
        labelled_by_itself, "--json", "--csv", tmp_path / "e.csv", "--plot", tmp_path / "p.png"
    )
    assert result.exit_code == 0, result.output
    whole, ge, te = json.loads(result.stdout)["groups"]
    assert [whole["name"], ge["name"], te["name"]] == ["all frames", "Ge", "Te"]
    assert whole["energy_mae_mev_per_atom"] < SAME_MEV
    assert whole["stress_mae_mev_per_angstrom3"] < SAME_MEV
    assert whole["zero_stress_mae_mev_per_angstrom3"] > 1
    assert ge["forces_mae_mev_per_angstrom"] < SAME_MEV
    assert te["forces_mae_mev_per_angstrom"] == pytest.approx(100, abs=SAME_MEV)
    rows = list(csv.DictReader((tmp_path / "e.csv").open()))
    assert [row["frame"] for row in rows] == ["0", "1", "2"]
    assert all(abs(float(r["forces_mae_mev_per_angstrom"]) - 50) < SAME_MEV for r in rows)
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_labels_in_another_unit_are_refused(labelled_by_itself, tmp_path):
    """As a training refuses them, with the command that converts them, and the way around it."""
    images = ase.io.read(labelled_by_itself, index=":")
    for atoms in images:
        forces = atoms.arrays["REF_forces"]
        forces *= 23.06 / np.sqrt((forces**2).mean())
    path = tmp_path / "kcal.extxyz"
    ase.io.write(path, images)
    refused = run(path)
    assert refused.exit_code == 1
    assert isinstance(refused.exception, EgraffError)
    assert "egraff data convert FILE out.npz --energy-unit kcal/mol" in str(refused.exception)
    assert "--units warn" in str(refused.exception)
    done = run(path, "--units", "warn", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["groups"][0]["zero_forces_mae_mev_per_angstrom"] > 5000


def test_misuse_is_told_at_once(labelled_by_itself, tmp_path):
    result = run(labelled_by_itself, "--plot", tmp_path / "p.bmp")
    assert isinstance(result.exception, EgraffError)
    assert "ends in .png, .pdf, .svg" in str(result.exception)
    result = run(labelled_by_itself, "--energy-key", "pbe")
    assert "under the name 'pbe' (energy_key)" in str(result.exception)


def test_what_is_not_finite_is_told(caplog, tmp_path):
    """A prediction of NaN is named; a frame without a reference leaves its composition a mean."""
    images = [labelled("GeTe", -2.0, mark, [[1, 0, 0], [0, 0, 1]]) for mark in (0.1, 0.2, 0.3)]
    frames = collection_from_images(images, "x")
    said = {0.1: -2.0 + 0.006, 0.2: math.nan, 0.3: -2.0 + 0.010}
    results = evaluate_frames(Wrong(said), [frames])
    (told,) = caplog.records
    assert "not finite in 1 of 3 frames (first: x, frame 1)" in told.message
    (whole, *_) = group_errors(results)
    assert whole.energy_mae_mev_per_atom == pytest.approx(4)
    assert whole.energy_offset_free_mae_mev_per_atom == pytest.approx(1)
    draw_parity(results, tmp_path / "parity.png")
    assert (tmp_path / "parity.png").stat().st_size > 0


def test_the_frame_that_cannot_be_evaluated_is_named():
    """Of many frames nobody finds the one whose atoms lie on each other."""
    images = [labelled("GeTe", -2.0, mark, [[1, 0, 0], [0, 0, 1]]) for mark in (1.0, 0.0)]
    frames = collection_from_images(images, "x.extxyz")
    with pytest.raises(EgraffError, match=r"^x\.extxyz, frame 1: expected atoms apart"):
        evaluate_frames(DeployedModel(MODEL), [frames])
