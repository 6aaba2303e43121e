"""How much worse one score is than another: closed forms, limits, and what has no interval."""

from __future__ import annotations

from dataclasses import replace

import pytest
from synthetic_results import score

from egraff_lmp.results.difference import INTERVALS, STARTS, difference, half_width
from egraff_lmp.score.records import RERUN_REFERENCE, STRUCTURE, Score

# Student's t at 97.5 %, from tables.
T_1, T_2, T_4 = 12.7062, 4.30265, 2.77645
TABLES = 1e-5  # digits of these


def rerun(value: float | None, low: float = 0.0, high: float = 0.0) -> Score:
    return score(value, "force_mae", RERUN_REFERENCE, interval=(low, high))


def rollouts(*values: float | None, value: float | None = None) -> Score:
    known = [one for one in values if one is not None]
    mean = sum(known) / len(known) if known and value is None else value
    return score(mean, "wf", STRUCTURE, part="total", per_start=values)


def test_intervals_of_errors_on_the_reference_add_in_squares():
    found = difference(rerun(10, 7, 14), rerun(5, 1, 9))
    assert found is not None
    assert found.interval == pytest.approx((5 - 5, 5 + (4**2 + 4**2) ** 0.5))
    assert found.noise == INTERVALS
    assert not found.worse
    assert difference(rerun(10, 9, 11), rerun(5, 4, 6)).worse  # type: ignore[union-attr]
    assert difference(rerun(5, 4, 6), rerun(10, 9, 11)).better  # type: ignore[union-attr]


def test_exchanging_the_two_turns_the_difference_round():
    one, other = rerun(10, 7, 14), rerun(5, 1, 9)
    there, back = difference(one, other), difference(other, one)
    assert there is not None
    assert back is not None
    assert there.interval is not None
    assert back.interval == pytest.approx((-there.interval[1], -there.interval[0]))
    higher = difference(one, other, "higher")
    assert higher is not None
    assert (higher.value, higher.interval) == (back.value, pytest.approx(back.interval))


def test_a_score_does_not_differ_from_itself():
    for one in (rerun(10, 7, 14), rollouts(3.0, 4.0, 5.0)):
        found = difference(one, one)
        assert found is not None
        assert found.value == 0
        assert not found.worse
        assert not found.better


def test_rollouts_are_compared_start_by_start():
    # The starts scatter by 10 and more, the differences by 1 and less.
    base, rung = rollouts(10.0, 20.0, 40.0), rollouts(15.0, 26.0, 47.0)
    found = difference(rung, base)
    assert found is not None
    half = T_2 * 1.0 / 3**0.5
    assert found.interval == pytest.approx((6 - half, 6 + half), rel=TABLES)
    assert (found.noise, found.worse) == (STARTS, True)


def test_two_starts_know_little_of_their_scatter():
    assert half_width([1.0, 2.0], [0.0, 0.0]) == pytest.approx(T_1 * 0.5, rel=TABLES)
    assert half_width([1.0, 2.0, 3.0, 4.0, 5.0], [0.0] * 5) == pytest.approx(
        T_4 * (2.5 / 5) ** 0.5, rel=TABLES
    )


def test_where_some_rollouts_have_no_value_the_others_are_independent():
    base, rung = rollouts(10.0, 12.0, 14.0), rollouts(20.0, None, 22.0)
    found = difference(rung, base)
    assert found is not None
    assert found.interval is not None
    # Welch: variances of the means 4/3 and 1.
    a, b = 4 / 3, 1.0
    freedom = (a + b) ** 2 / (a**2 / 2 + b**2 / 1)
    assert 2 < freedom < 3
    half = found.interval[1] - found.value
    assert T_4 * (a + b) ** 0.5 < half < T_2 * (a + b) ** 0.5


def test_one_rollout_knows_nothing_of_the_noise_of_starts():
    found = difference(rollouts(30.0), rollouts(3.0))
    assert found is not None
    assert (found.value, found.interval, found.noise) == (27.0, None, "")
    assert not found.worse
    # One rollout beside several is no better.
    assert difference(rollouts(30.0), rollouts(3.0, 4.0)).interval is None  # type: ignore[union-attr]


def test_what_is_below_the_floor_is_at_the_floor():
    base, rung = rollouts(3.0, 3.0, 3.0), rollouts(5.0, 5.0, 5.0)
    assert difference(rung, base).value == 2  # type: ignore[union-attr]
    assert difference(rung, base, floor=4.0).value == 1  # type: ignore[union-attr]
    below = difference(rung, base, floor=6.0)
    assert below is not None
    assert (below.value, below.worse) == (0, False)
    assert difference(base, rung, "higher", floor=4.0).value == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("nothing", [None, float("nan"), float("inf")])
def test_without_a_finite_value_there_is_no_difference(nothing: float | None):
    assert difference(replace(rerun(1.0), value=nothing), rerun(5.0)) is None
    assert difference(rerun(5.0), replace(rerun(1.0), value=nothing)) is None
