"""Radial weights as cubic B-splines: one table a layer in place of a network an edge.

Over [0, 1), w(x) = sum over i = 0 .. 3 of B_i(t) c[k + i] with x * n = k + t and the uniform cubic
B-splines B_i: twice continuously differentiable, four coefficients read a weight. The coefficients
interpolate the function at the n + 1 knots. At the cutoff they have the function's slope, so that a
function that ends there with its derivative does so in the table; at the other end the third
derivative is continuous at the first inner knot ("not a knot").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch

# Errors relative to the largest weight and slope of a layer. Forces inherit about half of the
# slope's: with 2e-4 they came to the 5e-5 that `proof` allows for the whole network.
VALUE_ERROR = 3e-6
SLOPE_ERROR = 4e-5
INTERVALS = (128, 256, 512, 1024, 2048)
# Slopes at the cutoff below this, relative to the largest weight, are rounding of differences.
NO_SLOPE = 1e-6
# From 1 to the points of the one-sided difference that gives the slope there.
END_STEP = 1e-5

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

    def is_good(self, share: float = 1.0) -> bool:
        """Whether both errors are below a share of the bounds of this module."""
        return self.value_error <= share * VALUE_ERROR and self.slope_error <= share * SLOPE_ERROR


def fit_table(radial: Radial, share: float = 1.0) -> Table:
    """The smallest table that is good, else the largest.

    Args:
        radial: x (S,) in [0, 1], float64, to weights (S, n_paths, channels), float64.
        share: of the bounds of this module that its errors may reach.
    """
    for intervals in INTERVALS:
        table = make_table(radial, intervals)
        if table.is_good(share):
            return table
    return table


def make_table(radial: Radial, intervals: int) -> Table:
    """The table with so many intervals, and its errors between the knots."""
    n = intervals
    knots = torch.arange(n + 1, dtype=torch.float64) / n
    with torch.no_grad():
        values = radial(knots)
    shape = values.shape[1:]
    end_slope = _end_slope(radial, float(values.abs().max()))
    right = torch.cat([torch.zeros(1, *shape), values, end_slope / n]).flatten(1)
    coefficients = torch.mm(interpolation(n), right).view(n + 3, *shape)
    return measured_table(radial, coefficients)


def measured_table(radial: Radial, coefficients: torch.Tensor) -> Table:
    """A table with its errors between the knots.

    Args:
        radial: what it stands for, see `fit_table`.
        coefficients: (intervals + 3, n_paths, channels), float64.
    """
    value_error, slope_error = _errors(radial, coefficients)
    return Table(coefficients, value_error, slope_error)


@lru_cache(maxsize=len(INTERVALS))
def interpolation(intervals: int) -> torch.Tensor:
    """What coefficients are made of, (intervals + 3, intervals + 3), float64.

    Its product with zero, the values at the knots, and the slope at 1 over the number of intervals.
    """
    n = intervals
    matrix = torch.zeros(n + 3, n + 3, dtype=torch.float64)
    row = torch.arange(n + 1)
    for offset, weight in enumerate((1 / 6, 4 / 6, 1 / 6)):
        matrix[row + 1, row + offset] = weight
    matrix[0, :5] = torch.tensor([1.0, -4.0, 6.0, -4.0, 1.0], dtype=torch.float64)
    matrix[-1, -3:] = torch.tensor([-0.5, 0.0, 0.5], dtype=torch.float64)
    return torch.linalg.inv(matrix)


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


def _end_slope(radial: Radial, largest: float) -> torch.Tensor:
    """Derivatives by x at 1, (1, n_paths, channels); exactly zero where they vanish."""
    points = 1 - END_STEP * torch.arange(3, dtype=torch.float64)
    with torch.no_grad():
        at = radial(points)
    slope = (3 * at[0:1] - 4 * at[1:2] + at[2:3]) / (2 * END_STEP)
    return torch.where(slope.abs() <= NO_SLOPE * largest, torch.zeros_like(slope), slope)


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
