"""VASP's output: what a finished calculation gives, and what an unfinished one says."""

from __future__ import annotations

import gzip
import logging

import numpy as np
import pytest
from typer.testing import CliRunner
from vasp_files import copper, write_outcar, write_vasprun, write_xdatcar

from egraff_lmp.cli import build_app
from egraff_lmp.data.read import detect_format, read_collection, read_frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.rollout.source import read_structure
from egraff_lmp.train.config import TrainConfig
from egraff_lmp.train.labels import require_labels


@pytest.fixture(scope="module")
def frames():
    return copper(4)


@pytest.fixture
def files(tmp_path, frames):
    return {
        "vasprun.xml": write_vasprun(tmp_path / "vasprun.xml", frames),
        "OUTCAR": write_outcar(tmp_path / "OUTCAR", frames),
    }


@pytest.mark.parametrize("name", ["vasprun.xml", "OUTCAR"])
def test_labels_have_their_units_and_signs(files, frames, name, caplog):
    """Stress too, which VASP prints in kbar and positive under compression."""
    assert detect_format(files[name]).key == "vasp"
    found = read_frames(files[name])
    for array, method, digits in (
        (found.positions, "get_positions", 1e-5),
        (found.energy, "get_potential_energy", 1e-7),
        (found.forces, "get_forces", 1e-6),
    ):
        expected = np.array([getattr(atoms, method)() for atoms in frames])
        np.testing.assert_allclose(array, expected, rtol=0, atol=digits)
    stress = np.array([atoms.get_stress(voigt=False) for atoms in frames])
    np.testing.assert_allclose(found.stress, stress, rtol=0, atol=1e-8)
    assert not caplog.records


def test_packed_files(files, frames):
    for name, path in files.items():
        packed = path.with_name(f"{name}.gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        assert read_frames(packed).sha256() == read_frames(path).sha256()


@pytest.mark.parametrize("name", ["vasprun.xml", "OUTCAR"])
def test_what_an_unfinished_calculation_has_done_is_read(files, name, caplog):
    """Its whole steps alone, and the reader is told that there is no more."""
    path = files[name]
    text, whole = path.read_text(), read_frames(path)
    path.write_text(text[: round(0.62 * len(text))])
    caplog.set_level(logging.WARNING)
    found = read_frames(path)
    assert len(found) == 2
    assert np.array_equal(found.forces, whole.forces[:2])
    assert "the calculation has not finished" in caplog.text
    assert "whole, 2, are read" in caplog.text


@pytest.mark.parametrize(
    ("name", "until"),
    [("vasprun.xml", "<atominfo>"), ("OUTCAR", "Iteration"), ("OUTCAR", " POSITION")],
)
def test_a_calculation_without_a_step(files, name, until):
    text = files[name].read_text()
    files[name].write_text(text[: text.index(until)])
    with pytest.raises(EgraffError, match=r"the file ends .* the first.*: let the calculation"):
        read_frames(files[name])


def test_the_start_of_a_calculation_is_a_structure(files, frames, caplog):
    path = files["vasprun.xml"]
    text = path.read_text()
    path.write_text(text[: text.index("<scstep>")])
    found = read_structure(str(path))
    np.testing.assert_allclose(found.positions, frames[0].positions, atol=1e-6)
    assert "the structure that it started from is read" in caplog.text


def test_an_outcar_without_the_lines_of_the_potcar(tmp_path, frames):
    path = write_outcar(tmp_path / "OUTCAR", frames, potcar=False)
    with pytest.raises(EgraffError, match=r"lines `POTCAR:`.* read the vasprun\.xml of the same"):
        read_frames(path)


def test_an_xdatcar_is_positions(tmp_path, frames):
    path = write_xdatcar(tmp_path / "XDATCAR", frames)
    expected = [atoms.positions for atoms in frames]
    np.testing.assert_allclose(read_frames(path).positions, expected, atol=1e-6)
    assert len(read_structure(str(path)).species) == 32
    config = TrainConfig.model_validate({"forcefield": "mace", "data": {"train": ["XDATCAR"]}})
    with pytest.raises(EgraffError, match=r"positions alone: name the vasprun\.xml or OUTCAR"):
        require_labels(read_collection(path), config)
    shown = CliRunner().invoke(build_app(), ["data", "check", str(path)])
    assert shown.exit_code == 1
    assert "an XDATCAR holds positions alone" in " ".join(shown.output.split())
    text = path.read_text()
    path.write_text(text[: round(0.9 * len(text))])
    with pytest.raises(EgraffError, match="the last one is cut off: remove its lines"):
        read_frames(path)


def test_energies_without_forces(tmp_path, frames):
    path = write_vasprun(tmp_path / "vasprun.xml", frames, forces=False)
    assert read_frames(path).energy is not None
    config = TrainConfig.model_validate({"forcefield": "mace", "data": {"train": ["x"]}})
    with pytest.raises(EgraffError, match="expected forces to train on, it has none: name a"):
        require_labels(read_collection(path), config)


def test_a_file_of_another_name(files):
    for name, path in files.items():
        other = path.with_name("run1.txt")
        other.write_bytes(path.read_bytes())
        assert len(read_frames(other, format="vasp")) == 4, name
