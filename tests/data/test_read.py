"""The table of formats and the dispatch through it."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase import Atoms

from egraff_lmp.data import FORMATS, read_frames
from egraff_lmp.data.convert import convert_file
from egraff_lmp.data.read import detect_format
from egraff_lmp.data.store import write_store
from egraff_lmp.errors import EgraffError


@pytest.fixture
def files(tmp_path):
    """A path of each format."""
    np.savez(tmp_path / "a.npz", pos=np.zeros((1, 1, 3)), atomic_numbers=[1])
    system = tmp_path / "system"
    (system / "set.000").mkdir(parents=True)
    (system / "type.raw").write_text("0\n")
    (system / "type_map.raw").write_text("H\n")
    np.save(system / "set.000/coord.npy", np.zeros((1, 3)))
    np.save(system / "set.000/box.npy", np.eye(3).reshape(1, 9))
    (tmp_path / "a.dump").write_text(
        "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n1\nITEM: BOX BOUNDS pp pp pp\n0 4\n0 4\n0 4\n"
        "ITEM: ATOMS id type element xu yu zu fx fy fz\n1 1 H 0 0 0 0 0 0\n"
    )
    (tmp_path / "a.data").write_text(
        "a\n\n1 atoms\n1 atom types\n0 4 xlo xhi\n0 4 ylo yhi\n0 4 zlo zhi\n\n"
        "Masses\n\n1 1.008\n\nAtoms # atomic\n\n1 1 0 0 0\n"
    )
    atoms = Atoms("H")
    ase.io.write(tmp_path / "a.xyz", atoms)
    ase.io.write(tmp_path / "a.db", atoms)
    ase.io.write(tmp_path / "a.traj", atoms)
    periodic = Atoms("H", cell=np.eye(3), pbc=True)
    ase.io.write(tmp_path / "XDATCAR", periodic, format="vasp-xdatcar")
    write_store(read_frames(tmp_path / "a.npz"), tmp_path / "a.egraff.npz")
    np.savez(tmp_path / "md17.npz", R=np.zeros((1, 1, 3)), z=[1])
    np.save(tmp_path / "a.npy", {"pos": np.zeros((1, 1, 3)), "atomic_number": np.array([1])})
    (tmp_path / "a-pos-1.xyz").write_text("1\n i = 0, time = 0.0, E = -1.0\nH 0 0 0\n")
    (tmp_path / "a-1.cell").write_text("# step time cell volume\n0 0 4 0 0 0 4 0 0 0 4 64\n")
    return {
        "egraff": tmp_path / "a.egraff.npz",
        "md17": tmp_path / "md17.npz",
        "npy-dictionary": tmp_path / "a.npy",
        "cp2k": tmp_path / "a-pos-1.xyz",
        "npz": tmp_path / "a.npz",
        "deepmd": system,
        "lammps-dump": tmp_path / "a.dump",
        "lammps-data": tmp_path / "a.data",
        "extxyz": tmp_path / "a.xyz",
        "ase-db": tmp_path / "a.db",
        "vasp": tmp_path / "XDATCAR",
        "ase": tmp_path / "a.traj",
    }


@pytest.mark.parametrize("key", list(FORMATS))
def test_each_format_is_found_out_and_read(files, key):
    assert detect_format(files[key]).key == key
    for given in (None, key):
        frames = read_frames(files[key], format=given)
        assert (len(frames), frames.species) == (1, ("H",))


@pytest.mark.parametrize("key", list(FORMATS))
def test_each_format_is_converted(files, key, tmp_path):
    convert_file(files[key], tmp_path / "converted.npz")
    assert detect_format(tmp_path / "converted.npz").key == "egraff"
    got, expected = read_frames(tmp_path / "converted.npz"), read_frames(files[key])
    assert got.sha256() == expected.sha256()
    assert (got.pbc, got.timestep_fs) == (expected.pbc, expected.timestep_fs)


def test_time_step_is_the_callers(files):
    assert read_frames(files["npz"]).timestep_fs is None
    assert read_frames(files["npz"], timestep_fs=1.5).timestep_fs == 1.5


def test_unknown_things(files, tmp_path):
    with pytest.raises(EgraffError, match="format out of egraff, md17"):
        read_frames(files["npz"], format="hdf5")
    with pytest.raises(EgraffError, match="there is none"):
        read_frames(tmp_path / "none.npz")
    (tmp_path / "a.bin").write_bytes(b"\x00\x01")
    with pytest.raises(
        EgraffError, match=r"npz \(MDBENCHGNN npz archive\); npy-dict.*none of them"
    ):
        read_frames(tmp_path / "a.bin")
    with pytest.raises(EgraffError, match=r"1 DeePMD systems lie below it \(system\)"):
        read_frames(tmp_path)


def test_empty_set(tmp_path):
    np.savez(tmp_path / "a.npz", pos=np.zeros((0, 1, 3)), atomic_numbers=[1])
    with pytest.raises(EgraffError, match="at least one frame"):
        read_frames(tmp_path / "a.npz")


def test_labels_are_checked(tmp_path):
    np.savez(tmp_path / "a.npz", pos=np.zeros((1, 1, 3)), energy=[np.nan], atomic_numbers=[1])
    with pytest.raises(EgraffError, match="non-finite energy in 1 of 1"):
        read_frames(tmp_path / "a.npz")
