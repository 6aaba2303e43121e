"""Stability: each criterion ends a run at the right frame, for the right reason."""

from __future__ import annotations

import numpy as np
import pytest

from egraff_lmp.data.frames import Frames
from egraff_lmp.score.bonds import bond_lengths, bonds_of, watched_bonds
from egraff_lmp.score.records import Fact, RunEnd
from egraff_lmp.score.stability import (
    broken_bond,
    first_end,
    not_finite,
    rdf_departure,
    rdf_threshold,
    temperature_out_of_bounds,
)
from egraff_lmp.score.words import say

WATER = np.array([[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])


def test_bonds_of_small_molecules():
    assert bonds_of(("O", "H", "H"), WATER).tolist() == [[0, 1], [0, 2]]
    build = pytest.importorskip("ase.build")
    for name, expected in (("CH3CH2OH", 8), ("C6H6", 12), ("CH4", 4)):
        atoms = build.molecule(name)
        assert len(bonds_of(atoms.get_chemical_symbols(), atoms.positions)) == expected


def test_a_bond_breaks_beyond_half_an_angstrom():
    stretch = np.array([0.0, 0.3, 0.49, 0.51, 2.0])
    frames = np.repeat(WATER[None], 5, axis=0)
    frames[:, 1, 0] += stretch
    bonds = bonds_of(("O", "H", "H"), WATER)
    lengths = bond_lengths(frames, bonds)
    end = broken_bond(lengths, lengths[0], names=["O0-H1", "O0-H2"])
    assert (end.frame, end.cause.code) == (3, "broken-bond")
    assert end.cause.values == {
        "bond": "O0-H1", "length": pytest.approx(1.47), "equilibrium": pytest.approx(0.96)
    }  # fmt: skip
    assert say(end.cause) == "bond O0-H1 is 1.47 A long, 0.96 A at equilibrium"
    assert broken_bond(lengths[:3], lengths[0]) is None
    squeezed = lengths - 0.6
    assert broken_bond(squeezed, lengths[0]).frame == 0


def test_windows_over_the_threshold():
    errors, firsts = np.array([0.2, 0.99, 1.01, 0.1]), np.array([0, 50, 100, 150])
    assert rdf_departure(errors, firsts, 1.0).frame == 100
    assert rdf_departure(errors, firsts, 3.0) is None
    assert rdf_departure(np.array([np.nan]), firsts[:1], 3.0).frame == 0


def test_thresholds_of_the_paper():
    assert rdf_threshold(("O", "H", "H")) == (3.0, True)
    assert rdf_threshold(("Li", "P", "S")) == (1.0, False)


def test_values_that_are_not_finite():
    positions, energy = np.zeros((6, 2, 3)), np.zeros(6)
    assert not_finite(positions, None, energy) is None
    positions[4, 1, 2], energy[3] = np.nan, np.inf
    assert not_finite(positions, None, energy).frame == 3


def test_temperatures():
    fine = np.array([0.0, 100.0, 290.0, 310.0, 450.0])  # started at rest
    assert temperature_out_of_bounds(fine, 300.0) is None
    assert temperature_out_of_bounds(np.array([300.0, 1250.0]), 300.0).frame == 1
    assert temperature_out_of_bounds(np.array([300.0, 20.0]), 300.0).frame == 1  # frozen
    assert temperature_out_of_bounds(np.array([300.0, np.nan]), 300.0).frame == 1


def test_the_first_violation_counts():
    early, late = (RunEnd(frame, Fact("not-finite-value")) for frame in (3, 9))
    assert first_end([None, late, early]) is early
    assert first_end([None]) is None


def test_a_bond_that_the_reference_breaks_is_not_watched():
    """A proton that hops: the honest form leaves its bond out, the paper's form has it."""
    positions = np.repeat(WATER[None], 4, axis=0)
    positions[2:, 1] += 1.5 * (WATER[1] - WATER[0])  # from 0.96 A to 2.4 A, the mean is 1.7 A
    frames = Frames(("O", "H", "H"), positions, np.zeros((4, 3, 3)), (False,) * 3, None, None,
                    timestep_fs=None, source="made")  # fmt: skip
    honest, paper = (watched_bonds(frames, mode) for mode in ("egraff", "paper"))
    assert (honest.names, honest.unwatched) == (("O0-H2",), ("O0-H1",))
    assert honest.pairs.tolist() == [[0, 2]]
    np.testing.assert_allclose(honest.equilibrium, np.linalg.norm(WATER[2] - WATER[0]))
    assert (paper.names, paper.unwatched) == (("O0-H1", "O0-H2"), ())


def test_the_hopping_proton_of_acetylacetone(published):
    reference = published("acac/data/test")
    assert watched_bonds(reference, "egraff").unwatched == ("O3-H11",)
    assert watched_bonds(published("3bpa/data/val"), "egraff").unwatched == ()
