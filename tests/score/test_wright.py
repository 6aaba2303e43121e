"""Wright's factor: closed forms of both forms."""

from __future__ import annotations

import numpy as np
import pytest

from egraff_lmp.score.curves import ACCEPTED_BELOW, wright_factor, wright_factor_unrooted

G_REF = np.array([0.0, 2.0, 1.0, 2.0])


def test_equal_curves_give_zero():
    assert wright_factor(G_REF, G_REF) == 0
    assert wright_factor_unrooted(G_REF, G_REF) == 0


def test_by_hand():
    g = G_REF + np.array([0.0, 0.3, 0.0, 0.0])  # difference 0.3, norm 3
    assert wright_factor(g, G_REF) == pytest.approx(10.0)
    assert wright_factor_unrooted(g, G_REF) == pytest.approx(1.0)


def test_a_missing_structure_is_a_hundred_per_cent():
    assert wright_factor(np.zeros(4), G_REF) == pytest.approx(100)
    assert wright_factor_unrooted(np.zeros(4), G_REF) == pytest.approx(100)


def test_the_rule_belongs_to_the_rooted_form():
    # A curve at the limit in the rooted form is at 0.81 % in the unrooted one.
    g = G_REF * (1 + ACCEPTED_BELOW / 100)
    assert wright_factor(g, G_REF) == pytest.approx(9.0)
    assert wright_factor_unrooted(g, G_REF) == pytest.approx(0.81)


def test_common_scale_drops_out_but_the_reference_is_no_equal_partner():
    g = G_REF[::-1].copy()
    assert wright_factor(5 * g, 5 * G_REF) == pytest.approx(wright_factor(g, G_REF))
    assert wright_factor(2 * G_REF, G_REF) == pytest.approx(100)
    assert wright_factor(G_REF, 2 * G_REF) == pytest.approx(50)


def test_an_empty_reference_gives_no_number():
    assert np.isnan(wright_factor(G_REF, np.zeros(4)))
    assert np.isnan(wright_factor_unrooted(G_REF, np.zeros(4)))


def test_harmonic_bonds_of_two_widths():
    """Gaussians of widths s and t: sum g^2 = 1/(2 s sqrt(pi)), sum g h = 1/sqrt(2 pi (s^2+t^2))."""
    r = np.arange(0, 6, 0.002)
    s, t = 0.1, 0.2  # twice the width is four times the temperature
    g_ref, g = (np.exp(-((r - 3) ** 2) / (2 * w**2)) / (w * np.sqrt(2 * np.pi)) for w in (s, t))
    own, theirs = (1 / (2 * w * np.sqrt(np.pi)) for w in (s, t))
    mixed = 1 / np.sqrt(2 * np.pi * (s**2 + t**2))
    exact = 100 * np.sqrt((own + theirs - 2 * mixed) / own)
    assert wright_factor(g, g_ref) == pytest.approx(exact, rel=1e-6)
