"""Integral of the difference of two curves."""

from __future__ import annotations

import math

import numpy as np
import pytest

from egraff_lmp.score.curves import curve_error


def test_the_integral_does_not_depend_on_the_bins():
    for width in (0.1, 0.01):
        r = (np.arange(round(5 / width)) + 0.5) * width
        g = np.ones_like(r)
        assert curve_error(g, g, width) == 0
        assert curve_error(g + 0.2, g, width) == pytest.approx(1.0)
        bump = g + np.exp(-((r - 2.5) ** 2) / 2 / 0.1**2)
        assert curve_error(bump, g, width) == pytest.approx(0.1 * np.sqrt(2 * np.pi), rel=1e-6)


def test_disjoint_distributions_are_two_apart():
    h = np.zeros(100)
    h[10] = other = 1 / 0.05
    h_ref = np.zeros(100)
    h_ref[50] = other
    assert curve_error(h, h_ref, 0.05) == pytest.approx(2.0)


def test_shifted_harmonic_bonds():
    """Gaussians of width s, d apart: integral |h - h_ref| = 2 erf(d / (2 sqrt(2) s))."""
    r, s, d = np.arange(0, 6, 0.001), 0.1, 0.15
    h_ref, h = (
        np.exp(-((r - centre) ** 2) / (2 * s**2)) / (s * np.sqrt(2 * np.pi))
        for centre in (3.0, 3.0 + d)
    )
    exact = 2 * math.erf(d / (2 * math.sqrt(2) * s))
    assert curve_error(h, h_ref, 0.001) == pytest.approx(exact, rel=1e-5)
