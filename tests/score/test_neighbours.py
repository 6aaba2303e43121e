"""Neighbours of periodic frames, and first shells read from g(r)."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list
from crystals import crystal, frames_of, gas, rattled

from egraff_lmp.data.frames import Frames
from egraff_lmp.score.neighbours import Shells, first_shells, neighbours, with_nearest
from egraff_lmp.score.rdf import default_r_max, pair_histogram

TRICLINIC = np.array([[6.0, 0.3, -1.4], [-1.8, 5.5, -1.8], [0.0, 0.1, 8.2]])
EXACT = 1e-9


def shells_of(frames: Frames, r_max: float | None = None) -> Shells:
    r_max = default_r_max([frames]) if r_max is None else r_max
    return first_shells(pair_histogram(frames, r_max), frames.species)


def test_neighbours_are_those_of_ase_nearest_first() -> None:
    x = 20 * np.random.default_rng(0).normal(size=(11, 3))  # far outside of the cell too
    found = neighbours(x, TRICLINIC, 4.5)
    atoms = Atoms("H11", x, cell=TRICLINIC, pbc=True)
    i, j, d, v = neighbor_list("ijdD", atoms, 4.5)
    order = np.lexsort((d, i))
    np.testing.assert_array_equal(found.i, i[order])
    np.testing.assert_array_equal(found.j, j[order])
    np.testing.assert_allclose(found.distances, d[order], atol=EXACT)
    np.testing.assert_allclose(found.vectors, v[order], atol=EXACT)
    first = found.where(found.ranks == 0)
    np.testing.assert_allclose(first.distances, [d[i == k].min() for k in range(11)], atol=EXACT)


def test_the_range_grows_until_there_are_enough() -> None:
    x, cell = np.array([[0.0, 0, 0], [9.0, 0, 0]]), 30.0 * np.eye(3)
    assert not len(neighbours(x, cell, 3.0).i)
    found = with_nearest(x, cell, 3.0, np.array([1]), 4)
    assert (found.i == 1).sum() >= 4
    # Where nobody needs them, the range is the one that was asked for.
    assert not len(with_nearest(x, cell, 3.0, np.zeros(0, dtype=np.int64), 4).i)


@pytest.mark.parametrize(
    ("name", "structure", "a", "pair", "first", "second", "bonded"),
    [
        ("Si", "diamond", 5.43, (0, 0), 3**0.5 / 4, 2**-0.5, True),
        ("Cu", "fcc", 3.61, (0, 0), 2**-0.5, 1.0, True),
        ("GeTe", "rocksalt", 6.0, (0, 1), 0.5, 3**0.5 / 2, True),
        ("GeTe", "rocksalt", 6.0, (0, 0), 2**-0.5, 1.0, False),
        ("Ar", "fcc", 5.3, (0, 0), 2**-0.5, 1.0, True),  # no bonds: neighbours count instead
    ],
)  # fmt: skip
def test_first_shells_of_crystals(name, structure, a, pair, first, second, bonded) -> None:
    shells = shells_of(rattled(crystal(name, structure, a, 3), 0.08, 20))
    assert first * a + 0.1 < shells.cutoffs[pair] < second * a - 0.1
    assert shells.bonded[pair] == bonded


def test_the_minimum_is_behind_the_first_peak_not_the_highest() -> None:
    """Rows of atoms 3 A apart, 4.5 A from the next four rows, have the second shell higher."""
    atoms = Atoms("Te", cell=np.diag([3.0, 4.5, 4.5]), pbc=True).repeat((6, 4, 4))
    shells = shells_of(rattled(atoms, 0.15, 20))
    assert 3.3 < shells.cutoffs[0, 0] < 4.2


def test_a_shoulder_is_no_minimum() -> None:
    """Two halves of one peak at 3.0 and 3.4 A, each as broad as the space between."""
    atoms = Atoms("LiP", [[0, 0, 0], [3.0, 0, 0]], cell=[6.4, 12, 12], pbc=True)
    frames = rattled(atoms.repeat((3, 1, 1)), 0.12, 200)
    assert shells_of(frames).cutoffs[0, 1] > 3.7


def test_an_element_of_one_atom_has_no_shell_of_its_own() -> None:
    shells = shells_of(gas(("Ge",) + ("Te",) * 20, 9.0, 40))
    assert shells.cutoffs[0, 0] == 0
    assert not shells.bonded[0, 0]
    assert (shells.cutoffs[[0, 1], [1, 1]] > 0).all()
    np.testing.assert_array_equal(shells.kinds(("Te", "Ge")), [1, 0])


def test_what_is_never_near_has_no_shell() -> None:
    atoms = Atoms("GeTeGeTe", [[0, 0, 0], [2, 0, 0], [15, 0, 0], [17, 0, 0]], cell=[30] * 3, pbc=1)
    found = shells_of(frames_of(atoms), 5.0)
    assert found.cutoffs[0, 0] == 0
    assert found.cutoffs[0, 1] > 2


def test_single_pairs_that_are_near_are_no_shell() -> None:
    """One of 50 frames has two atoms 0.5 A apart, where g(r) is then higher than anywhere."""
    frames = rattled(crystal("Cu", "fcc", 3.61, 3), 0.08, 50)
    frames.positions[7, 1] = frames.positions[7, 0] + [0.5, 0, 0]
    assert 2.7 < shells_of(frames).cutoffs[0, 0] < 3.5
