"""Free energies of angles: known distributions, branches, the backbone of alanine dipeptide."""

from __future__ import annotations

import numpy as np
import pytest

from egraff_lmp.score.free_energy import (
    BOLTZMANN_EV_PER_KELVIN,
    N_BINS,
    angle_counts,
    backbone,
    dihedral,
    free_energy_error,
    surface,
)

KT = BOLTZMANN_EV_PER_KELVIN * 300
CENTRES = -np.pi + (np.arange(N_BINS) + 0.5) * 2 * np.pi / N_BINS


def test_dihedrals_equal_those_of_ase():
    atoms = pytest.importorskip("ase").Atoms("CNCC", np.random.default_rng(0).normal(size=(4, 3)))
    ours = np.degrees(dihedral(atoms.positions[None], (0, 1, 2, 3)))[0]
    assert ours % 360 == pytest.approx(atoms.get_dihedral(0, 1, 2, 3), abs=1e-9)


def test_a_potential_of_cosine_form_is_recovered():
    # Accept angles with exp(-(1 - cos)/2 v/kT): F = v (1 - cos)/2 up to counting noise.
    rng, v = np.random.default_rng(0), 2 * KT
    angles = rng.uniform(-np.pi, np.pi, 400_000)
    kept = angles[rng.random(angles.size) < np.exp(-v / KT * (1 - np.cos(angles)) / 2)]
    expected = v * (1 - np.cos(CENTRES)) / 2
    found = surface(angle_counts(kept), 300.0)
    # At least 900 samples a bin: kT/30 of noise.
    np.testing.assert_allclose(found - found.mean(), expected - expected.mean(), atol=4 * KT / 30)
    assert free_energy_error(found, expected) < 2 * np.pi * 0.1 * KT


def test_a_flat_distribution_has_no_free_energy_and_branches_do_not_matter():
    assert surface(angle_counts(CENTRES), 300.0) == pytest.approx(np.zeros(N_BINS))
    np.testing.assert_array_equal(angle_counts(CENTRES + 4 * np.pi), angle_counts(CENTRES))
    assert angle_counts(np.array([np.pi]))[0] == 1  # pi is -pi


def test_the_error_is_an_integral_and_ignores_the_zero():
    f = np.zeros(N_BINS)
    raised = f.copy()
    raised[:30] = 0.1
    assert free_energy_error(raised, f) == pytest.approx(0.1 * np.pi)
    assert free_energy_error(raised + 5, f) == pytest.approx(0.1 * np.pi)


def test_half_of_the_angles_missing_stays_finite():
    f = surface(angle_counts(np.repeat(CENTRES[:30], 10)), 300.0)
    assert f.max() == pytest.approx(KT * np.log(20))


# Heavy atoms and amide hydrogens of ACE-ALA-NME: CH3-C(=O)-NH-CH(CH3)-C(=O)-NH-CH3.
SPECIES = ("C", "C", "O", "N", "H", "C", "C", "C", "O", "N", "H", "C")
BONDS = np.array(
    [[0, 1], [1, 2], [1, 3], [3, 4], [3, 5], [5, 6], [5, 7], [7, 8], [7, 9], [9, 10], [9, 11]]
)


def test_the_backbone_of_alanine_dipeptide():
    assert backbone(SPECIES, BONDS) == ((1, 3, 5, 7), (3, 5, 7, 9))


def test_other_molecules_have_no_backbone():
    assert backbone(("O", "H", "H"), np.array([[0, 1], [0, 2]])) is None
    assert backbone(SPECIES, BONDS[:-3]) is None
