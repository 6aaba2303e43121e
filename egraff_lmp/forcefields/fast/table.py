"""Radial weights as cubic B-splines: one table a layer in place of a network an edge.

Over [0, 1), w(x) = sum over i = 0 .. 3 of B_i(t) c[k + i] with x * n = k + t and the uniform cubic
B-splines B_i: twice continuously differentiable, four coefficients read a weight. The coefficients
interpolate the function at the n + 1 knots; the third derivative is continuous at the knots next
to the ends ("not a knot").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

# Errors relative to the largest weight and slope of a layer. Forces inherit about half of the
# slope's: with 2e-4 they came to the 5e-5 that `proof` allows for the whole network.
VALUE_ERROR = 3e-6
SLOPE_ERROR = 4e-5
INTERVALS = (128, 256, 512, 1024)
# Relative to the largest weight: functions that end at the cutoff.
VANISHES = 1e-9

Radial = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Table:
    """Coefficients and what they cost in accuracy.

    Attributes:
        coefficients: (intervals + 3, n_paths, channels) in float64.
        value_error: largest error of a weight relative to the largest weight.
        slope_error: largest error of a slope relative to the largest slope.
    """

    coefficients: torch.Tensor
    value_error: float
    slope_error: float

    @property
    def good(self) -> bool:
        """Both errors are below the bounds of this module."""
        return self.value_error <= VALUE_ERROR and self.slope_error <= SLOPE_ERROR


def fit_table(radial: Radial) -> Table:
    """The smallest table that is good, else the largest.

    Args:
        radial: x (S,) in [0, 1], float64, to weights (S, n_paths, channels), float64.
    """
    for intervals in INTERVALS:
        table = make_table(radial, intervals)
        if table.good:
            return table
    return table


def make_table(radial: Radial, intervals: int) -> Table:
    """The table with so many intervals, and its errors between the knots."""
    n = intervals
    knots = torch.arange(n + 1, dtype=torch.float64) / n
    with torch.no_grad():
        values = radial(knots)
    shape = values.shape[1:]
    right = torch.cat([torch.zeros(1, *shape), values, torch.zeros(1, *shape)]).flatten(1)
    matrix = torch.zeros(n + 3, n + 3, dtype=torch.float64)
    row = torch.arange(n + 1)
    for offset, weight in enumerate((1 / 6, 4 / 6, 1 / 6)):
        matrix[row + 1, row + offset] = weight
    not_a_knot = torch.tensor([1.0, -4.0, 6.0, -4.0, 1.0], dtype=torch.float64)
    matrix[0, :5] = matrix[-1, -5:] = not_a_knot
    coefficients = torch.linalg.solve(matrix, right)
    if values[-1].abs().max() <= VANISHES * values.abs().max():
        # Value, slope and curvature then vanish at the cutoff.
        coefficients[-3:] = 0.0
    coefficients = coefficients.reshape(n + 3, *shape)
    value_error, slope_error = _errors(radial, coefficients)
    return Table(coefficients, value_error, slope_error)


def read_table(coefficients: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Weights (S, n_paths, channels) at x (S,) in [0, 1): the kernel's formula in plain torch.

    Args:
        coefficients: (intervals + 3, n_paths, channels).
    """
    place = x * (coefficients.shape[0] - 3)
    k = place.detach().floor().long()
    t = place - k
    u = 1 - t
    basis = (
        u**3 / 6,
        (3 * t**2 * (t - 2) + 4) / 6,
        (3 * t * (1 + t * u) + 1) / 6,
        t**3 / 6,
    )
    return sum(  # type: ignore[return-value]
        b.view(-1, 1, 1) * coefficients[k + i] for i, b in enumerate(basis)
    )


def _errors(radial: Radial, coefficients: torch.Tensor) -> tuple[float, float]:
    n = coefficients.shape[0] - 3
    x = (torch.arange(4 * n, dtype=torch.float64) + 0.5) / (4 * n)
    step = 1e-5 / n

    def slope(function: Radial) -> torch.Tensor:
        return (function(x + step) - function(x - step)) / (2 * step)

    def table(x: torch.Tensor) -> torch.Tensor:
        return read_table(coefficients, x)

    with torch.no_grad():
        exact, exact_slope = radial(x), slope(radial)
        value_error = (table(x) - exact).abs().max() / exact.abs().max()
        slope_error = (slope(table) - exact_slope).abs().max() / exact_slope.abs().max()
    return float(value_error), float(slope_error)
