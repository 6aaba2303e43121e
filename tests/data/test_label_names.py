"""Names of labels in files that ASE reads: which are taken, and what is said of it."""

from __future__ import annotations

import logging

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from egraff_lmp.data.ase_io import frames_from_images
from egraff_lmp.data.label_names import LabelKeys
from egraff_lmp.data.read import read_collection, read_frames
from egraff_lmp.errors import EgraffError

STRESS = np.array([[1.0, 0.4, 0.3], [0.4, 2.0, 0.2], [0.3, 0.2, 3.0]]) * 1e-3


@pytest.fixture
def atoms():
    found = Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.8]], cell=[4, 5, 6], pbc=True)
    found.calc = SinglePointCalculator(found, energy=-1.0, forces=np.full((2, 3), 0.1))
    return found


def test_a_reference_is_preferred_and_rivals_are_named(atoms, caplog):
    atoms.info["REF_energy"] = -7.0
    with caplog.at_level(logging.INFO):
        frames = frames_from_images([atoms], "x")
    assert frames.energy == [-7.0]
    said = (
        "the energy of its frames stands under 'REF_energy' and, with other values, under 'energy'"
    )
    assert said in caplog.text
    assert "energy_key" in caplog.text
    assert "forces of its frames" not in caplog.text  # these stand there once


def test_equal_rivals_are_no_conflict(atoms, caplog):
    atoms.info["REF_energy"] = -1.0
    frames_from_images([atoms], "x")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_keys_of_the_user(atoms, caplog):
    atoms.info["REF_energy"] = -7.0
    atoms.info["pbe"] = -9.0
    atoms.arrays["pbe_forces"] = np.full((2, 3), 0.9)
    atoms.info["pbe_stress"] = STRESS.ravel()
    keys = LabelKeys("pbe", "pbe_forces", "pbe_stress")
    frames = frames_from_images([atoms], "x", keys)
    assert frames.energy == [-9.0]
    assert np.all(frames.forces == 0.9)
    assert np.array_equal(frames.stress[0], STRESS)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert frames_from_images([atoms], "x", LabelKeys(energy="energy")).energy == [-1.0]
    with pytest.raises(EgraffError, match=r"x: .* under the name 'lda' \(energy_key\), no frame"):
        frames_from_images([atoms], "x", LabelKeys(energy="lda"))


def test_stress_is_made_of_a_virial(atoms):
    """stress = -virial / volume, as MACE and GAP have it; the file's own stress comes first."""
    atoms.info["virial"] = -120.0 * STRESS  # of a cell of 120 A^3
    assert np.allclose(frames_from_images([atoms], "x").stress[0], STRESS, rtol=1e-14)
    atoms.info["REF_stress"] = 2 * STRESS
    assert np.array_equal(frames_from_images([atoms], "x").stress[0], 2 * STRESS)
    atoms.info = {"virial": STRESS}
    atoms.cell = None
    atoms.pbc = False
    assert frames_from_images([atoms], "x").stress is None


def test_keys_are_for_files_that_ase_reads(tmp_path, atoms):
    ase.io.write(tmp_path / "a.extxyz", [atoms])
    assert len(read_collection(tmp_path / "a.extxyz", LabelKeys(energy="energy"))) == 1
    from egraff_lmp.data.store import write_store

    write_store(read_frames(tmp_path / "a.extxyz"), tmp_path / "a.npz")
    assert len(read_collection(tmp_path / "a.npz")) == 1
    with pytest.raises(EgraffError, match="names of the labels are fixed"):
        read_collection(tmp_path / "a.npz", LabelKeys(energy="energy"))
