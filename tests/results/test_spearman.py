"""Rank correlations of few pairs: limits, exact tests, invariances, and coverage by simulation."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from egraff_lmp.results.spearman import (
    interval_of_mean,
    interval_over_pairs,
    of_normal,
    redrawn,
    spearman,
)

SIX = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
CONFIDENCE = 0.95
REPEATS = 600
# Three standard errors of a coverage of 95 % in so many repeats.
BELOW = 3 * (0.95 * 0.05 / REPEATS) ** 0.5
# Of the mean of correlations, whose distribution is bounded: Student's t is not exact.
BELOW_OF_MEAN = 0.04
DRAW_NOISE = 0.02  # of an end of an interval, of the draws behind it


def pairs(rng: np.random.Generator, n: int, r: float) -> np.ndarray:
    """Of a bivariate normal distribution, (2, n)."""
    x, other = rng.normal(size=(2, n))
    return np.array([x, r * x + (1 - r * r) ** 0.5 * other])


def test_a_perfect_order_reaches_one_and_a_reversed_one_minus_one() -> None:
    assert spearman(SIX, SIX) == pytest.approx(1.0)
    assert spearman(SIX, SIX[::-1]) == pytest.approx(-1.0)
    low, high = interval_over_pairs(SIX, SIX) or (0.0, 0.0)
    assert high == 1.0
    # The law under which six pairs are in order once in forty times.
    assert 0.5 < low < 0.75
    mirrored = interval_over_pairs(SIX, SIX[::-1])
    assert mirrored == pytest.approx((-1.0, -low), abs=DRAW_NOISE)


def test_ranks_know_nothing_of_the_scale_nor_of_the_order_of_models() -> None:
    y = [2.0, 1.0, 3.0, 5.0, 4.0, 6.0]
    found = interval_over_pairs(SIX, y)
    assert interval_over_pairs(np.exp(SIX), np.power(y, 3)) == found
    order = [3, 1, 5, 0, 2, 4]
    assert interval_over_pairs(np.take(SIX, order), np.take(y, order)) == found


def test_equal_values_have_their_mean_rank_and_a_constant_no_correlation() -> None:
    # d = (-1, 0, 1) on ranks (2, 2, 2) is undefined; (1.5, 1.5, 3) has r = 3/(2 sqrt(3)).
    assert spearman([1, 2, 3], [1, 1, 2]) == pytest.approx(3 / (2 * 3**0.5))
    assert spearman(SIX, [7.0] * 6) is None
    assert interval_over_pairs(SIX, [7.0] * 6) is None
    assert redrawn(SIX, [7.0] * 6, [(0, 1)] * 6, [(0, 1)] * 6) is None


@pytest.mark.parametrize(
    "y",
    [
        [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 6, 5], [2, 1, 3, 5, 4, 6], [1, 2, 3, 6, 5, 4],
        [1, 1, 1, 2, 2, 2], [1, 1, 2, 2, 3, 3], [1, 1, 1, 1, 1, 2], [1, 2, 3, 3, 3, 3],
    ],
)  # fmt: skip
def test_zero_is_left_out_where_the_exact_permutation_test_rejects_it(y: list[float]) -> None:
    found = spearman(SIX, y) or 0.0
    everything = [spearman(SIX, one) or 0.0 for one in set(permutations(y))]
    # Equal values make equal permutations, all equally often.
    tail = np.mean(np.array(everything) >= found - 1e-9)
    low, _ = interval_over_pairs(SIX, y) or (0.0, 0.0)
    assert (low > 0) is bool(tail < (1 - CONFIDENCE) / 2)


@pytest.mark.parametrize("n", [4, 6])
@pytest.mark.parametrize("r", [0.0, 0.6, 0.95])
def test_an_interval_holds_the_truth_as_often_as_it_says(n: int, r: float) -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(REPEATS):
        low, high = interval_over_pairs(*pairs(rng, n, r)) or (0.0, 0.0)
        hits += low <= of_normal(r) <= high
    assert hits / REPEATS >= CONFIDENCE - BELOW


@pytest.mark.parametrize("r", [0.0, 0.6])
def test_a_score_of_two_values_keeps_the_coverage(r: float) -> None:
    rng = np.random.default_rng(6)
    hits = kept = 0
    for _ in range(REPEATS):
        x, y = pairs(rng, 6, r)
        found = interval_over_pairs(x, np.sign(y))
        if found is not None:
            kept += 1
            hits += found[0] <= of_normal(r) <= found[1]
    assert hits / kept >= CONFIDENCE - BELOW


def test_the_mean_over_systems_holds_its_expectation() -> None:
    """E[r_s] = 3/(n+1) tau + (n-2)/(n+1) rho_s (Hoeffding, 1948), tau = 2/pi asin(r)."""
    rng, n, systems, r = np.random.default_rng(7), 6, 8, 0.5
    tau = 2 / np.pi * np.arcsin(r)
    expected = 3 / (n + 1) * tau + (n - 2) / (n + 1) * of_normal(r)
    hits, means = 0, []
    for _ in range(300):
        values = [spearman(*pairs(rng, n, r)) or 0.0 for _ in range(systems)]
        low, high = interval_of_mean(values) or (0.0, 0.0)
        hits += low <= expected <= high
        means.append(np.mean(values))
    assert np.mean(means) == pytest.approx(expected, abs=0.02)
    assert hits / 300 >= CONFIDENCE - BELOW_OF_MEAN


def test_the_mean_of_one_has_no_interval_and_no_interval_passes_one() -> None:
    assert interval_of_mean([0.5]) is None
    assert interval_of_mean([1.0, 1.0, 1.0]) == (1.0, 1.0)
    assert interval_of_mean([1.0, 0.0]) == (-1.0, 1.0)


def test_noise_moves_the_order_only_of_values_that_overlap() -> None:
    sharp, wide = [(v - 0.01, v + 0.01) for v in SIX], [(v - 4, v + 4) for v in SIX]
    assert redrawn(SIX, SIX, sharp, sharp) == pytest.approx((1.0, 1.0))
    low, high = redrawn(SIX, SIX, sharp, wide) or (0.0, 0.0)
    assert -1 < low < 0.9
    assert high == pytest.approx(1.0)
    # What lies below the floor is equal, whatever its noise.
    low, high = redrawn(SIX, SIX, sharp, sharp, floor=3.5) or (0.0, 0.0)
    assert low == pytest.approx(spearman(SIX, [3.5, 3.5, 3.5, 4, 5, 6]) or 0.0)
    assert low == pytest.approx(high)
