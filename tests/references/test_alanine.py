"""Alanine dipeptide by OpenMM: its geometry, its gradient, temperature, stops, and misuse."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from egraff_lmp.data.frames import Frames
from egraff_lmp.data.store import read_store
from egraff_lmp.errors import EgraffError
from egraff_lmp.references.alanine import (
    PEPTIDE,
    SPECIES,
    Alanine,
    Amber,
    AmberCalculator,
    ask_amber,
    geometry,
)
from egraff_lmp.references.make import make_set
from egraff_lmp.references.oracle import ask

# Central differences over 1e-4 A in double precision.
GRADIENT_EV_PER_A = 1e-6
SAME = 1e-9  # the state goes through text with all digits; in eV and eV/A
# Five standard errors of some thousand steps of 66 degrees of freedom at a friction of 1/ps.
TEMPERATURE_K = 60.0


@pytest.fixture
def openmm():
    return pytest.importorskip("openmm", reason="OpenMM is an optional package, and not here")


def frames_of(positions) -> Frames:
    n = len(positions)
    return Frames(SPECIES, positions, np.zeros((n, 3, 3)), (False,) * 3, None, None, None, "x")


def test_geometry_is_that_of_the_l_amino_acid():
    positions = geometry()
    where = {(atom.residue, atom.name): index for index, atom in enumerate(PEPTIDE)}
    n, c, beta, alpha = (positions[where["ALA", name]] for name in ("N", "C", "CB", "CA"))
    assert np.cross(n - alpha, c - alpha) @ (beta - alpha) > 0
    assert len(SPECIES) == 22
    for index, atom in enumerate(PEPTIDE):
        if atom.bonded >= 0:
            length = np.linalg.norm(positions[index] - positions[atom.bonded])
            assert length == pytest.approx(atom.length_a)
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    assert (distances[np.triu_indices(22, 1)] > 1.0).all()


@pytest.mark.parametrize("solvent", ["implicit", "vacuum"])
def test_forces_are_the_gradient(openmm, solvent):
    positions = geometry() + np.random.default_rng(0).normal(scale=0.03, size=(22, 3))
    moved, step = [(0, 0), (8, 1), (12, 2), (16, 0)], 1e-4
    many = np.repeat(positions[None], 1 + 2 * len(moved), axis=0)
    for index, (atom, axis) in enumerate(moved):
        many[1 + 2 * index, atom, axis] += step
        many[2 + 2 * index, atom, axis] -= step
    seen = ask_amber(frames_of(many), solvent)
    slopes = (seen.energy[1::2] - seen.energy[2::2]) / (2 * step)
    wanted = [-seen.forces[0][atom, axis] for atom, axis in moved]
    np.testing.assert_allclose(slopes, wanted, atol=GRADIENT_EV_PER_A)
    assert np.abs(wanted).max() > 0.5
    assert np.abs(seen.forces.sum(axis=1)).max() < 1e-6


def test_the_calculator_and_the_solvents(openmm):
    from ase import Atoms

    atoms = Atoms(SPECIES, geometry())
    energies = {}
    for solvent in ("implicit", "vacuum"):
        atoms.calc = AmberCalculator(solvent)
        energies[solvent] = atoms.get_potential_energy()
        seen = ask_amber(frames_of(atoms.positions[None]), solvent)
        assert seen.energy[0] == energies[solvent]
        assert np.array_equal(seen.forces[0], atoms.get_forces())
    assert energies["implicit"] < energies["vacuum"] - 0.1  # solvation of a peptide
    turned = atoms.copy()
    turned.rotate(40, "x")
    turned.translate([5.0, 0.0, 0.0])
    turned.calc = AmberCalculator("vacuum")
    assert turned.get_potential_energy() == pytest.approx(energies["vacuum"], abs=1e-9)
    wrong = atoms[::-1]
    wrong.calc = AmberCalculator()
    with pytest.raises(EgraffError, match="expected the atoms of alanine dipeptide as CCOHHH"):
        wrong.get_potential_energy()


def test_a_set(openmm, make_plan, tmp_path):
    plan = make_plan(
        frames=200, stride_fs=20.0, equilibration_ps=1.0, sizes=(100, 20, 40), method="contiguous"
    )
    made = make_set(Alanine(), plan, tmp_path / "a")
    frames = read_store(tmp_path / "a" / "trajectory.npz")
    assert abs(made.metadata["facts"]["temperature_kelvin"] - 300) < TEMPERATURE_K
    assert frames.pbc == (False,) * 3
    again = ask("alanine_dipeptide", frames.select(slice(0, 5)), tmp_path / "o")
    np.testing.assert_allclose(again.energy, frames.energy[:5], atol=SAME)
    np.testing.assert_allclose(again.forces, frames.forces[:5], atol=SAME)
    train = read_store(tmp_path / "a" / "train.npz")
    assert train.timestep_fs == 20.0  # a block keeps its times
    assert np.array_equal(train.positions, frames.positions[:100])
    assert "10.1002/jcc.10349" in (tmp_path / "a" / "README.md").read_text()
    assert not make_set(Alanine(), plan, tmp_path / "a").fresh
    with pytest.raises(EgraffError, match='with solvent "vacuum", got one with "implicit"'):
        make_set(Alanine("vacuum"), plan, tmp_path / "a")


def test_a_stopped_making_goes_on(openmm, make_plan, stopped_and_resumed, tmp_path):
    plan = make_plan(frames=6)
    resumed = stopped_and_resumed(Alanine("vacuum"), plan, tmp_path / "a", 3)
    whole = make_set(Alanine("vacuum"), plan, tmp_path / "b")
    one, other = (read_store(made.folder / "trajectory.npz") for made in (resumed, whole))
    assert np.array_equal(one.positions, other.positions)
    third = make_set(Alanine("vacuum"), replace(plan, seed=6), tmp_path / "c")
    assert not np.array_equal(one.positions, read_store(third.folder / "trajectory.npz").positions)


def test_misuse(openmm, tmp_path):
    with pytest.raises(EgraffError, match="a solvent out of implicit, vacuum, got 'explicit'"):
        Alanine("explicit")
    with pytest.raises(EgraffError, match="a solvent out of implicit, vacuum, got 'water'"):
        Amber("water")
    frames = frames_of(geometry()[None])
    with pytest.raises(EgraffError, match="goes by that order"):
        ask("alanine_dipeptide", replace(frames, species=SPECIES[::-1]), tmp_path)


def test_without_openmm(monkeypatch):
    monkeypatch.setitem(sys.modules, "openmm", None)
    for make in (Alanine, Amber):
        with pytest.raises(EgraffError, match=r"expected the package OpenMM.*`pip install openmm`"):
            make()
