"""Derivatives from values at several steps, by Ridders' extrapolation.

C. J. F. Ridders, Adv. Eng. Softw. 4, 75 (1982): central differences at steps that shrink by a
constant factor are extrapolated to zero step (Neville's scheme in the square of the step); the
entry whose error estimate is smallest wins, so that neither truncation nor rounding has to be
guessed.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

FACTOR = 1.5
LEVELS = 6


def steps(first: float) -> tuple[float, ...]:
    """The step sizes that start with `first`."""
    return tuple(first / FACTOR**k for k in range(LEVELS))


def derivative(plus: Iterable[float], minus: Iterable[float], first: float) -> tuple[float, float]:
    """Derivative and its estimated error.

    Args:
        plus: values at +h for every h of `steps(first)`.
        minus: values at -h.
        first: the largest step.
    """
    table = [[(p - m) / (2 * h) for p, m, h in zip(plus, minus, steps(first), strict=True)]]
    best, error = table[0][0], np.inf
    for order in range(1, LEVELS):
        weight = FACTOR ** (2 * order)
        before = table[-1]
        row = [(weight * b - a) / (weight - 1) for a, b in pairwise(before)]
        for k, value in enumerate(row):
            estimate = max(abs(value - before[k]), abs(value - before[k + 1]))
            if estimate < error:
                best, error = value, estimate
        table.append(row)
    return float(best), float(error)
