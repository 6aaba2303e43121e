"""Floors: what a perfect model would read with the number and length of the rollouts scored.

A perfect model draws from the reference's own distribution, so the mean curves of its rollouts and
of the reference differ by the noise of both sides, whose variances add,

    Var(g^ - g_ref) = v_ref + v_rollouts,

and its score is not 0 but that of such a difference. Of a trajectory that is K blocks long, whose
blocks have the autocovariance C(k), the mean has the variance (Anderson, Statistical Analysis of
Time Series, 8.2)

    v = (1/K) [ C(0) + 2 sum_(k=1)^(K-1) (1 - k/K) C(k) ].

C is that of the curve, summed over its bins, from the fine blocks of the reference. As these are
measured from their own mean, sums of products D(k) = (1/K) sum_b d_b . d_(b+k) are too small by
v (1 - k/K) each; solved for v, with C(k) = 0 beyond a lag M,

    v_ref = [ D(0) + 2 sum_(k=1)^M D(k) ] / ( K - 1 - 2 sum_(k=1)^M (1 - k/K) ),

which is s^2/K for independent blocks. M is the first lag of at least four correlation times,
M >= 2 s with the statistical inefficiency s = K v_ref / C(0) (Sokal's window). v of a rollout
follows from the same C at its own length; two that share their first positions are two ways out of
one point, whose frames at times t and t' after it have the covariance C(t + t') (reversible
dynamics), so that they count for less than two.

Pairs of (reference, rollouts) with these variances are drawn as weighted means of the reference's
blocks, with weights from a symmetric Dirichlet distribution of K parameters (n - 1)/K: a weighted
mean has the variance D(0)/n (Rubin's Bayesian bootstrap is n = K + 1), and n = D(0)/v need be no
whole number. Weights are positive, so that distributions stay distributions. The floor is the mean
score of such pairs, and what 95 % of them stay below is the value up to which a model is not told
apart from a perfect one.

What it leaves out: a JSD of counts so rare that the reference has bins without any is too low, by
a fifth at worst, as no draw visits these bins. Rollouts start from frames of the reference, which a
perfect model stays near for a correlation time; its score may be lower by that. Where the reference
is no time series its frames are taken for independent, and v of a rollout is that of its own
blocks. A reference of few correlation times cannot tell its own noise: it is said where it has less
than `FEW`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from egraff_lmp.score.arrays import Floats
from egraff_lmp.score.options import Options

MIN_BLOCKS = 4  # fewer tell no autocovariance
FEW = 10.0  # independent stretches: with fewer, a variance of the mean is known to 50 % at best
WINDOW = 2.0  # M over s: beyond it lie 2 % of an exponential correlation
SMALLEST = 1e-3  # of n - 1, for which a draw is nearly always a single block

Value = Callable[[Floats, Floats], float]


@dataclass(frozen=True)
class Length:
    """How long a rollout is that was scored.

    Attributes:
        frames: number of frames that entered.
        step_fs: time between them, None where unknown.
        start: label of its first positions; rollouts of one label share them.
        skipped: frames between these and the first frame that entered.
        blocks: (K, D) sums over its own blocks, which are used where the reference is no time
            series.
        weights: (K,) frames in these.
    """

    frames: int
    step_fs: float | None
    start: int
    skipped: int
    blocks: Floats
    weights: Floats


@dataclass(frozen=True)
class Correlation:
    """How the blocks of a trajectory are correlated.

    Attributes:
        spread: D(0), mean square distance of a block from the mean of all.
        covariance: (M + 1,) C(k), 0 beyond.
        of_mean: v, variance of the mean of all blocks.
    """

    spread: float
    covariance: Floats
    of_mean: float

    def at(self, lags: Floats) -> Floats:
        """C at lags in blocks, interpolated."""
        known = np.append(self.covariance, 0.0)
        return np.interp(lags, np.arange(len(known)), known, right=0.0)


@dataclass(frozen=True)
class Floor:
    """What a perfect model would read.

    Attributes:
        mean: expected value.
        high: that 95 % of perfect models (or another confidence) stay below.
        stretches: independent stretches of the reference, K/s.
    """

    mean: float
    high: float
    stretches: float


def correlation(curves: Floats) -> Correlation:
    """Of curves (K, D) of consecutive blocks of equal length, K of at least two."""
    k_all = len(curves)
    d = curves - curves.mean(axis=0)
    products = d @ d.T
    sums = np.array([np.trace(products, offset=k) for k in range(k_all // 2 + 1)]) / k_all
    shares = 1 - np.arange(len(sums)) / k_all
    counted, numbers = 2 * np.cumsum(sums) - sums[0], 2 * np.cumsum(shares) - 1
    variances = np.maximum(counted / (k_all - numbers), 0.0)
    inefficiencies = k_all * variances / np.maximum(sums[0] + variances, np.finfo(float).tiny)
    long_enough = np.arange(len(sums)) >= WINDOW * np.maximum(inefficiencies, 1.0)
    last = int(np.argmax(long_enough)) if long_enough.any() else len(sums) - 1
    v = float(variances[last]) or float(variances[0])
    return Correlation(float(sums[0]), sums[: last + 1] / shares[: last + 1] + v, v)


def variance_of_start(found: Correlation, lengths: Sequence[Length], block_fs: float) -> float:
    """v of the mean over all frames of rollouts that share their first positions."""
    total, v = sum(one.frames for one in lengths), 0.0
    for a, one in enumerate(lengths):
        for b, other in enumerate(lengths[: a + 1]):
            (n, t, first), (m, u, second) = (_samples(x, block_fs) for x in (one, other))
            share = one.frames * other.frames / total**2
            if a == b:
                lags = np.arange(1.0, np.ceil(n))
                terms = (1 - lags / n) * found.at(lags * t)
                v += share * (found.covariance[0] + 2 * float(terms.sum())) / n
                continue
            i, j = np.arange(np.ceil(n)), np.arange(np.ceil(m))
            until = len(found.covariance)  # 0 beyond
            i, j = i[first + i * t < until], j[second + j * u < until]
            both = found.at(np.add.outer(first + i * t, second + j * u)).sum() / (n * m)
            v += 2 * share * float(both)
    return v


def _samples(one: Length, block_fs: float) -> tuple[float, float, float]:
    """Samples of a rollout, the lag between them and that of the first one, in blocks.

    Samples are blocks, or frames where these are further apart.
    """
    step = float(one.step_fs or block_fs) / block_fs
    lag = max(1.0, step)
    return max(1.0, one.frames * step / lag), lag, one.skipped * step


def floor_of(
    value: Value,
    blocks: Floats,
    weights: Floats,
    lengths: Sequence[Length],
    block_fs: float | None,
    options: Options,
) -> Floor | None:
    """The floor of a value of two sums over frames.

    Args:
        value: of the sums of the rollouts (D,) and of the reference (D,).
        blocks: (K, D) sums over fine blocks of consecutive reference frames.
        weights: (K,) frames in each block.
        lengths: of the rollouts that were scored.
        block_fs: time that a block takes, None where the reference is no time series.
        options: for draws, confidence and seed.

    Returns:
        None for fewer than `MIN_BLOCKS` blocks, or where the value is not finite.
    """
    blocks, weights = blocks[weights > 0], weights[weights > 0]
    lengths = [one for one in lengths if one.frames]
    if len(blocks) < MIN_BLOCKS or not lengths:
        return None
    curves = blocks / weights[:, None]
    timed = block_fs is not None and all(one.step_fs for one in lengths)
    found = correlation(curves) if timed else _independent(curves)
    groups = [[one for one in lengths if one.start == s] for s in {one.start for one in lengths}]
    if block_fs is not None and timed:
        variances = [variance_of_start(found, group, block_fs) for group in groups]
    else:
        per_frame = (found.spread + found.of_mean) * float(weights.mean())
        variances = [_of_own_blocks(group, per_frame) for group in groups]
    rng = np.random.default_rng(options.seed)
    n = options.n_resamples
    own = weights.sum() * _means(rng, curves, found.spread, found.of_mean, n)
    theirs = np.zeros_like(own)
    for group, v in zip(groups, variances, strict=True):
        theirs += sum(one.frames for one in group) * _means(rng, curves, found.spread, v, n)
    values = np.array([value(*pair) for pair in zip(theirs, own, strict=True)])
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    stretches = (found.covariance[0] / found.of_mean) if found.of_mean else float(len(blocks))
    high = float(np.quantile(values, options.confidence))
    return Floor(float(values.mean()), high, float(stretches))


def _independent(curves: Floats) -> Correlation:
    """Of blocks of independent frames."""
    spread = float(((curves - curves.mean(axis=0)) ** 2).sum(axis=1).mean())
    v = spread / (len(curves) - 1)
    return Correlation(spread, np.array([spread + v]), v)


def _of_own_blocks(lengths: Sequence[Length], per_frame: float) -> float:
    """v of rollouts of one start by their own blocks, at least that of independent frames.

    What they share by their start is not known, and left out.
    """
    total, v = sum(one.frames for one in lengths), 0.0
    for one in lengths:
        least = per_frame / one.frames
        filled = one.weights > 0
        if filled.sum() >= MIN_BLOCKS:
            curves = one.blocks[filled] / one.weights[filled][:, None]
            least = max(least, correlation(curves).of_mean)
        v += (one.frames / total) ** 2 * least
    return v


def _means(
    rng: np.random.Generator, curves: Floats, spread: float, v: float, number: int
) -> Floats:
    """Weighted means of blocks with variance v, (number, D)."""
    n = spread / v if v > 0 else np.inf
    if not np.isfinite(n):
        return np.tile(curves.mean(axis=0), (number, 1))
    parameters = np.full(len(curves), max(n - 1, SMALLEST) / len(curves))
    return np.asarray(rng.dirichlet(parameters, number) @ curves)
