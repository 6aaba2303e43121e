"""Where tables of functions of the exponential-normal basis have their knots.

The basis varies with exp(-5 x), x = r / r_max: five times as fast near 0 as uniform knots expect,
and hardly near the cutoff. The coordinate s(x) = (x + (1 - exp(-5 x)) / (1 - exp(-5))) / 2 runs
from 0 to 1 with x, three times as fast as x near 0 and half as fast at the cutoff.
"""

from __future__ import annotations

import math

import torch

_RATE = 5.0
_REST = 1.0 - math.exp(-_RATE)
# Newton's method has all digits after five.
_STEPS = 8


def table_place(x: torch.Tensor) -> torch.Tensor:
    """s of x; both of any shape."""
    return 0.5 * (x + (1.0 - torch.exp(-5.0 * x)) / (1.0 - math.exp(-5.0)))


def distance_at(place: torch.Tensor) -> torch.Tensor:
    """x of s, float64: the inverse of `table_place`."""
    x = place.clone()
    for _ in range(_STEPS):
        slope = 0.5 * (1.0 + _RATE * torch.exp(-_RATE * x) / _REST)
        x = x - (table_place(x) - place) / slope
    return x.clamp(min=0.0)
