"""What a first config is made of: distances, neighbours, order in time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from egraff_lmp.data.collection import Collection
from egraff_lmp.data.frames import Frames
from egraff_lmp.data.outline import in_order, outline
from egraff_lmp.errors import EgraffError

A = 3.6
NEAREST = A / np.sqrt(2)


def frames_of(atoms: Atoms, positions: np.ndarray | None = None) -> Frames:
    at = atoms.positions[None] if positions is None else positions
    cell = np.repeat(np.asarray(atoms.cell)[None], len(at), axis=0)
    pbc = tuple(map(bool, atoms.pbc))
    return Frames(tuple(atoms.symbols), at, cell, pbc, None, None, None, "made")


def outlined(*groups: Frames):
    return outline([Collection.of(one) for one in groups])


def test_copper_has_twelve_six_and_twenty_four_neighbours():
    found = outlined(frames_of(bulk("Cu", cubic=True, a=A)))
    assert found.nearest_angstrom == pytest.approx(NEAREST)
    assert found.r_max_angstrom == 5.5  # 2.2 times 2.546 A, to half an A
    assert found.n_neighbours == 12 + 6 + 24 + 12  # shells of fcc at 1, sqrt 2, sqrt 3, 2
    assert found.elements == ("Cu",)
    assert found.systems == "1 frames of Cu4"
    assert not found.stress


def test_a_molecule_has_the_smallest_cutoff_and_the_element_with_the_longest_bonds_decides():
    assert outlined(frames_of(molecule("CH4"))).r_max_angstrom == 4.0
    both = outlined(frames_of(molecule("CH4")), frames_of(bulk("Cu", cubic=True, a=A)))
    assert both.r_max_angstrom == 5.5
    assert both.elements == ("C", "Cu", "H")
    assert both.formulas == ("C1H4", "Cu4")


def test_stress_needs_all_periodic_frames():
    copper = frames_of(bulk("Cu", cubic=True, a=A))
    stressed = replace(copper, stress=np.zeros((1, 3, 3)))
    assert outlined(stressed).stress
    assert not outlined(stressed, copper).stress
    assert not outlined(frames_of(molecule("CH4"))).stress


def test_order_in_time():
    rng = np.random.default_rng(0)
    atoms = bulk("Cu", cubic=True, a=A)
    steps = rng.normal(scale=0.05, size=(60, 4, 3))
    walk = atoms.positions + np.cumsum(steps, axis=0)
    assert in_order(frames_of(atoms, walk))
    assert not in_order(frames_of(atoms, rng.permutation(walk)))
    assert not in_order(frames_of(atoms, atoms.positions + steps))  # frames of an ensemble
    assert not in_order(frames_of(atoms, walk[:2]))


def test_nothing_to_outline():
    with pytest.raises(EgraffError, match="expected labelled frames"):
        outline([])
    lonely = Atoms("Cu", cell=[20] * 3, pbc=True)
    with pytest.raises(EgraffError, match="positions are in A"):
        outlined(frames_of(lonely))
