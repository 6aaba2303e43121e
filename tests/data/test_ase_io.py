"""Files that ASE reads."""

from __future__ import annotations

import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from egraff_lmp.data.ase_io import frames_from_images, read_any, read_database, read_xyz
from egraff_lmp.data.read import read_frames
from egraff_lmp.errors import EgraffError

TEXT_A = 1e-7  # extended XYZ is written with eight decimals


@pytest.fixture
def images(water):
    found = []
    for t in range(2):
        atoms = Atoms(water.species, water.positions[t], cell=water.cell[t], pbc=water.pbc)
        atoms.calc = SinglePointCalculator(atoms, energy=water.energy[t], forces=water.forces[t])
        found.append(atoms)
    return found


def test_extended_xyz(tmp_path, images, water, same_frames):
    ase.io.write(tmp_path / "a.extxyz", images)
    same_frames(read_xyz(tmp_path / "a.extxyz"), water, TEXT_A)


def test_trajectory(tmp_path, images, water, same_frames):
    ase.io.write(tmp_path / "a.traj", images)
    same_frames(read_any(tmp_path / "a.traj"), water)


def test_database(tmp_path, images, water, same_frames):
    with ase.db.connect(tmp_path / "a.db") as database:
        for atoms in images:
            database.write(atoms)
    same_frames(read_database(tmp_path / "a.db"), water)


def test_labels_under_other_names(images, water):
    for t, atoms in enumerate(images):
        atoms.calc = None
        atoms.info["REF_energy"] = water.energy[t]
        atoms.arrays["REF_forces"] = water.forces[t]
    frames = frames_from_images(images, "x")
    assert np.array_equal(frames.energy, water.energy)
    assert np.array_equal(frames.forces, water.forces)


def test_unlabelled(images):
    for atoms in images:
        atoms.calc = None
    frames = frames_from_images(images, "x")
    assert (frames.energy, frames.forces) == (None, None)


def test_what_is_no_single_data_set(images):
    with pytest.raises(EgraffError, match="at least one frame"):
        frames_from_images([], "x")
    with pytest.raises(EgraffError, match=r"H2O in frame 1.*one file per composition"):
        frames_from_images([images[0], images[1][[1, 0, 2]]], "x")
    images[1].calc = None
    with pytest.raises(EgraffError, match=r"1 of 2 frames lack it \(first: frame 1\)"):
        frames_from_images(images, "x")
    images[1].pbc = False
    with pytest.raises(EgraffError, match="frame 1 has another"):
        frames_from_images(images, "x")


def test_damaged_files(tmp_path):
    (tmp_path / "a.xyz").write_text("3\nfoo\nH 0 0\n")
    with pytest.raises(EgraffError, match=r"a\.xyz: expected a file that ASE reads"):
        read_xyz(tmp_path / "a.xyz")
    (tmp_path / "a.db").write_text("no database")
    with pytest.raises(EgraffError, match=r"a\.db: expected a file that ASE reads"):
        read_database(tmp_path / "a.db")


def test_a_structure_of_vasp_by_its_ending(tmp_path):
    """ASE tells POSCAR by its name; blocks of an element that come again keep their order."""
    atoms = Atoms("GeTe2Ge", positions=np.arange(12.0).reshape(4, 3), cell=[15] * 3, pbc=True)
    ase.io.write(tmp_path / "before.vasp", atoms)
    found = read_frames(tmp_path / "before.vasp")
    assert found.species == ("Ge", "Te", "Te", "Ge")
    assert found.positions[0] == pytest.approx(atoms.positions)
