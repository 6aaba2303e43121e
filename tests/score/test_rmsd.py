"""RMSD and divergence time: translations, rotations, MDAnalysis, exponential divergence."""

from __future__ import annotations

import numpy as np
import pytest

from egraff_lmp.score.rmsd import divergence_time, rmsd

pytest.importorskip("MDAnalysis")

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(2, 5, 9, 3))
MASSES = RNG.uniform(1, 30, 9)
ROUNDING_A = 1e-12


def turned(x, seed=1):
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return x @ (rotation * np.sign(np.linalg.det(rotation)))


def test_a_shift_of_the_whole_is_no_deviation():
    np.testing.assert_allclose(rmsd(X + 7.0, X, MASSES), 0, atol=1e-10)


def test_by_hand():
    x = np.zeros((1, 2, 3))
    y = np.array([[[1.0, 0, 0], [-1.0, 0, 0]]])
    assert rmsd(x, y, np.ones(2)) == pytest.approx([1.0])
    heavy = np.array([3.0, 1.0])  # centre at 0.5: deviations 0.5 and 1.5
    assert rmsd(x, y, heavy) == pytest.approx([np.sqrt((3 * 0.25 + 2.25) / 4)])


def test_a_turn_counts_unless_superposed():
    assert (rmsd(turned(X), X, MASSES) > 0.5).all()
    np.testing.assert_allclose(rmsd(turned(X), X, MASSES, superpose=True), 0, atol=1e-7)


def test_a_mirror_image_is_not_superposed():
    assert (rmsd(-X, X, MASSES, superpose=True) > 0.1).all()


def test_superposing_equals_kabsch_by_singular_values():
    """Kabsch, Acta Cryst. A 32 (1976) 922."""
    weights = MASSES / MASSES.sum()
    for x, y, found in zip(X, Y, rmsd(X, Y, MASSES, superpose=True), strict=True):
        x, y = x - weights @ x, y - weights @ y
        u, _, v = np.linalg.svd((x * weights[:, None]).T @ y)
        rotation = u @ np.diag([1, 1, np.linalg.det(u @ v)]) @ v
        expected = np.sqrt(weights @ ((x @ rotation - y) ** 2).sum(axis=1))
        assert found == pytest.approx(expected, rel=1e-12)


def test_frames_that_are_not_finite_are_nan():
    x = X.copy()
    x[2, 0, 0] = np.nan
    assert (
        np.isnan(rmsd(x, Y, MASSES, superpose=True)).tolist() == [False, False, True] + [False] * 2
    )


def test_exponential_divergence_has_its_time():
    # RMSD = 1e-4 exp(t/tau) passes 0.5 A at tau ln 5000.
    step_fs, tau_fs = 0.5, 100.0
    values = 1e-4 * np.exp(np.arange(4000) * step_fs / tau_fs)
    time, diverged = divergence_time(values, step_fs)
    assert diverged
    assert time == pytest.approx(tau_fs * np.log(5000), abs=step_fs)


def test_what_never_diverges_is_a_lower_bound_and_nan_is_the_end():
    assert divergence_time(np.zeros(11), 2.0) == (20.0, False)
    assert divergence_time(np.array([0.0, 0.1, np.nan, 0.1]), 2.0) == (4.0, True)


def test_two_crystals_of_independent_oscillators():
    """Each coordinate of variance s^2 about its site: RMSD^2 = 2 * 3 s^2 of many atoms."""
    s, n_atoms = 0.1, 4000
    x, y = np.random.default_rng(0).normal(0, s, (2, 5, n_atoms, 3))
    # A mean of 3 N squares of a normal number: relative error of its root 1/sqrt(6 N) = 0.6 %.
    assert rmsd(x, y, np.ones(n_atoms)) == pytest.approx([np.sqrt(6) * s] * 5, rel=0.03)
