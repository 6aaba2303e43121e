"""Files as their first authors published them: MD17 archives, dictionaries of Fu et al., CP2K."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from ase.units import Bohr, Hartree, kcal, mol

from egraff_lmp.data.cp2k import read_cp2k
from egraff_lmp.data.dictionary import is_dictionary, read_dictionary
from egraff_lmp.data.published_npz import read_published_npz
from egraff_lmp.data.read import read_frames
from egraff_lmp.errors import EgraffError

KCAL = kcal / mol
ROUNDING = 1e-12  # two multiplications in float64
TEXT = 1e-8  # ten decimals are written


@pytest.fixture
def molecule(tmp_path, water):
    def write(**changes):
        arrays = {
            "R": water.positions,
            "z": np.array([8, 1, 1], dtype=np.uint8),
            "E": water.energy[:, None] / KCAL,
            "F": water.forces / KCAL,
            "theory": "PBE+vdW-TS",
        }
        arrays = {name: value for name, value in (arrays | changes).items() if value is not None}
        np.savez(tmp_path / "a.npz", **arrays)
        return tmp_path / "a.npz"

    return write


def test_md17_is_in_kcal(molecule, water):
    for path in (molecule(), molecule(theory=None, e_unit=np.array("kcal/mol"), r_unit="Ang")):
        frames = read_frames(path)
        assert frames.species == water.species
        assert frames.pbc == (False, False, False)
        np.testing.assert_allclose(frames.energy, water.energy, rtol=ROUNDING)
        np.testing.assert_allclose(frames.forces, water.forces, rtol=ROUNDING)


def test_training_copies_are_in_ev(molecule, water):
    frames = read_published_npz(molecule(theory=None, E=water.energy, F=water.forces))
    assert np.array_equal(frames.energy, water.energy)
    assert np.array_equal(frames.forces, water.forces)


def test_unlabelled_archive(molecule):
    frames = read_published_npz(molecule(E=None, F=None))
    assert (frames.energy, frames.forces) == (None, None)


def test_other_units_are_refused(molecule):
    with pytest.raises(EgraffError, match="kcal/mol or eV, got 'Ha'"):
        read_published_npz(molecule(e_unit="Ha"))
    with pytest.raises(EgraffError, match="in Angstrom, got the unit 'bohr'"):
        read_published_npz(molecule(r_unit="bohr"))
    with pytest.raises(EgraffError, match=r"R of shape \(frames, atoms, 3\)"):
        read_published_npz(molecule(R=np.zeros((2, 9))))


@pytest.fixture
def dictionary(tmp_path, water):
    def write(**changes):
        arrays = {
            "wrapped_coords": water.positions % 6.0,
            "unwrapped_coords": water.positions,
            "atom_types": np.array([8, 1, 1]),
            "lengths": np.array([[6.0, 7.0, 8.0]] * 2),
            "angles": np.full((2, 3), 90.0),
            "energy": water.energy / KCAL,
            "forces": water.forces / KCAL,
        }
        value = {name: array for name, array in (arrays | changes).items() if array is not None}
        np.save(tmp_path / "a.npy", value)
        return tmp_path / "a.npy"

    return write


def test_water_dictionary(dictionary, water):
    frames = read_frames(dictionary())
    assert frames.pbc == (True, True, True)
    assert np.array_equal(frames.positions, water.positions)
    assert np.array_equal(frames.cell, np.stack([np.diag([6.0, 7.0, 8.0])] * 2))
    np.testing.assert_allclose(frames.energy, water.energy, rtol=ROUNDING)
    np.testing.assert_allclose(frames.forces, water.forces, rtol=ROUNDING)


def test_alanine_dictionary_has_other_names_and_no_energies(dictionary, water):
    path = dictionary(
        wrapped_coords=None, unwrapped_coords=None, pos=water.positions,
        atom_types=None, atomic_number=np.array([8, 1, 1]),
        energy=None, forces=None, force=water.forces / KCAL,
        lengths=np.array([6.0, 7.0, 8.0]), angles=np.array([90.0] * 3),
    )  # fmt: skip
    frames = read_dictionary(path)
    assert frames.energy is None
    np.testing.assert_allclose(frames.forces, water.forces, rtol=ROUNDING)


def test_dictionaries_of_other_things(dictionary, tmp_path):
    with pytest.raises(EgraffError, match="expected positions"):
        read_dictionary(dictionary(unwrapped_coords=None, wrapped_coords=None))
    with pytest.raises(EgraffError, match="angles of 90"):
        read_dictionary(dictionary(angles=np.array([90.0, 90.0, 120.0])))
    with pytest.raises(EgraffError, match="lengths"):
        read_dictionary(dictionary(lengths=np.zeros(2)))
    np.save(tmp_path / "list.npy", np.array([1, "a"], dtype=object))
    assert not is_dictionary(tmp_path / "list.npy")
    np.save(tmp_path / "plain.npy", np.zeros(3))
    assert not is_dictionary(tmp_path / "plain.npy")
    path = dictionary()
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(EgraffError, match="damaged"):
        read_dictionary(path)


class RunsCode:
    """Unpickling this calls `open`, which makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_code_in_a_dictionary_does_not_run(tmp_path):
    made = tmp_path / "made"
    with open(tmp_path / "a.npy", "wb") as stream:
        header = {"descr": "|O", "fortran_order": False, "shape": ()}
        np.lib.format.write_array_header_1_0(stream, header)
        pickle.dump({"pos": RunsCode(str(made))}, stream)
    with pytest.raises(EgraffError, match=r"io\.open, which could run code"):
        read_dictionary(tmp_path / "a.npy")
    assert not made.exists()


def xyz(species, values, comment):
    lines = []
    for t, block in enumerate(values):
        lines += [str(len(species)), comment(t)]
        lines += [
            f"{s} {x:.10f} {y:.10f} {z:.10f}" for s, (x, y, z) in zip(species, block, strict=True)
        ]
    return "\n".join(lines) + "\n"


@pytest.fixture
def cp2k(tmp_path, water):
    energy = water.energy / Hartree

    def comment(t):
        return f" i = {5 * t:8}, time = {2.5 * t:12.3f}, E = {energy[t]:20.10f}"

    positions = xyz(water.species, water.positions, comment)
    (tmp_path / "w-pos-1.xyz").write_text(positions)
    forces = water.forces * Bohr / Hartree
    (tmp_path / "w-frc-1.xyz").write_text(xyz(water.species, forces, comment))
    rows = [
        f"{5 * t} {2.5 * t} " + " ".join(f"{v:.10f}" for v in cell.reshape(-1)) + " 0"
        for t, cell in enumerate(water.cell)
    ]
    (tmp_path / "w-1.cell").write_text("# Step Time Ax ...\n" + "\n".join(rows) + "\n")
    return tmp_path / "w-pos-1.xyz"


def test_cp2k(cp2k, water, same_frames):
    frames = read_frames(cp2k)
    same_frames(frames, water, TEXT * Hartree / Bohr)
    assert frames.timestep_fs == 2.5


def test_cp2k_without_forces_or_cell(cp2k):
    cp2k.with_name("w-frc-1.xyz").unlink()
    assert read_cp2k(cp2k).forces is None
    cp2k.with_name("w-1.cell").unlink()
    with pytest.raises(EgraffError, match=r"w-1\.cell or w-1\.restart beside it"):
        read_cp2k(cp2k)


def test_cp2k_cell_of_the_restart_file(cp2k, water):
    cp2k.with_name("w-1.cell").unlink()
    rows = "\n".join(
        f"{name} {x} {y} {z}" for name, (x, y, z) in zip("ABC", water.cell[0], strict=True)
    )
    atoms = "\n".join(f"{name} 0 0 0" for name in water.species)
    cp2k.with_name("w-1.restart").write_text(
        f"&FORCE_EVAL\n&SUBSYS\n&CELL\n{rows}\n&END CELL\n&COORD\n{atoms}\n&END COORD\n"
        "&END SUBSYS\n&END FORCE_EVAL\n"
    )
    assert np.array_equal(read_cp2k(cp2k).cell, np.stack([water.cell[0]] * 2))


def test_cp2k_files_that_do_not_fit(cp2k):
    forces = cp2k.with_name("w-frc-1.xyz")
    whole = forces.read_text()
    forces.write_text("\n".join(whole.splitlines()[:5]) + "\n")
    with pytest.raises(EgraffError, match=r"steps and atoms of w-pos-1\.xyz"):
        read_cp2k(cp2k)
    forces.write_text("\n".join(whole.splitlines()[:-1]) + "\n")
    with pytest.raises(EgraffError, match="damaged one at line 6"):
        read_cp2k(cp2k)
    forces.unlink()
    cell = cp2k.with_name("w-1.cell")
    cell.write_text("\n".join(cell.read_text().splitlines()[:2]) + "\n")
    with pytest.raises(EgraffError, match="a row of step, time and nine components"):
        read_cp2k(cp2k)
