"""Confidence intervals by block bootstrap.

Frames of a trajectory are correlated, so what is drawn with replacement are blocks of consecutive
frames, or whole trajectories where there are enough starts, or whole clusters of trajectories that
begin at the same positions. Blocks must be longer than the correlation time for the interval to be
honest; the number of blocks is therefore reported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from egraff_lmp.score.arrays import Floats, Ints

MIN_STARTS = 3  # fewer starts than this say nothing about their own spread
N_RESAMPLES = 400
CONFIDENCE = 0.95


def resampling_units(blocks_per_start: Sequence[int], clusters: Sequence[int] = ()) -> Ints:
    """What each block is drawn together with, (K,).

    Its cluster of rollouts of one start where there are enough clusters, else its rollout where
    there are enough rollouts, else itself.

    Args:
        blocks_per_start: for each rollout the number of its blocks.
        clusters: for each rollout the label of its cluster; () where all are independent.
    """
    if len(set(clusters)) >= MIN_STARTS:
        _, numbers = np.unique(clusters, return_inverse=True)
        return np.asarray(np.repeat(numbers, blocks_per_start), dtype=np.int64)
    if len(blocks_per_start) >= MIN_STARTS:
        return np.repeat(np.arange(len(blocks_per_start)), blocks_per_start)
    return np.arange(sum(blocks_per_start))


def bootstrap_interval(
    statistic: Callable[..., float],
    units: Sequence[Ints],
    *,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    n_resamples: int = N_RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> tuple[float, float] | None:
    """Basic (reverse percentile) bootstrap interval of a statistic of weighted blocks.

    Distances between distributions (a Wright factor, a JSD) are biased upwards by noise, and
    resampling adds noise; the basic interval [2 s - q_high, 2 s - q_low] (Davison and Hinkley,
    Bootstrap Methods, eq. 5.6) turns that bias round. It is clipped to `bounds` and widened to hold
    the estimate s itself.

    Args:
        statistic: called with one array of block weights (K,) for each entry of `units`.
        units: for each independent sample, the unit that each of its blocks is drawn with.
        bounds: range of the statistic.
        n_resamples: number of draws.
        confidence: two-sided, 0.95 for 95 %.
        seed: of the draws.

    Returns:
        (low, high), or None where there is nothing to draw (no sample has two units), or where
        the statistic is not finite.
    """
    estimate = statistic(*(np.ones(len(unit)) for unit in units))
    sizes = [int(unit.max()) + 1 if unit.size else 0 for unit in units]
    if max(sizes, default=0) < 2 or not np.isfinite(estimate):
        return None
    weights = _weights(tuple(tuple(unit.tolist()) for unit in units), n_resamples, seed)
    values = np.array([statistic(*drawn) for drawn in zip(*weights, strict=True)])
    values = values[np.isfinite(values)]
    if values.size < n_resamples // 2:
        return None
    tail = (1 - confidence) / 2
    low, high = 2 * estimate - np.quantile(values, [1 - tail, tail])
    low, high = np.clip([low, high], *bounds)
    return float(min(low, estimate)), float(max(high, estimate))


@lru_cache(maxsize=16)  # all metrics of a scoring draw the same blocks
def _weights(units: tuple[tuple[int, ...], ...], n_resamples: int, seed: int) -> tuple[Floats, ...]:
    """How often each block is drawn, one array (n_resamples, K) for each sample; not writable."""
    rng = np.random.default_rng(seed)
    sizes = [max(unit) + 1 if unit else 0 for unit in units]
    weights = tuple(np.empty((n_resamples, len(unit))) for unit in units)
    for draw in range(n_resamples):
        for unit, size, often in zip(units, sizes, weights, strict=True):
            drawn = np.bincount(rng.integers(0, size, size), minlength=size)
            often[draw] = drawn[list(unit)]
    for array in weights:
        array.flags.writeable = False
    return weights
