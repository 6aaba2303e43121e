"""Jensen-Shannon divergence: limits, symmetry, an independent implementation."""

from __future__ import annotations

import numpy as np
import pytest

from egraff_lmp.score.curves import jensen_shannon, jensen_shannon_paper

RNG = np.random.default_rng(0)
P, Q = RNG.random(50), RNG.random(50)


def test_equal_distributions_give_zero():
    assert jensen_shannon(P, P) == pytest.approx(0, abs=1e-15)
    assert jensen_shannon_paper(P, P) == pytest.approx(0, abs=1e-15)


def test_disjoint_distributions_give_one_bit():
    p, q = np.array([1.0, 3.0, 0.0, 0.0]), np.array([0.0, 0.0, 2.0, 0.0])
    assert jensen_shannon(p, q) == pytest.approx(1, abs=1e-15)


def test_by_hand():
    # p = (1, 0), q = (1/2, 1/2): JSD = log2(4/3)/2 + (log2(2/3)/2 + 1/2)/2.
    expected = np.log2(4 / 3) / 2 + (np.log2(2 / 3) / 2 + 0.5) / 2
    assert jensen_shannon(np.array([1.0, 0.0]), np.array([0.5, 0.5])) == pytest.approx(expected)


def test_against_scipy():
    distance = pytest.importorskip("scipy.spatial.distance")
    assert jensen_shannon(P, Q) == pytest.approx(distance.jensenshannon(P, Q, base=2) ** 2)


def test_symmetric_and_free_of_scale():
    assert jensen_shannon(P, Q) == pytest.approx(jensen_shannon(Q, P))
    assert jensen_shannon(7 * P, 0.1 * Q) == pytest.approx(jensen_shannon(P, Q))


def test_finer_bins_of_the_same_distributions_change_nothing():
    assert jensen_shannon(P.repeat(2), Q.repeat(2)) == pytest.approx(jensen_shannon(P, Q))


def test_the_form_of_the_paper_scales_with_g_and_is_no_divergence_of_probabilities():
    by_hand = np.mean(
        [
            (a * np.log(2 * a / (a + b)) + b * np.log(2 * b / (a + b))) / 2
            for a, b in zip(P, Q, strict=True)
        ]
    )
    assert jensen_shannon_paper(P, Q) == pytest.approx(by_hand)
    assert jensen_shannon_paper(1000 * P, 1000 * Q) == pytest.approx(1000 * by_hand)


def test_empty_bins_are_no_trouble():
    g, g_ref = np.array([0.0, 0.0, 2.0]), np.array([0.0, 1.0, 2.0])
    assert jensen_shannon_paper(g, g_ref) == pytest.approx(np.log(2) / 2 / 3)
    assert np.isnan(jensen_shannon(np.zeros(3), g_ref))
