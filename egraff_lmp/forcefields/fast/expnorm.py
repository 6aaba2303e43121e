"""Where tables of functions of the exponential-normal basis have their knots.

The basis varies with exp(-5 x), x = r / r_max: five times as fast near 0 as uniform knots expect,
and hardly near the cutoff. The coordinate s(x) = (x + (1 - exp(-5 x)) / (1 - exp(-5))) / 2 runs
from 0 to 1 with x, three times as fast as x near 0 and half as fast at the cutoff.

Radial networks with layer norms may vary fast at the cutoff, too: where their biases are small, as
those of Equiformer are at first, a norm divides a vanishing basis by its own size, and the weights
turn within a hundredth of the cutoff. `s` has a third part then, a mean of three with
(exp(20 (x - 1)) - exp(-20)) / (1 - exp(-20)), and runs seven times as fast as x there.
"""

from __future__ import annotations

import math

import torch

_RATE = 5.0
_REST = 1.0 - math.exp(-_RATE)
_EDGE_RATE = 20.0
_EDGE_REST = 1.0 - math.exp(-_EDGE_RATE)
_HALVINGS = 60  # of an interval of 1, to all digits of float64


def table_place(x: torch.Tensor, fine_at_cutoff: bool = False) -> torch.Tensor:
    """s of x, of any shape; with the third part if it is `fine_at_cutoff`."""
    parts = x + (1.0 - torch.exp(-5.0 * x)) / (1.0 - math.exp(-5.0))
    if fine_at_cutoff:
        edge = (torch.exp(20.0 * (x - 1.0)) - math.exp(-20.0)) / (1.0 - math.exp(-20.0))
        return (parts + edge) / 3.0
    return 0.5 * parts


def distance_at(place: torch.Tensor, fine_at_cutoff: bool = False) -> torch.Tensor:
    """x of s, float64: the inverse of `table_place`."""
    low, high = torch.zeros_like(place), torch.ones_like(place)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        below = table_place(middle, fine_at_cutoff) < place
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    # One step of Newton's method, from where the slope is all but constant.
    slope = 1.0 + _RATE * torch.exp(-_RATE * high) / _REST
    count = 2.0
    if fine_at_cutoff:
        slope = slope + _EDGE_RATE * torch.exp(_EDGE_RATE * (high - 1.0)) / _EDGE_REST
        count = 3.0
    x = high - (table_place(high, fine_at_cutoff) - place) * count / slope
    return x.clamp(min=0.0)
