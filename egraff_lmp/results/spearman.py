"""Spearman's rank correlation of a handful of pairs, with intervals that are honest for so few.

For six models, Fisher's z is infinite at a perfect order, and a bootstrap of the models draws ties
that no model made; both give intervals that are too narrow. The interval here inverts an exact
test, as Clopper and Pearson (Biometrika 26, 404 (1934)) do for a binomial part: it is the set of
all true correlations under which what was found, or something more extreme, has at least half of
1 - confidence to its side,

    { rho : P(r_s >= found | rho) >= alpha/2 and P(r_s <= found | rho) >= alpha/2 }.

The family of laws is that of pairs whose ranks are those of a bivariate normal distribution. Ranks
know nothing of the marginal distributions, so that any increasing transformation of the two values
belongs to it as well. At rho = 0 the test is the exact permutation test, and the interval leaves
out 0 where one of its tails is below alpha/2; both up to the noise of `DRAWS`. Coverage is at least
nominal, and the more so the fewer pairs there are; for six pairs of other laws that were tried
(heavy tails, scatter that grows with the value, two groups) it was 92 to 97 %.

Noise of the single values needs no allowance in it, as the scatter between pairs contains it. How
far that noise alone moves the correlation of these very pairs is `redrawn`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import asin, pi, sqrt

import numpy as np

from egraff_lmp.score.arrays import Floats
from egraff_lmp.score.options import Options

DRAWS = 10_000  # of each law: a tail of 2.5 % is known to 0.16 %
# Correlations of the normal distributions, dense near 1.
_LAWS = np.tanh(np.linspace(-3.8, 3.8, 77))
_SAME = 1e-9  # two correlations of the same ranks, but for rounding
_REDRAWS = 2000

Interval = tuple[float, float]


def spearman(x: Sequence[float] | Floats, y: Sequence[float] | Floats) -> float | None:
    """Pearson's correlation of the ranks, equal values at their mean rank; scipy's `spearmanr`.

    None where all values of one side are equal. Both (n,), finite.
    """
    from scipy.stats import spearmanr  # an optional package

    if len(set(x)) < 2 or len(set(y)) < 2:
        return None
    return float(np.clip(spearmanr(x, y).statistic, -1.0, 1.0))


def interval_over_pairs(
    x: Sequence[float] | Floats,
    y: Sequence[float] | Floats,
    confidence: float = Options.confidence,
) -> Interval | None:
    """Confidence interval of the rank correlation of the population that the pairs are drawn from.

    Ties stay: the laws are those of ranks with equal values at the same places, so that a score in
    which most models are equal has a wide interval.

    Args:
        x, y: (n,), finite.
        confidence: two-sided.

    Returns:
        (low, high) in [-1, 1]; None where `spearman` is.
    """
    from scipy.stats import rankdata

    rho = spearman(x, y)
    if rho is None:
        return None
    ties = [tuple(sorted(float(rank) for rank in rankdata(side))) for side in (x, y)]
    low, high = _inverted(ties[0], ties[1], round(rho, 9), confidence)
    return min(low, rho), max(high, rho)


def redrawn(
    x: Sequence[float],
    y: Sequence[float],
    of_x: Sequence[Interval],
    of_y: Sequence[Interval],
    *,
    floor: float | None = None,
    confidence: float = Options.confidence,
    seed: int = 0,
) -> Interval | None:
    """How far the noise of the values moves the correlation of these very pairs.

    Every value is drawn again from two halves of normal distributions that have its interval, and
    what then lies below the floor counts as at it. Widened to hold the correlation itself.

    Args:
        x, y: (n,), smaller is better.
        of_x, of_y: confidence intervals of each value.
        floor: of y.
        confidence: of the intervals that are given and of the one that is returned.
        seed: of the draws.
    """
    from scipy.stats import norm, rankdata

    rho = spearman(x, y if floor is None else np.maximum(y, floor))
    if rho is None:
        return None
    rng, unit = np.random.default_rng(seed), float(norm.ppf(0.5 * (1 + confidence)))
    sides = []
    for values, ends in ((x, of_x), (y, of_y)):
        middle, (low, high) = np.asarray(values, dtype=float), np.asarray(ends, dtype=float).T
        z = rng.normal(size=(_REDRAWS, len(middle))) / unit
        sides.append(middle + z * np.where(z < 0, middle - low, high - middle))
    if floor is not None:
        sides[1] = np.maximum(sides[1], floor)
    a, b = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in
            (rankdata(side, axis=1) for side in sides))  # fmt: skip
    norms = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    found = (a * b).sum(axis=1)[norms > 0] / norms[norms > 0]
    tail = (1 - confidence) / 2
    ends_of = np.quantile(np.append(found, rho), [tail, 1 - tail])
    return min(float(ends_of[0]), rho), max(float(ends_of[1]), rho)


def interval_of_mean(
    values: Sequence[float], confidence: float = Options.confidence
) -> Interval | None:
    """Interval of the mean of correlations, the values as the unit: Student's t, within [-1, 1].

    None for fewer than two values.
    """
    from scipy.special import stdtrit

    n = len(values)
    if n < 2:
        return None
    mean = float(np.mean(values))
    half = float(stdtrit(n - 1.0, 0.5 * (1 + confidence))) * float(np.std(values, ddof=1)) / sqrt(n)
    return max(mean - half, -1.0), min(mean + half, 1.0)


def of_normal(r: float) -> float:
    """Spearman's rho of a bivariate normal distribution of correlation r: 6/pi asin(r/2)."""
    return 6 / pi * asin(r / 2)


@lru_cache(maxsize=4096)
def _inverted(
    ties_x: tuple[float, ...], ties_y: tuple[float, ...], rho: float, confidence: float
) -> Interval:
    """The interval for sorted mean ranks of both sides and the correlation that was found."""
    a, b = (np.asarray(ties) - np.mean(ties) for ties in (ties_x, ties_y))
    found = b[_ranks(len(a))] @ a / sqrt(float(a @ a) * float(b @ b))  # (laws, draws)
    laws, tail = np.array([of_normal(r) for r in _LAWS]), (1 - confidence) / 2
    # Both tails are monotonic in rho, but for the noise of the draws.
    above = np.maximum.accumulate(np.mean(found >= rho - _SAME, axis=1))
    below = np.minimum.accumulate(np.mean(found <= rho + _SAME, axis=1))
    return _crossing(laws, above, tail, -1.0), -_crossing(-laws[::-1], below[::-1], tail, -1.0)


def _crossing(laws: Floats, chance: Floats, tail: float, end: float) -> float:
    """Where a rising chance passes the tail; `end` where it is not below it anywhere."""
    first = int(np.searchsorted(chance, tail, side="right"))
    if first == 0:
        return end
    if first == len(laws):
        return float(laws[-1])
    low, high = chance[first - 1], chance[first]
    part = (tail - low) / (high - low)
    return float(laws[first - 1] + part * (laws[first] - laws[first - 1]))


@lru_cache(maxsize=8)
def _ranks(n: int) -> np.ndarray:
    """Ranks from 0 of y in the order of x under each law, (laws, DRAWS, n)."""
    rng = np.random.default_rng(0)
    x, other = np.sort(rng.normal(size=(DRAWS, n)), axis=1), rng.normal(size=(DRAWS, n))
    ranks = np.empty((len(_LAWS), DRAWS, n), dtype=np.int16)
    for law, r in enumerate(_LAWS):
        y = r * x + sqrt(1 - r * r) * other  # the same draws for all, so that chances are smooth
        ranks[law] = np.argsort(np.argsort(y, axis=1), axis=1)
    ranks.flags.writeable = False
    return ranks
