"""Data files: one element order, all digits, and errors that name both sides."""

import numpy as np
import pytest
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers
from ase.io import read
from ase.units import fs

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.rollout.datafile import (
    Structure,
    data_text,
    elements_of_data_file,
    type_indices,
    type_order,
    write_data_file,
)


def test_every_digit_survives(tmp_path, cdte):
    path = tmp_path / "a b.data"
    write_data_file(path, Structure.from_atoms(cdte), ("Te", "Cd"))
    lines = path.read_text().splitlines()
    atoms = lines.index("Atoms # atomic") + 2
    rows = np.array([[float(word) for word in line.split()] for line in lines[atoms:]])
    assert (rows[:, 0] == np.arange(1, 65)).all()
    assert [("Te", "Cd")[int(kind) - 1] for kind in rows[:, 1]] == cdte.get_chemical_symbols()
    assert (rows[:, 2:] == cdte.positions).all()
    bounds = next(line for line in lines if line.endswith("xlo xhi"))
    assert [float(word) for word in bounds.split()[:2]] == [0.0, cdte.cell[0, 0]]


def test_ase_reads_it(tmp_path, cdte):
    path = tmp_path / "x.data"
    write_data_file(path, Structure.from_atoms(cdte), ("Te", "Cd"))
    back = read(path, format="lammps-data")
    assert back.get_chemical_symbols() == cdte.get_chemical_symbols()
    assert np.allclose(back.positions, cdte.positions, atol=1e-12)


def test_masses_are_written_as_they_are():
    structure = Structure.from_atoms(Atoms("GeTe", [[0, 0, 0], [0, 0, 2.0]], cell=[9] * 3, pbc=1))
    lines = data_text(structure, ("Ge", "Te"), masses_amu={"Ge": 72.63}).splitlines()
    start = lines.index("Masses") + 2
    assert float(lines[start].split()[1]) == 72.63
    assert float(lines[start + 1].split()[1]) == atomic_masses[atomic_numbers["Te"]]
    assert [line.split("# ")[1] for line in lines[start : start + 2]] == ["Ge", "Te"]


def test_velocities_are_rotated_and_in_lammps_units():
    cell = np.array([[0.0, 9.0, 0.0], [0.0, 0.0, 9.0], [9.0, 0.0, 0.0]])
    atoms = Atoms("Ge", [[1.0, 2.0, 3.0]], cell=cell, pbc=True)
    atoms.set_velocities([[0.0, 0.002 / fs, 0.0]])  # 0.002 A/fs along the first lattice vector
    text = data_text(Structure.from_atoms(atoms), ("Ge",))
    velocity = [float(word) for word in text.strip().splitlines()[-1].split()[1:]]
    assert velocity == pytest.approx([2.0, 0.0, 0.0], abs=1e-9)


def test_types_follow_the_model_and_skip_what_is_absent():
    assert type_order(["S", "Li", "S"], ("Li", "P", "S"), "x") == ("Li", "S")
    assert type_order(["Te", "Cd"], None, "x") == ("Cd", "Te")
    assert type_indices(("S", "Li"), ("Li", "S"), "x") == [2, 1]


def test_unknown_elements_name_both_sides():
    with pytest.raises(EgraffError, match=r"POSCAR.*Ge Te.*got Sb as well"):
        type_order(["Ge", "Sb"], ("Ge", "Te"), "POSCAR")
    with pytest.raises(EgraffError, match="Sb"):
        type_indices(("Sb",), ("Ge", "Te"), "POSCAR")


def test_elements_are_read_from_the_comments(tmp_path, cdte):
    path = tmp_path / "x.data"
    write_data_file(path, Structure.from_atoms(cdte), ("Te", "Cd"))
    assert elements_of_data_file(path) == ("Te", "Cd")
    path.write_text(path.read_text().replace("# Cd", ""))
    assert elements_of_data_file(path) == ("Te", "Cd")  # by its mass
    path.write_text(path.read_text().replace("2 112.4", "2 1.5"))
    with pytest.raises(EgraffError, match="in type order"):
        elements_of_data_file(path)
    with pytest.raises(EgraffError, match="there is none"):
        elements_of_data_file(tmp_path / "missing.data")


def test_frame_out_of_range():
    frames = Frames(("Ge",), np.zeros((2, 1, 3)), np.zeros((2, 3, 3)), (False,) * 3, None, None,
                    None, "two.xyz")  # fmt: skip
    assert Structure.from_frames(frames, -1).source == "two.xyz, frame 1"
    with pytest.raises(EgraffError, match="from -2 to 1, got 2"):
        Structure.from_frames(frames, 2)
