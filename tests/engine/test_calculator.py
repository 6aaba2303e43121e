"""The ASE calculator: what a user of ASE expects of one."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from ase import Atoms

from egraff_lmp import EgraffCalculator, EgraffError
from egraff_lmp.forcefields import FORCE_FIELDS

# Central differences of 1e-4 A or 1e-5 strain.
FORCES = 1e-6  # eV/A
STRESS = 1e-6  # of the largest component


def atoms_of(structure) -> Atoms:
    return Atoms(structure.species, structure.positions, cell=structure.cell, pbc=structure.pbc)


@pytest.mark.parametrize("key", FORCE_FIELDS)
def test_forces_and_stress_are_derivatives_below_the_cutoff(made_structures, model, key):
    from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress

    atoms = atoms_of(made_structures["tiny-sheared"])
    atoms.calc = EgraffCalculator(model(key, "float64", 1.0))
    forces, stress = atoms.get_forces(), atoms.get_stress()
    numerical = calculate_numerical_forces(atoms, eps=1e-4)
    strained = calculate_numerical_stress(atoms, eps=1e-5)
    assert np.abs(forces - numerical).max() < FORCES
    assert np.abs(stress - strained).max() < STRESS * np.abs(stress).max()
    assert np.abs(stress).max() > 0


@pytest.mark.parametrize("key", FORCE_FIELDS)
def test_invariances(made_structures, model, key):
    """Translation, rotation, reflection, permutation and wrapping."""
    atoms = atoms_of(made_structures["tiny-cube"])
    atoms.calc = EgraffCalculator(model(key, "float64"))
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()

    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    for matrix in (rotation, -rotation):  # one of the two is a reflection
        turned = atoms.copy()
        turned.set_cell(atoms.cell.array @ matrix)
        turned.positions = atoms.positions @ matrix + [0.3, -20.0, 4.0]
        turned.calc = atoms.calc
        assert abs(turned.get_potential_energy() - energy) < 1e-9
        assert np.abs(turned.get_forces() - forces @ matrix).max() < 1e-9

    order = np.random.default_rng(1).permutation(len(atoms))
    shuffled = atoms[order]
    shuffled.positions += atoms.cell[0] * np.arange(len(atoms))[:, None]
    shuffled.calc = atoms.calc
    assert abs(shuffled.get_potential_energy() - energy) < 1e-9
    assert np.abs(shuffled.get_forces() - forces[order]).max() < 1e-9


def test_energies_sum_and_molecules_have_no_stress(made_structures, model):
    from ase.calculators.calculator import PropertyNotImplementedError

    atoms = atoms_of(made_structures["cluster"])
    atoms.calc = EgraffCalculator(model("nequip", "float64"))
    assert abs(atoms.get_potential_energies().sum() - atoms.get_potential_energy()) < 1e-9
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_stress()


def test_misuse(model, tmp_path):
    with pytest.raises(EgraffError, match="there is no such file"):
        EgraffCalculator(tmp_path / "none.pt")
    with pytest.raises(TypeError, match="devise"):
        EgraffCalculator(model("nequip", "float64"), devise="cuda")
    with pytest.raises(TypeError, match="default_dtype"):
        EgraffCalculator(model("nequip", "float64"), default_dtype="float64")
    atoms = Atoms("Au", pbc=False)
    atoms.calc = EgraffCalculator(model("nequip", "float64"))
    with pytest.raises(EgraffError, match="got Au: use a model that knows them"):
        atoms.get_potential_energy()


def test_vesin_and_ase_find_the_same_edges(made_structures):
    from egraff_lmp import graph

    for structure in made_structures.values():
        arguments = (structure.positions, structure.cell, structure.pbc, 5.0)
        ours = graph.find_edges(*arguments).vectors(structure.positions, structure.cell)
        i, j, shifts = graph._ase_edges(*arguments)
        vectors = structure.positions[j] - structure.positions[i] + shifts @ structure.cell
        assert ours.shape == vectors.shape, structure.source
        key = np.lexsort(np.round(vectors, 6).T)
        mine = np.lexsort(np.round(ours, 6).T)
        np.testing.assert_allclose(ours[mine], vectors[key], atol=1e-9)


def test_a_simulation_needs_torch_lammps_numpy_and_ase_only(model, tmp_path):
    """Evaluating a file imports none of the packages of the extras."""
    code = f"""
import sys
blocked = ("e3nn", "nequip", "allegro", "mace", "lightning", "MDAnalysis", "pydantic", "vesin",
           "mpi4py", "typer", "rich", "yaml", "matplotlib", "jinja2")
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in blocked:
            raise ImportError("blocked: " + name)
sys.meta_path.insert(0, Block())
from ase import Atoms
from egraff_lmp import EgraffCalculator
atoms = Atoms("GeTe", [[0, 0, 0], [0, 0, 2.6]], cell=[6, 6, 6], pbc=True)
atoms.calc = EgraffCalculator({str(model("mace", "float32"))!r})
atoms.get_forces()
import lammps
lmp = lammps.lammps(cmdargs=["-screen", "none", "-log", "none"])
assert lmp.has_style("pair", "egraff")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
