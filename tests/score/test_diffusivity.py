"""Diffusivity: random walks of known D, ballistic motion, units, windows."""

from __future__ import annotations

import numpy as np
import pytest

from egraff_lmp.errors import EgraffError
from egraff_lmp.score.diffusivity import (
    N_LAGS,
    diffusivity,
    diffusivity_eq4,
    exponent,
    fit_lags,
)
from egraff_lmp.score.msd import mean_squared_displacement

STEP_FS, SIGMA_A = 2.0, 0.05
# A step of variance sigma^2 in each direction: MSD = 3 sigma^2 t/dt, so D = sigma^2/(2 dt).
D_WALK = 1000 * SIGMA_A**2 / (2 * STEP_FS)


def walk(n_frames, n_atoms, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0, SIGMA_A, (n_frames, n_atoms, 3)).cumsum(axis=0)


def fitted(x):
    lags = fit_lags(len(x))
    return diffusivity(mean_squared_displacement(x)[lags], lags * STEP_FS)


def test_a_random_walk_has_its_d():
    # Lags of 10 to 30 % of 1000 frames: the MSD of 400 independent walkers is known to 2 %.
    assert fitted(walk(1000, 400)) == pytest.approx(D_WALK, rel=0.06)
    x = walk(1000, 400)
    lags = fit_lags(1000)
    assert exponent(mean_squared_displacement(x)[lags], lags * STEP_FS) == pytest.approx(1, abs=0.1)


def test_eq4_is_the_same_for_a_walk_and_wrong_with_an_offset():
    x = walk(1000, 4000)
    assert diffusivity_eq4(x, STEP_FS) == pytest.approx(D_WALK, rel=0.05)
    # Vibrations around fixed sites: nothing diffuses.
    vibrating = np.random.default_rng(1).normal(0, 0.3, (1000, 400, 3))
    assert abs(fitted(vibrating)) < 0.01 * diffusivity_eq4(vibrating, STEP_FS)


def test_a_line_gives_a_sixth_of_its_slope_whatever_its_offset():
    time = np.array([100.0, 200.0, 400.0])
    assert diffusivity(0.006 * time + 3.0, time) == pytest.approx(1.0)  # 0.006 A^2/fs


def test_exponents_of_ballistic_and_bound_motion():
    time = np.linspace(10, 100, 10)
    assert exponent(time**2, time) == pytest.approx(2)
    assert exponent(np.ones(10), time) == pytest.approx(0)
    assert np.isnan(exponent(np.zeros(10), time))


def test_windows():
    lags = fit_lags(1000)
    assert (lags[0], lags[-1], len(lags)) == (100, 300, N_LAGS)
    assert fit_lags(20).tolist() == [2, 3, 4, 5, 6]
    with pytest.raises(EgraffError, match="expected at least 20 frames"):
        fit_lags(19)
    with pytest.raises(EgraffError, match="window of lags"):
        fit_lags(100, (0.5, 0.2))
