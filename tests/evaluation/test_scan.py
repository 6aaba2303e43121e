"""Scans: the angle that turns is found, a constant counts for nothing, misuse is refused."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from typer.testing import CliRunner

from egraff_lmp.cli import build_app
from egraff_lmp.data.ase_io import collection_from_images
from egraff_lmp.deployed import DeployedModel
from egraff_lmp.errors import EgraffError
from egraff_lmp.evaluation.errors import FrameResult
from egraff_lmp.evaluation.scan import Coordinate, compare, coordinate_of
from egraff_lmp.evaluation.scan_picture import draw_scans

MODEL = Path(__file__).resolve().parents[2] / "deployed_models" / "gete-mace.pt"
ROUNDING_DEGREES = 1e-6  # of sines and cosines in float64
# The same file evaluated twice in float32, energies of some eV.
SAME_MEV = 0.01


def chain(symbols: str, bond: float, angle: float = 0.0) -> Atoms:
    """Four atoms in a chain with right angles and the given dihedral angle in degrees."""
    turn = math.radians(angle)
    last = [bond * math.cos(turn), bond * math.sin(turn), bond]
    return Atoms(symbols, [[bond, 0, 0], [0, 0, 0], [0, 0, bond], last])


def scan_of(angles, symbols="HOOH", bond=1.0, energies=None):
    images = []
    for number, angle in enumerate(angles):
        atoms = chain(symbols, bond, angle)
        atoms.info["energy"] = float(number if energies is None else energies[number])
        images.append(atoms)
    return collection_from_images(images, "scan.xyz")


def results_of(reference, predicted):
    pairs = zip(reference, predicted, strict=True)
    return [
        FrameResult("x", t, "H1", np.array(["H"]), (float(a), float(b)), None, None)
        for t, (a, b) in enumerate(pairs)
    ]


def numbered(n: int) -> Coordinate:
    return Coordinate(np.arange(n, dtype=float), "frame", None)


@pytest.mark.parametrize("angles", [np.arange(1, 178, 8), np.arange(120, 460, 20)[::-1]])
def test_the_angle_that_turns_is_found_without_jumps(angles):
    found = coordinate_of(scan_of(angles))
    assert found.atoms == (1, 2, 3, 4)
    assert found.name == "dihedral angle H1-O2-O3-H4"
    turned = found.values - found.values[0]
    assert np.abs(turned) == pytest.approx(np.abs(angles - angles[0]), abs=ROUNDING_DEGREES)
    # What is named is what is found, and what ASE measures.
    assert coordinate_of(scan_of(angles), (1, 2, 3, 4)).values.tolist() == found.values.tolist()
    measured = chain("HOOH", 1.0, angles[0]).get_dihedral(0, 1, 2, 3)
    assert (found.values[0] - measured) % 360 == pytest.approx(0, abs=ROUNDING_DEGREES)


def test_about_one_bond_the_heaviest_ends_are_taken():
    """Angles with hydrogen turn by as much."""
    images = []
    for angle in range(0, 100, 10):
        atoms = chain("ClCCCl", 1.5, angle) + chain("HCCH", 1.0, 180.0 + angle)[[0, 3]]
        atoms.positions[4] = [0, 1.0, 0]
        atoms.positions[5, 2] += 0.5
        images.append(atoms)
    assert coordinate_of(collection_from_images(labelled(images), "x")).atoms == (1, 2, 3, 4)


def labelled(images):
    for number, atoms in enumerate(images):
        atoms.info["energy"] = float(number)
    return images


def test_without_an_angle_that_turns_one_way_the_frames_are_counted():
    shuffled = coordinate_of(scan_of([0, 90, 30, 120, 60]))
    assert (shuffled.atoms, shuffled.name, shuffled.unit) == (None, "frame", "")
    assert shuffled.values.tolist() == [0, 1, 2, 3, 4]
    assert coordinate_of(scan_of(range(0, 30, 5))).atoms is None  # turned by 25 degrees
    # A bond that breaks on the way carries no dihedral angle.
    images = [chain("HOOH", 1.0, angle) for angle in range(0, 100, 10)]
    images[-1].positions[3] += [0, 0, 3.0]
    assert coordinate_of(collection_from_images(labelled(images), "x")).atoms is None


def test_errors_by_hand():
    scan = compare("x", numbered(4), results_of([1.0, 1.3, 1.1, 1.0], [5.0, 5.2, 5.2, 5.15]))
    assert scan.reference_mev == pytest.approx([0, 300, 100, 0])
    assert scan.predicted_mev == pytest.approx([0, 200, 200, 150])
    assert scan.mae_mev == pytest.approx((100 + 100 + 150) / 4)
    assert (scan.largest_error_mev, scan.largest_error_at) == pytest.approx((150, 3))
    assert (scan.reference_barrier_mev, scan.predicted_barrier_mev) == pytest.approx((300, 200))


@pytest.mark.parametrize("offset", [0.0, 3.0, -9391.5])
def test_the_reference_itself_has_no_error_whatever_its_zero(offset):
    energies = np.cos(np.linspace(0, math.pi, 19))
    scan = compare("x", numbered(19), results_of(energies, energies + offset))
    # Rounding of energies of 9391 eV in float64 is 2e-9 meV.
    assert scan.errors_mev == pytest.approx(np.zeros(19), abs=1e-7)
    assert scan.predicted_barrier_mev == pytest.approx(2000)


def test_what_is_not_finite_is_left_out_of_both_curves():
    scan = compare("x", numbered(3), results_of([0.0, -1.0, 0.5], [1.0, math.nan, 1.5]))
    assert scan.reference_mev[[0, 2]] == pytest.approx([0, 500])
    assert scan.mae_mev == pytest.approx(0)
    assert scan.as_dict()["reference_mev"][1] is None
    nothing = compare("x", numbered(2), results_of([0.0, 1.0], [math.nan, math.inf]))
    assert math.isnan(nothing.mae_mev)
    assert nothing.as_dict()["largest_error_at"] is None


def test_what_is_no_scan_is_refused():
    mixed = collection_from_images(labelled([chain("HOOH", 1.0), chain("HOSH", 1.0)]), "mixed.xyz")
    with pytest.raises(EgraffError, match=r"mixed\.xyz: expected a scan.*H2O1S1, H2O2.*one file"):
        coordinate_of(mixed)
    swapped = collection_from_images(labelled([chain("HOOH", 1.0), chain("OHHO", 1.0)]), "x")
    with pytest.raises(EgraffError, match="the same order"):
        coordinate_of(swapped)
    with pytest.raises(EgraffError, match=r"scan\.xyz: expected the frames of a scan, got 1"):
        coordinate_of(scan_of([0]))
    bare = collection_from_images([chain("HOOH", 1.0, a) for a in (0, 50)], "bare.xyz")
    with pytest.raises(
        EgraffError, match=r"bare\.xyz: expected frames with energies.*--energy-key"
    ):
        coordinate_of(bare)
    with pytest.raises(EgraffError, match="atoms from 1 to 4 for a torsion, got 1,2,3,5"):
        coordinate_of(scan_of([0, 50]), (1, 2, 3, 5))
    images = [Atoms("H4", [[0, 0, z] for z in range(4)]) for _ in range(2)]
    with pytest.raises(EgraffError, match="three of which lie on a line"):
        coordinate_of(collection_from_images(labelled(images), "x"), (1, 2, 3, 4))


@pytest.fixture(scope="module")
def labelled_by_itself(tmp_path_factory):
    """A chain Te-Ge-Ge-Te whose energies are the model's own and 7 eV."""
    model = DeployedModel(MODEL)
    images = [chain("TeGeGeTe", 2.6, angle) for angle in range(0, 190, 30)]
    for atoms in images:
        found = model.evaluate(
            atoms.get_chemical_symbols(), atoms.positions, np.zeros((3, 3)), (False,) * 3
        )
        atoms.info["REF_energy"] = found.energy + 7.0
    path = tmp_path_factory.mktemp("scan") / "own.extxyz"
    ase.io.write(path, images)
    return path


def run(*arguments):
    return CliRunner().invoke(build_app(), ["eval", str(MODEL), *map(str, arguments)])


def test_from_the_command_line(labelled_by_itself, tmp_path):
    picture, table = tmp_path / "scan.png", tmp_path / "scan.csv"
    result = run(
        labelled_by_itself, labelled_by_itself, "--scan", "--json", "--plot", picture,
        "--csv", table,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    first, second = json.loads(result.stdout)["scans"]
    assert first == second
    assert first["mae_mev"] < SAME_MEV
    assert first["reference_barrier_mev"] == pytest.approx(
        first["predicted_barrier_mev"], abs=2 * SAME_MEV
    )
    assert first["reference_barrier_mev"] > 1
    assert first["atoms"] == [1, 2, 3, 4]
    assert first["coordinate_values"] == pytest.approx(list(range(0, 190, 30)), abs=1e-4)
    assert picture.read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader(table.open()))
    assert len(rows) == 14
    assert float(rows[3]["scan_coordinate"]) == pytest.approx(90, abs=1e-4)
    assert abs(float(rows[3]["scan_error_mev"])) < SAME_MEV
    shown = run(labelled_by_itself, "--scan", "--torsion", "4,3,2,1")
    assert "Te4-Ge3-Ge2-Te1" in " ".join(shown.output.split())


def test_misuse_of_the_command(labelled_by_itself, tmp_path):
    alone = run(labelled_by_itself, "--torsion", "1,2,3,4")
    assert "add --scan" in str(alone.exception)
    wrong = run(labelled_by_itself, "--scan", "--torsion", "1,2,3")
    assert "the numbers of four atoms such as 2,7,8,9, got '1,2,3'" in str(wrong.exception)


def test_a_picture_of_more_scans_than_a_row_has(tmp_path):
    scan = compare("x", numbered(3), results_of([0.0, 1.0, 0.5], [1.0, math.nan, 1.5]))
    draw_scans([scan] * 4, tmp_path / "scans.svg")
    assert b"<svg" in (tmp_path / "scans.svg").read_bytes()
