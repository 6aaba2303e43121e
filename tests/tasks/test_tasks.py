"""Tasks on one structure, against what is known of copper in ASE's effective-medium theory."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from typer.testing import CliRunner

from egraff_lmp import EgraffCalculator
from egraff_lmp.cli import build_app
from egraff_lmp.cli.task import load
from egraff_lmp.errors import EgraffError
from egraff_lmp.tasks import elastic, eos
from egraff_lmp.tasks.elastic import elastic_constants
from egraff_lmp.tasks.eos import equation_of_state
from egraff_lmp.tasks.neb import nudged_elastic_band
from egraff_lmp.tasks.phonons import phonons
from egraff_lmp.tasks.relax import relax
from egraff_lmp.tasks.structure import write_structure

MODEL = Path(__file__).resolve().parents[2] / "deployed_models" / "gete-mace.pt"
# Of EMT (Jacobsen, Stoltze, Norskov 1996), as ASE's own tests and documentation have them.
CUBIC_A, BULK_GPA = 3.59, 134.0
PER_CENT = 0.01


@pytest.fixture
def copper():
    atoms = bulk("Cu", cubic=True, a=3.7)
    atoms.rattle(0.05, seed=0)
    atoms.calc = EMT()
    return atoms


@pytest.fixture
def relaxed(copper):
    return relax(copper, cell=True, fmax=1e-4).atoms


def test_relaxation_finds_the_crystal(copper):
    before = copper.positions.copy()
    found = relax(copper, cell=True, fmax=1e-4)
    assert found.converged
    assert found.energy_ev < found.energy_before_ev
    assert found.volume_angstrom3 ** (1 / 3) == pytest.approx(CUBIC_A, rel=PER_CENT)
    assert found.largest_force_ev_per_angstrom < 1e-4
    assert np.array_equal(copper.positions, before)  # a copy is relaxed
    assert 0 < found.largest_move_angstrom < 0.3


def test_pressure_compresses(copper):
    free, pressed = (relax(copper, cell=True, pressure_gpa=p).volume_angstrom3 for p in (0, 10))
    # dV / V = -p / B, and the crystal stiffens.
    assert 1 - pressed / free == pytest.approx(10 / BULK_GPA, rel=0.2)


def test_steps_may_run_out(copper):
    found = relax(copper, max_steps=1)
    assert not found.converged
    assert found.steps == 1


def test_equation_of_state_and_elastic_constants_agree(relaxed):
    state = equation_of_state(relaxed, strain=0.02)
    assert state.inside
    assert state.length_factor == pytest.approx(1, abs=1e-3)
    assert state.bulk_modulus_gpa == pytest.approx(BULK_GPA, rel=2 * PER_CENT)
    stiffness = elastic_constants(relaxed)
    assert stiffness.stable
    assert stiffness.bulk_modulus_gpa == pytest.approx(state.bulk_modulus_gpa, rel=2 * PER_CENT)
    c = stiffness.stiffness_gpa
    cubic = [c[0, 0], c[0, 1], c[3, 3]]
    assert cubic == pytest.approx([172, 115, 90], rel=2 * PER_CENT)
    assert c[0, 0] == pytest.approx(c[2, 2], rel=1e-3)


def test_minimum_outside_of_the_volumes_is_told(copper):
    assert not equation_of_state(copper, strain=0.02, relaxed=False).inside  # a = 3.7 of 3.59
    copper.set_cell(copper.cell * 1.2, scale_atoms=True)
    with pytest.raises(EgraffError, match="got none that a fit finds: give a structure nearer"):
        equation_of_state(copper, strain=0.01, relaxed=False)


def test_phonons_of_left_handed_vectors_are_refused(relaxed):
    """Before the work, and not by the library beneath."""
    swapped = relaxed.copy()
    swapped.calc = relaxed.calc
    swapped.set_cell(relaxed.cell[[1, 0, 2]])
    with pytest.raises(EgraffError, match="expected right-handed lattice vectors"):
        phonons(swapped)


def test_phonons(relaxed):
    """Three acoustic branches that start at 0; the classical heat capacity is 3 k_B an atom."""
    found = phonons(relaxed)
    assert found.stable
    assert found.frequencies_thz.shape[1] == 3
    gamma = found.frequencies_thz[np.argmin(np.abs(found.way - found.points[0]))]
    assert np.abs(gamma).max() < 0.01
    assert 2.7 * 4 < found.heat_capacity_300_kelvin_kb < 3 * 4
    # E_0 is h nu / 2 a mode, and the mean frequency of a metal is about 0.65 of its largest.
    mean = found.zero_point_ev / 12 / (0.5 * 4.135667696e-3)
    assert 0.5 < mean / found.largest_thz < 0.8
    stretched = relaxed.copy()
    stretched.set_cell(stretched.cell * 1.15, scale_atoms=True)
    stretched.calc = relaxed.calc
    assert not phonons(stretched).stable


def test_barrier_of_a_vacancy(relaxed):
    """A vacancy that moves meets the same barrier from both sides."""
    first = relaxed.repeat(2)
    second = first.copy()
    target = first.positions[0].copy()
    del first[0]
    last = first.copy()
    near = int(np.argmin(np.linalg.norm(last.positions - target, axis=1)))
    last.positions[near] = target
    del second
    for atoms in (first, last):
        atoms.calc = EMT()
    ends = [relax(atoms).atoms for atoms in (first, last)]
    found = nudged_elastic_band(*ends, n_images=5)
    assert found.converged
    assert found.barrier_ev == pytest.approx(found.back_ev, abs=1e-3)
    assert 0.4 < found.barrier_ev < 1.2
    assert int(np.argmax(found.energies_ev)) == 2


def test_phonons_of_another_cell_of_the_same_crystal(relaxed):
    """The primitive cell has angles of 60 degrees; its modes are those of a quarter of the cube."""
    primitive = bulk("Cu", a=relaxed.cell.lengths()[0])
    primitive.calc = EMT()
    one, four = phonons(primitive), phonons(relaxed)
    assert one.supercell == (4, 4, 4)
    assert one.stable
    # Supercells of other shapes cut the forces off elsewhere.
    assert one.largest_thz == pytest.approx(four.largest_thz, rel=2 * PER_CENT)
    assert 4 * one.zero_point_ev == pytest.approx(four.zero_point_ev, rel=2 * PER_CENT)


def test_a_band_whose_steps_run_out_says_so(relaxed):
    """In a sheared cell, where an atom moves across a face of the cell: by the shortest way."""
    sheared = relaxed.copy()
    sheared.set_cell(relaxed.cell @ [[1, 0, 0], [0.2, 1, 0], [0, -0.1, 1]], scale_atoms=True)
    first, last = sheared.copy(), sheared.copy()
    first.positions[0] += [0.2, 0.0, 0.1]
    last.positions[0] += sheared.cell[0] - [0.1, 0.15, 0.0]
    for atoms in (first, last):
        atoms.calc = EMT()
    found = nudged_elastic_band(first, last, n_images=3, max_steps=1)
    assert not found.converged
    assert found.steps == 1
    assert found.way_angstrom[-1] < 1.0  # not a lattice vector


def test_misuse(copper):
    slab = copper.copy()
    slab.pbc = (True, True, False)
    slab.calc = EMT()
    for task in (equation_of_state, elastic_constants, phonons):
        with pytest.raises(EgraffError, match="expected a crystal, periodic in three directions"):
            task(slab)
    with pytest.raises(EgraffError, match="relax --cell: expected a crystal"):
        relax(slab, cell=True)
    with pytest.raises(EgraffError, match="at least 5 points"):
        equation_of_state(copper, points=4)
    gold = Atoms("Au4", positions=copper.positions, cell=copper.cell, pbc=True)
    with pytest.raises(EgraffError, match="the same atoms in the same order"):
        nudged_elastic_band(copper, gold)
    with pytest.raises(EgraffError, match="the same cell at both ends"):
        nudged_elastic_band(copper, relax(copper, cell=True).atoms)
    with pytest.raises(EgraffError, match="at least 3 images"):
        nudged_elastic_band(copper, copper, n_images=2)


def run(*arguments):
    return CliRunner().invoke(build_app(), [str(each) for each in arguments])


def test_from_the_command_line(tmp_path):
    """A deployed file on rock salt: relaxed, and then in the middle of its equation of state."""
    atoms = bulk("GeTe", "rocksalt", a=6.2, cubic=True)
    ase.io.write(tmp_path / "POSCAR", atoms)
    out = tmp_path / "relaxed.extxyz"
    result = run("relax", MODEL, tmp_path / "POSCAR", "--cell", "-o", out, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["converged"]
    assert ase.io.read(out).get_volume() == pytest.approx(found["volume_angstrom3"], rel=1e-5)
    picture = tmp_path / "eos.png"
    result = run("eos", MODEL, out, "--strain", "0.03", "--json", "--plot", picture)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["length_factor"] == pytest.approx(1, abs=5e-3)
    assert picture.read_bytes().startswith(b"\x89PNG")
    result = run("elastic", MODEL, out)
    assert "bulk modulus" in result.output


def test_misuse_of_the_command_line(tmp_path):
    ase.io.write(tmp_path / "gold.extxyz", bulk("Au", cubic=True))
    result = run("relax", MODEL, tmp_path / "gold.extxyz")
    assert "got Au: use a model that knows them" in str(result.exception)
    ase.io.write(tmp_path / "gete.extxyz", bulk("GeTe", "rocksalt", a=6.0))
    result = run("relax", MODEL, tmp_path / "gete.extxyz", "--pressure", "1")
    assert "expected --cell with it" in str(result.exception)
    result = run("relax", MODEL, tmp_path / "gete.extxyz", "-o", tmp_path / "x.foo")
    assert "in a format that ASE writes" in str(result.exception)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gete.extxyz", "gold.extxyz"]


def test_each_image_of_a_band_is_written_with_its_own_results(tmp_path):
    """ASE writes what the calculator holds, and images share one."""
    calculator = EgraffCalculator(MODEL)
    ends = [bulk("GeTe", "rocksalt", a=6.0, cubic=True) for _ in range(2)]
    for sign, atoms in zip((1, -1), ends, strict=True):
        atoms.positions[0] += sign * np.array([0.2, 0.1, 0.0])
        atoms.calc = calculator
    found = nudged_elastic_band(*ends, n_images=3, max_steps=1)
    write_structure(tmp_path / "neb.extxyz", found.images)
    for image in ase.io.read(tmp_path / "neb.extxyz", ":"):
        again = image.copy()
        again.calc = calculator
        assert image.get_potential_energy() == pytest.approx(again.get_potential_energy(), abs=1e-4)
        assert image.get_forces() == pytest.approx(again.get_forces(), abs=1e-4)
    assert np.ptp(found.energies_ev) > 5e-3  # which the images differ by


class Hill(Calculator):
    """An energy that is largest at 47 A^3."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        volume = self.atoms.get_volume()
        self.results = {"energy": -0.01 * (volume - 47) ** 2, "forces": np.zeros((4, 3))}


def test_a_maximum_is_no_equation_of_state():
    atoms = bulk("Cu", cubic=True, a=3.6)
    atoms.calc = Hill()
    with pytest.raises(EgraffError, match="expected energies with a minimum"):
        equation_of_state(atoms)


def test_phonons_know_the_masses(relaxed):
    """Frequencies go with one over the root of the mass; isotopes of one element are refused."""
    light = phonons(relaxed, supercell=(1, 1, 1)).largest_thz
    relaxed.set_masses(4 * relaxed.get_masses())
    heavy = phonons(relaxed, supercell=(1, 1, 1)).largest_thz
    assert heavy == pytest.approx(light / 2, rel=1e-6)
    relaxed.set_masses([63, 63, 63, 65])
    with pytest.raises(EgraffError, match="one mass for each element, got 63 to 65 amu for Cu"):
        phonons(relaxed)


def test_atoms_that_a_file_fixes_stay(tmp_path):
    """Selective dynamics of VASP: held by a relaxation, told where they are not held."""
    atoms = bulk("GeTe", "rocksalt", a=6.2, cubic=True)
    atoms.rattle(0.1, seed=2)
    atoms.set_constraint(FixAtoms([0, 5]))
    ase.io.write(tmp_path / "POSCAR", atoms)
    out = tmp_path / "out.extxyz"
    result = run("relax", MODEL, tmp_path / "POSCAR", "-o", out, "--max-steps", 3)
    assert "the file holds 2 of 8 atoms fixed" in result.output
    moved = np.linalg.norm(ase.io.read(out).positions - atoms.positions, axis=1)
    assert moved[[0, 5]] == pytest.approx(0, abs=1e-6)
    assert np.delete(moved, [0, 5]).min() > 1e-3


def test_constraints_are_told_where_they_are_not_held(tmp_path, caplog):
    atoms = bulk("GeTe", "rocksalt", a=6.2)
    atoms.set_constraint(FixAtoms([0]))
    ase.io.write(tmp_path / "fixed.extxyz", atoms)
    load(MODEL, str(tmp_path / "fixed.extxyz"), -1, held=False)
    assert ["not held fixed here" in each.message for each in caplog.records] == [True]


def test_the_structure_is_not_overwritten(tmp_path, monkeypatch):
    """`relaxed.extxyz` is what a relaxation writes by default, and may be what it begins with."""
    monkeypatch.chdir(tmp_path)
    ase.io.write("relaxed.extxyz", bulk("GeTe", "rocksalt", a=6.2))
    before = Path("relaxed.extxyz").read_bytes()
    result = run("relax", MODEL, "relaxed.extxyz")
    assert "expected another file than the one that is read" in str(result.exception)
    assert Path("relaxed.extxyz").read_bytes() == before


def test_relaxations_that_do_not_converge_are_told(tmp_path, monkeypatch, caplog):
    """Inside of an equation of state and of elastic constants; the numbers are printed."""
    atoms = bulk("GeTe", "rocksalt", a=5.8)
    atoms.positions[0] += [0.2, 0.1, 0.0]
    ase.io.write(tmp_path / "a.extxyz", atoms)
    monkeypatch.setattr(eos, "relax", partial(relax, max_steps=0))
    monkeypatch.setattr(elastic, "STEPS", 0)
    result = run("eos", MODEL, tmp_path / "a.extxyz", "--points", 5)
    assert (result.exit_code, "bulk modulus" in result.output) == (1, True)
    result = run("elastic", MODEL, tmp_path / "a.extxyz")
    assert (result.exit_code, "bulk modulus" in result.output) == (1, True)
    assert "under a stress of up to" in result.output
    assert len([r for r in caplog.records if "did not reach its bound" in r.message]) == 2
