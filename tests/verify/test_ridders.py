"""Derivatives from energies that are known to many digits and to few."""

from __future__ import annotations

import numpy as np
import pytest

from egraff_lmp.verify.ridders import derivative, steps


def slope(function, x: float, first: float) -> tuple[float, float]:
    return derivative(
        [function(x + h) for h in steps(first)], [function(x - h) for h in steps(first)], first
    )


@pytest.mark.parametrize(
    ("function", "exact"),
    [(np.exp, np.exp(0.7)), (np.sin, np.cos(0.7)), (lambda x: x**7, 7 * 0.7**6)],
)
def test_smooth_functions(function, exact) -> None:
    value, error = slope(function, 0.7, 0.1)
    assert value == pytest.approx(exact, rel=1e-11)
    assert error < 1e-9


def test_noise_costs_what_the_step_says() -> None:
    """Noise of 1e-6 in the energies gives an error of the slope of the size of noise over step.

    With a step of 0.1 that is 1e-5; the extrapolation to step zero makes it several times larger.
    """
    rng = np.random.default_rng(1)
    value, _ = slope(lambda x: np.exp(x) + rng.normal(0, 1e-6), 0.7, 0.1)
    assert value == pytest.approx(np.exp(0.7), abs=2e-4)


def test_a_jump_is_not_a_slope() -> None:
    """A step of 1e-3 at the point itself is seen, whatever the extrapolation does."""
    value, _ = slope(lambda x: x + 1e-3 * (x > 0.7), 0.7, 0.1)
    assert abs(value - 1.0) > 1e-3
