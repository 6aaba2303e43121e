"""How much worse a score of one model is than that of another, with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, isfinite, sqrt

import numpy as np

from egraff_lmp.score.options import Options
from egraff_lmp.score.records import RERUN_REFERENCE, Score

# What the interval of a difference is made of.
STARTS, INTERVALS = "starts", "intervals"


@dataclass(frozen=True)
class Difference:
    """A difference of two scores.

    Attributes:
        value: in the unit of the scores; above 0 the first one is worse.
        interval: at the confidence of the scores' own intervals; None where the noise is not known.
        noise: what the interval is made of: the values of single rollouts ("starts"), or the
            intervals of the two scores ("intervals"); "" without one.
    """

    value: float
    interval: tuple[float, float] | None = None
    noise: str = ""

    @property
    def worse(self) -> bool:
        """Whether the first score is worse, beyond the noise."""
        return self.interval is not None and self.interval[0] > 0

    @property
    def better(self) -> bool:
        """Whether it is better, beyond the noise."""
        return self.interval is not None and self.interval[1] < 0


def difference(
    one: Score, other: Score, better: str = "lower", floor: float | None = None
) -> Difference | None:
    """How much worse `one` is than `other`; None where one of them has no finite value.

    Of scores of rollouts, the interval is d +- h around the difference d of the two values, with h
    of Student's t for the differences of single rollouts (`half_width`): rollouts of a benchmark
    with the same number begin at the same frame with the same velocities. The reference is the same
    for both, and its error e makes the squared distances of two curves c and b from it differ by
    -2 e.(c - b). That is what the floor is for: what lies below it counts as at the floor, as in
    `ranking`, so that two scores below are equal however narrow their interval is.

    Of scores without rollouts (errors on frames of the reference), it is made of the intervals
    [l, u] of the two (square-and-add: Zou and Donner, Stat. Med. 27, 1693 (2008), eq. 7):

        [d - sqrt((s1 - l1)^2 + (u2 - s2)^2), d + sqrt((u1 - s1)^2 + (s2 - l2)^2)]

    As the two share their frames, it is rather too wide. A score of a single rollout has no
    interval here, as it knows nothing of the noise of starts.

    Args:
        one, other: scores of one key, mode, comparison and part.
        better: "lower" or "higher".
        floor: what reference against reference gives, where that is the noise of the scores.
    """
    if one.value is None or other.value is None:
        return None
    if not (isfinite(one.value) and isfinite(other.value)):
        return None
    bound = max if better == "lower" else min
    ours, its = (v if floor is None else bound(v, floor) for v in (one.value, other.value))
    d = ours - its
    ends, noise = None, ""
    mine, theirs = _known(one.per_start), _known(other.per_start)
    if of_rollouts(one) and min(len(mine), len(theirs)) > 1:
        half = half_width(mine, theirs)
        ends, noise = (d - half, d + half), STARTS
    elif not of_rollouts(one) and one.interval is not None and other.interval is not None:
        low = hypot(one.value - one.interval[0], other.interval[1] - other.value)
        high = hypot(one.interval[1] - one.value, other.value - other.interval[0])
        ends, noise = (d - low, d + high), INTERVALS
    if better == "higher":
        d, ends = its - ours, None if ends is None else (0 - ends[1], 0 - ends[0])
    return Difference(d, ends, noise)


def of_rollouts(score: Score) -> bool:
    """Whether rollouts enter a score: not into errors on frames of the reference."""
    return score.comparison != RERUN_REFERENCE


def half_width(one: Sequence[float], other: Sequence[float]) -> float:
    """Half the width of the interval of a difference of two means, at least two values each.

    t s / sqrt(n) of the n differences in order. Where some rollouts have no value the numbers are
    not equal, and it is that of independent means with Welch's and Satterthwaite's degrees of
    freedom, t sqrt(s1^2/n1 + s2^2/n2) (Welch, Biometrika 34, 28 (1947)).
    """
    from scipy.special import stdtrit  # an optional package

    if len(one) == len(other):
        variance = _of_mean(np.subtract(one, other))
        freedom = len(one) - 1.0
    else:
        a, b = _of_mean(one), _of_mean(other)
        variance = a + b
        below = a**2 / (len(one) - 1) + b**2 / (len(other) - 1)
        freedom = variance**2 / below if below else 1.0
    return float(stdtrit(freedom, 0.5 * (1 + Options.confidence)) * sqrt(variance))


def _of_mean(values: Sequence[float] | np.ndarray) -> float:
    """Variance of the mean of independent values."""
    return float(np.var(values, ddof=1)) / len(values)


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None and isfinite(value)]
