"""Mean squared displacement: direct sums, MDAnalysis, ballistic, harmonic, random walk."""

from __future__ import annotations

import numpy as np
import pytest

from egraff_lmp.score import msd
from egraff_lmp.score.msd import mean_squared_displacement, squared_displacements

RNG = np.random.default_rng(0)
WALK = RNG.normal(size=(120, 7, 3)).cumsum(axis=0)
ROUNDING = 1e-10  # relative; FFT of 240 numbers in float64


def test_equals_the_double_sum():
    by_hand = [((WALK[m:] - WALK[: len(WALK) - m]) ** 2).sum(axis=2).mean() for m in range(120)]
    found = mean_squared_displacement(WALK)
    np.testing.assert_allclose(found, by_hand, rtol=ROUNDING, atol=1e-9)


def test_equals_mdanalysis():
    mda = pytest.importorskip("MDAnalysis")
    from MDAnalysis.analysis.msd import EinsteinMSD

    universe = mda.Universe.empty(7, trajectory=True)
    universe.load_new(WALK.astype(np.float32), order="fac")
    theirs = EinsteinMSD(universe, fft=False).run().results.timeseries
    ours = mean_squared_displacement(WALK.astype(np.float32).astype(float))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)  # MDAnalysis is float32


def test_far_from_the_origin_no_digits_are_lost():
    far = mean_squared_displacement(WALK + 1e5)
    np.testing.assert_allclose(far, mean_squared_displacement(WALK), rtol=1e-6, atol=1e-6)


def test_ballistic_motion_is_quadratic():
    velocity = RNG.normal(size=(7, 3))
    x = np.arange(50)[:, None, None] * velocity
    expected = np.arange(50) ** 2 * (velocity**2).sum(axis=1).mean()
    np.testing.assert_allclose(mean_squared_displacement(x), expected, rtol=1e-9, atol=1e-9)


def test_a_harmonic_oscillator_is_bounded_by_twice_its_amplitude():
    # <|x(t) - x(0)|^2> = a^2 (1 - cos w t) over whole periods of x = a cos(w t).
    period, amplitude = 40, 0.7
    t = np.arange(period * 50)
    x = np.zeros((len(t), 1, 3))
    x[:, 0, 0] = amplitude * np.cos(2 * np.pi * t / period)
    found = mean_squared_displacement(x)[:period]
    expected = amplitude**2 * (1 - np.cos(2 * np.pi * t[:period] / period))
    # Origins do not fill whole periods at every lag: an edge of one period in 50.
    np.testing.assert_allclose(found, expected, atol=amplitude**2 / 50)


def test_blocks_of_origins_add_up_and_chunks_of_atoms_do_not_matter(monkeypatch):
    lags = np.array([1, 5, 30])
    sums, numbers = squared_displacements(WALK, lags, 4)
    np.testing.assert_array_equal(numbers.sum(axis=0), 120 - lags)
    whole = mean_squared_displacement(WALK)
    np.testing.assert_allclose(sums.sum(axis=0) / numbers.sum(axis=0), whole[lags], rtol=1e-9)
    monkeypatch.setattr(msd, "CHUNK", 3 * 120 * 2)
    np.testing.assert_allclose(mean_squared_displacement(WALK), whole, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(squared_displacements(WALK, lags, 4)[0], sums)
