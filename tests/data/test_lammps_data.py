"""LAMMPS data files: the digits of the file, and elements that are known or asked for."""

import numpy as np
import pytest

from egraff_lmp.data import read_frames
from egraff_lmp.data.lammps_data import elements_of_types, is_lammps_data, read_lammps_data
from egraff_lmp.errors import EgraffError

TEXT = """a melt

3 atoms
2 atom types
-1.25 8.123456789012345 xlo xhi
0 9 ylo yhi
0 10 zlo zhi
0.5 -0.25 0.125 xy xz yz

Masses

1 72.63 # Ge
2 127.6

Pair Coeffs # sw

1 1.0

Atoms # atomic

3 2 1.1 2.2 3.3 1 0 0
1 1 0.1 0.123456789012345678 0.3
2 1 4 5 6

Velocities

1 1 2 3
2 1 2 3
3 1 2 3
"""


@pytest.fixture
def write(tmp_path):
    def make(text=TEXT, name="a b.data"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return make


def test_a_data_file(write):
    frames = read_frames(write())
    assert frames.species == ("Ge", "Ge", "Te")
    assert frames.pbc == (True, True, True)
    assert frames.cell[0].tolist() == [[9.373456789012345, 0, 0], [0.5, 9, 0], [-0.25, 0.125, 10]]
    # As they stand in the file, but for images of the cell.
    assert np.array_equal(frames.positions[0, 0], [0.1, 0.123456789012345678, 0.3])
    assert np.array_equal(frames.positions[0, 2], [1.1, 2.2, 3.3])
    assert frames.forces is frames.energy is None


def test_the_decks_own_file(root):
    frames = read_frames(root / "lammps_inputs" / "gete.data")
    assert (frames.n_atoms, set(frames.species)) == (200, {"Ge", "Te"})


@pytest.mark.parametrize(
    ("style", "atom"), [("charge", "1 1 0.5 1 2 3"), ("full", "1 7 1 0.5 1 2 3")]
)
def test_other_atom_styles(write, style, atom):
    head, _, _ = TEXT.replace("3 atoms", "1 atoms").partition("Atoms # atomic")
    frames = read_frames(write(f"{head}Atoms # {style}\n\n{atom}\n"))
    assert frames.positions.tolist() == [[[1.0, 2.0, 3.0]]]


def test_labels_of_types(write):
    labelled = TEXT.replace("Masses", "Atom Type Labels\n\n1 Sn\n2 Te\n\nMasses")
    assert elements_of_types(write(labelled)) == ("Sn", "Te")


def test_elements_that_are_named(write):
    path = write(TEXT.replace("72.63 # Ge", "1.5"))
    with pytest.raises(EgraffError, match=r"got type 1 with '1.5': name the elements"):
        read_frames(path)
    assert read_lammps_data(path, ("Sn", "Te")).species == ("Sn", "Sn", "Te")
    with pytest.raises(EgraffError, match=r"got 1 \(Sn\) and none for type 2"):
        read_lammps_data(path, ("Sn",))


@pytest.mark.parametrize("damage", ["cut", "words"])
def test_damaged_files(write, damage):
    cut = TEXT[: TEXT.index("2 1 4 5")]
    text = cut if damage == "cut" else TEXT.replace("4 5 6", "4 five 6")
    with pytest.raises(EgraffError, match="expected a LAMMPS data file that ASE reads"):
        read_frames(write(text))


def test_other_files_are_not_taken_for_one(write):
    assert is_lammps_data(write())
    assert not is_lammps_data(write("3 atoms\n"))
    assert not is_lammps_data(write("ITEM: NUMBER OF ATOMS\n3\n0 1 xlo xhi\n"))
