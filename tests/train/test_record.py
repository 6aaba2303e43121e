"""The record of a training: references from a file, the frame for the self test."""

from __future__ import annotations

from dataclasses import replace

import pytest

from egraff_lmp.errors import EgraffError
from egraff_lmp.train.record import SELF_TEST_ATOMS, read_isolated_atoms, self_test_frame

ATOM = '1\nProperties=species:S:1:pos:R:3{energy} pbc="F F F"\n{element} 0 0 0\n'


def test_isolated_atoms_of_a_file(tmp_path):
    file = tmp_path / "atoms.xyz"
    file.write_text(
        ATOM.format(element="Ge", energy=" energy=-103.25")
        + ATOM.format(element="Te", energy=" energy=-221.5")
    )
    assert read_isolated_atoms(file) == {"Ge": -103.25, "Te": -221.5}


def test_files_that_are_no_isolated_atoms(tmp_path):
    file = tmp_path / "atoms.xyz"
    with pytest.raises(EgraffError, match="there is none"):
        read_isolated_atoms(file)
    file.write_text(ATOM.format(element="Ge", energy=""))
    with pytest.raises(EgraffError, match="one atom with an energy, got Ge with None"):
        read_isolated_atoms(file)
    file.write_text(2 * ATOM.format(element="Ge", energy=" energy=1.0"))
    with pytest.raises(EgraffError, match="Ge twice"):
        read_isolated_atoms(file)


def test_real_isolated_atoms(ab_initio_data):
    energies = read_isolated_atoms(ab_initio_data / "BOTNet-datasets/dataset_3BPA/iso_atoms.xyz")
    assert set(energies) == {"H", "C", "N", "O"}
    assert energies["H"] == pytest.approx(-13.587222780835477)


def test_self_test_prefers_many_elements_and_few_atoms(toy):
    both, one = toy.toy_frames(1), replace(toy.toy_frames(1), species=("Ge",) * 12)
    assert self_test_frame([one, both])[0] is both
    n = SELF_TEST_ATOMS + 1
    import numpy as np

    large = replace(
        one,
        species=("Ge",) * n,
        positions=np.zeros((1, n, 3)),
        forces=np.zeros((1, n, 3)),
    )
    assert self_test_frame([large, one])[0] is one
    assert self_test_frame([large])[0] is large
