"""The ranking of a negative control: what is behind what, and what is not told apart."""

from __future__ import annotations

import pytest

from egraff_lmp.results.ranking import (
    CANNOT,
    NOT_AVAILABLE,
    NOT_BEYOND,
    NOT_LAST,
    TELLS,
    Entry,
    decorrelated,
    leaders,
    rank_control,
)


def entry(model: str, value: float | None, half: float | None = 0.5, survived: float = 1.0):
    interval = None if value is None or half is None else (value - half, value + half)
    return Entry(model, value, interval, survived)


GOOD, FAIR = entry("good", 3), entry("fair", 5)


def test_a_control_with_a_worse_value_is_last():
    ranking = rank_control(entry("broken", 30), [GOOD, FAIR])
    assert (ranking.verdict, ranking.rank, ranking.of) == (TELLS, 3, 3)
    assert ranking.no_better == ()
    assert not ranking.broke


def test_better_may_be_higher():
    values = [entry("good", 300, 10), entry("fair", 200, 10)]
    assert rank_control(entry("broken", 20, 10), values, better="higher").verdict == TELLS
    assert rank_control(entry("broken", 310, 10), values, better="higher").verdict == CANNOT


@pytest.mark.parametrize("half", [None, 6.0])
def test_overlapping_or_missing_intervals_are_not_told_apart(half: float | None):
    ranking = rank_control(entry("broken", 8, half), [GOOD, FAIR])
    assert (ranking.verdict, ranking.rank) == (NOT_BEYOND, 3)


def test_touching_intervals_are_not_told_apart():
    assert rank_control(entry("broken", 4), [GOOD]).verdict == NOT_BEYOND
    assert rank_control(entry("broken", 4.01), [GOOD]).verdict == TELLS


def test_a_tie_is_at_the_control_not_ahead_of_it():
    ranking = rank_control(entry("broken", 3), [GOOD])
    assert (ranking.verdict, ranking.rank, ranking.no_better) == (CANNOT, 1, ("good",))


def test_a_model_behind_the_control_is_named():
    # The score sees the difference from the best; the other model is as bad as the control.
    ranking = rank_control(entry("broken", 30), [GOOD, entry("untrained", 40)])
    assert (ranking.verdict, ranking.rank, ranking.no_better) == (NOT_LAST, 2, ("untrained",))
    # Where it does not even see that, it cannot tell.
    ranking = rank_control(entry("broken", 3.2), [GOOD, entry("untrained", 40)])
    assert (ranking.verdict, ranking.no_better) == (CANNOT, ("untrained",))


def test_a_broken_rollout_is_last_even_where_its_few_frames_are_perfect():
    ranking = rank_control(entry("broken", 0.0, 0.0, survived=0.1), [GOOD, FAIR])
    assert (ranking.verdict, ranking.rank) == (TELLS, 3)
    assert ranking.broke
    assert ranking.reason.code == "survived"
    assert ranking.reason.values["survived"] == 0.1


def test_a_broken_rollout_without_any_score_is_last():
    assert rank_control(entry("broken", None, survived=0.0), [GOOD]).verdict == TELLS


def test_the_longer_survivor_is_ahead_but_only_a_whole_rollout_is_told_apart():
    control = entry("broken", 1, survived=0.4)
    dead = entry("dead", 50, survived=0.1)
    ahead = entry("limping", 50, survived=0.9)
    assert rank_control(control, [ahead]).verdict == NOT_BEYOND
    assert rank_control(control, [dead]).verdict == CANNOT
    ranking = rank_control(control, [GOOD, dead, ahead])
    assert (ranking.verdict, ranking.no_better, ranking.rank) == (NOT_LAST, ("dead",), 3)


def test_two_that_broke_are_told_apart_by_how_long_they_were_whole():
    early = Entry("broken", 1, None, 0.02, (0.01, 0.03))
    late = Entry("limping", 50, None, 0.5, (0.3, 0.8))
    ranking = rank_control(early, [late])
    assert (ranking.verdict, ranking.broke) == (TELLS, True)
    assert ranking.reason.values["survived"] == 0.02
    assert ranking.reason.values["best_survived"] == 0.5
    near = Entry("limping", 50, None, 0.04, (0.02, 0.06))
    assert rank_control(early, [near]).verdict == NOT_BEYOND
    assert rank_control(late, [early]).verdict == CANNOT


def test_equal_survival_is_decided_by_the_score():
    half = [entry(name, value, survived=0.5) for name, value in (("broken", 9), ("good", 3))]
    ranking = rank_control(half[0], half[1:])
    assert ranking.verdict == TELLS
    assert not ranking.broke


def test_nothing_below_the_floor_is_ranked():
    # 4 and 3 are both as good as the reference against itself, however narrow their intervals.
    ranking = rank_control(entry("broken", 4, 0.1), [entry("good", 3, 0.1)], floor=6)
    assert (ranking.verdict, ranking.no_better) == (CANNOT, ("good",))
    assert (ranking.reason.code, ranking.reason.values["floor"]) == ("at-floor", 6)
    # Beyond the floor, but not told apart from it: nor from a model below it.
    assert rank_control(entry("broken", 6.3), [GOOD], floor=6).verdict == NOT_BEYOND
    assert rank_control(entry("broken", 7.0), [GOOD], floor=6).verdict == TELLS


def test_what_has_no_score_is_left_out():
    none = entry("none", None)
    assert rank_control(entry("broken", 30), [none]).verdict == NOT_AVAILABLE
    assert rank_control(none, [GOOD]).verdict == NOT_AVAILABLE
    assert rank_control(entry("broken", 30), [none, GOOD]).of == 2


def test_fv_at_the_line_carries_no_information():
    assert decorrelated([entry("a", 0.7057, 0.003), entry("b", 0.80, 0.01)])
    assert decorrelated([entry("a", 0.69, 0.02)])  # an interval that reaches the line
    assert not decorrelated([entry("a", 0.30, 0.05), entry("b", 0.80, 0.01)])
    assert not decorrelated([entry("a", None)])
    assert not decorrelated([])


def test_models_that_are_not_told_apart_lead_together():
    near, far = entry("near", 3.5, 1), entry("far", 9, 1)
    assert leaders([entry("first", 3, 1), near, far]) == ("first", "near")
    assert leaders([entry("first", 3, 1), near]) == ()  # nobody is behind
    assert leaders([entry("high", 9, 1), entry("low", 3, 1)], better="higher") == ("high",)
    # Without intervals nothing is told apart.
    assert leaders([entry("a", 3, None), entry("b", 9, None)]) == ()
    assert leaders([]) == ()


def test_models_below_the_floor_lead_together():
    models = [entry("a", 1, 0.1), entry("b", 2, 0.1), entry("c", 9, 0.1)]
    assert leaders(models) == ("a",)
    assert leaders(models, floor=3.0) == ("a", "b")


def test_a_model_that_broke_does_not_lead():
    good, broken = entry("good", 5, 1), entry("broken", 1, 0.1, survived=0.4)
    assert leaders([good, broken]) == ("good",)
