"""The frame that a rollout starts from: whatever can be read, one frame of it."""

import numpy as np
import pytest
from ase import Atoms
from ase.io import write

from egraff_lmp.errors import EgraffError
from egraff_lmp.rollout.datafile import Structure, write_data_file
from egraff_lmp.rollout.source import read_structure


@pytest.mark.parametrize("name", ["POSCAR", "a.cif", "a b.extxyz", "a.traj", "a.gen"])
def test_what_ase_reads(tmp_path, cdte, name):
    write(tmp_path / name, cdte)
    found = read_structure(str(tmp_path / name))
    assert sorted(found.species) == sorted(cdte.get_chemical_symbols())
    assert found.pbc == (True, True, True)
    assert found.cell == pytest.approx(np.array(cdte.cell), abs=1e-6)


def test_a_data_file(tmp_path, cdte):
    write_data_file(tmp_path / "a.data", Structure.from_atoms(cdte), ("Te", "Cd"))
    found = read_structure("a.data", base=tmp_path)
    assert found.species == tuple(cdte.get_chemical_symbols())
    assert np.array_equal(found.positions, cdte.positions)
    swapped = read_structure("a.data", base=tmp_path, elements=("Cd", "Te"))
    assert swapped.species != found.species


def test_frames_that_do_not_fit_each_other(tmp_path, cdte):
    """Other atoms, and forces of one frame alone, do not matter for a structure."""
    write(tmp_path / "a.extxyz", [Atoms("CdTe", [[0, 0, 0], [2, 0, 0]]), cdte])
    assert read_structure(str(tmp_path / "a.extxyz")).species == tuple(cdte.get_chemical_symbols())
    assert read_structure(str(tmp_path / "a.extxyz"), 0).species == ("Cd", "Te")
    with pytest.raises(EgraffError, match="same elements in the same order"):
        read_structure(str(tmp_path / "a.extxyz"), 7)


def test_what_cannot_be_read(tmp_path, cdte):
    (tmp_path / "a.txt").write_text("no atoms\n")
    with pytest.raises(EgraffError, match="expected one of these formats"):
        read_structure(str(tmp_path / "a.txt"))
    with pytest.raises(EgraffError, match="there is none"):
        read_structure(str(tmp_path / "gone.xyz"))
    write(tmp_path / "a.extxyz", cdte)
    with pytest.raises(EgraffError, match="expected a LAMMPS data file"):
        read_structure(str(tmp_path / "a.extxyz"), elements=("Cd", "Te"))
    with pytest.raises(EgraffError, match="chemical element"):
        read_structure(str(tmp_path / "a.extxyz"), elements=("Cd; quit",))
