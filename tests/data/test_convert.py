"""Conversion: units, provenance, and files of plane-wave and Gaussian codes."""

from __future__ import annotations

from dataclasses import replace

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from egraff_lmp.data.convert import InputUnits, convert_file, convert_part, with_units
from egraff_lmp.data.read import read_frames
from egraff_lmp.data.store import read_header, write_store
from egraff_lmp.data.table import DATA_SETS, DATA_VARIABLE
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import sha256_file

TEXT = 1e-7  # eight decimals in text files
ROUNDING = 1e-12


def test_from_extended_xyz(tmp_path, water, same_frames):
    images = []
    for t in range(2):
        atoms = Atoms(water.species, water.positions[t], cell=water.cell[t], pbc=water.pbc)
        atoms.calc = SinglePointCalculator(atoms, energy=water.energy[t], forces=water.forces[t])
        images.append(atoms)
    ase.io.write(tmp_path / "a.extxyz", images)
    header = convert_file(tmp_path / "a.extxyz", tmp_path / "a.npz", timestep_fs=0.5)
    frames = read_frames(tmp_path / "a.npz")
    same_frames(frames, water, TEXT)
    assert frames.timestep_fs == 0.5
    origin = header["provenance"]
    assert origin["format"] == "extxyz"
    assert origin["files"] == {"a.extxyz": sha256_file(tmp_path / "a.extxyz")}
    assert origin["frames_sha256"] == frames.sha256()
    assert str(tmp_path) not in str(header)


def test_vasprun(tmp_path):
    path = write_vasprun(tmp_path / "vasprun.xml")
    convert_file(path, tmp_path / "a.npz", timestep_fs=1.0)
    frames = read_frames(tmp_path / "a.npz")
    assert frames.species == ("Li", "S")
    assert frames.pbc == (True, True, True)
    np.testing.assert_allclose(frames.cell, np.stack([4.0 * np.eye(3)] * 2))
    np.testing.assert_allclose(frames.positions[:, 1], [[2.0, 2.0, 2.0], [2.04, 2.0, 2.0]])
    np.testing.assert_allclose(frames.energy, [-10.5, -10.4])
    np.testing.assert_allclose(frames.forces[1, 0], [0.2, 0.0, -0.1])


def write_vasprun(path):
    """The parts of a two-step vasprun.xml that matter, in VASP's layout."""
    steps = ""
    for energy, x, force in ((-10.5, 0.5, 0.1), (-10.4, 0.51, 0.2)):
        names = ("e_fr_energy", "e_wo_entrp", "e_0_energy")
        scf = "".join(f'<i name="{name}"> {energy} </i>' for name in names)
        steps += f"""<calculation><scstep><energy>{scf}</energy></scstep>
<structure><crystal><varray name="basis"><v>4 0 0</v><v>0 4 0</v><v>0 0 4</v></varray></crystal>
<varray name="positions"><v>0 0 0</v><v>{x} 0.5 0.5</v></varray></structure>
<varray name="forces"><v>{force} 0 -0.1</v><v>-{force} 0 0.1</v></varray>
<energy>{scf}</energy></calculation>
"""
    atoms = "".join(f"<rc><c>{s}</c><c>{k}</c></rc>" for k, s in enumerate(("Li", "S"), 1))
    path.write_text(
        f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling><generator><i name="program" type="string">vasp</i></generator>
<kpoints><varray name="kpointlist"><v>0 0 0</v></varray><varray name="weights"><v>1</v></varray>
</kpoints><atominfo><array name="atoms"><set>{atoms}</set></array></atominfo>
<structure name="initialpos"><crystal><varray name="basis"><v>4 0 0</v><v>0 4 0</v><v>0 0 4</v>
</varray></crystal><varray name="positions"><v>0 0 0</v><v>0.5 0.5 0.5</v></varray></structure>
{steps}</modeling>
"""
    )
    return path


def test_units(water):
    atomic = InputUnits("hartree", "bohr")
    found = with_units(water, atomic)
    assert atomic.force_name == "hartree/bohr"
    np.testing.assert_allclose(found.energy / water.energy, 27.211386, rtol=1e-7)
    np.testing.assert_allclose(found.forces / water.forces, 51.422067, rtol=1e-7)
    np.testing.assert_allclose(found.positions / water.positions, 0.52917721, rtol=1e-7)
    mixed = with_units(water, InputUnits("kJ/mol", "A", "kJ/mol/nm"))
    np.testing.assert_allclose(mixed.forces / water.forces, 0.1 / 96.485332, rtol=1e-7)
    assert np.array_equal(with_units(water, InputUnits()).forces, water.forces)


def test_a_kcal_file(tmp_path, water, caplog):
    hot = replace(water, energy=water.energy * 23.0605, forces=water.forces * 23.0605)
    write_store(hot, tmp_path / "kcal.npz")
    convert_file(tmp_path / "kcal.npz", tmp_path / "a.npz", units=InputUnits("kcal/mol"))
    assert not caplog.records
    np.testing.assert_allclose(read_frames(tmp_path / "a.npz").forces, water.forces, rtol=1e-5)
    convert_file(tmp_path / "kcal.npz", tmp_path / "b.npz")
    assert "kcal/mol" in caplog.text


def test_mistakes(tmp_path, water):
    write_store(water, tmp_path / "a.npz")
    with pytest.raises(EgraffError, match="expected no file"):
        convert_file(tmp_path / "a.npz", tmp_path / "a.npz")
    convert_file(tmp_path / "a.npz", tmp_path / "a.npz", overwrite=True)
    with pytest.raises(EgraffError, match="there is none"):
        convert_file(tmp_path / "none", tmp_path / "b.npz")
    with pytest.raises(EgraffError, match="energy unit out of eV"):
        convert_file(tmp_path / "a.npz", tmp_path / "b.npz", units=InputUnits("cal"))
    with pytest.raises(EgraffError, match="length unit out of A"):
        convert_file(tmp_path / "a.npz", tmp_path / "b.npz", units=InputUnits("eV", "m"))
    with pytest.raises(EgraffError, match="force ENERGY/LENGTH, got 'N'"):
        convert_file(tmp_path / "a.npz", tmp_path / "b.npz", units=InputUnits(force="N"))
    with pytest.raises(EgraffError, match="format out of"):
        convert_file(tmp_path / "a.npz", tmp_path / "b.npz", format="hdf5")
    assert not (tmp_path / "b.npz").exists()


def test_a_part_of_a_registered_set(ab_initio_data, tmp_path, same_frames):
    entry = DATA_SETS["lips20"]
    if not entry.exists("S"):
        pytest.skip(f"no LiPS20 at {ab_initio_data}")
    convert_part(entry, "S", tmp_path / "S.npz")
    same_frames(read_frames(tmp_path / "S.npz"), entry.read("S"))
    origin = read_header(tmp_path / "S.npz")["provenance"]
    assert len(origin["files"]) == 7
    assert origin["data_set"] == "lips20"
    assert origin["order"] == "ordered"
    assert origin["citations"][0]["doi"]


def test_an_absent_part(tmp_path, monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    with pytest.raises(EgraffError, match="egraff data fetch gete:test"):
        convert_part(DATA_SETS["gete"], "test", tmp_path / "a.npz")
