"""Plans of made sets: their arithmetic, and what is refused."""

import pytest

from egraff_lmp.errors import EgraffError


def test_segments_and_steps(make_plan):
    plan = make_plan(frames=2500, stride_fs=10.0, equilibration_ps=0.005)
    assert plan.every == 10
    assert plan.segments == [1000, 1000, 500]
    assert plan.settling_steps == 10  # a whole stride
    assert make_plan(frames=1000, equilibration_ps=0.0).segments == [1000]
    assert make_plan(equilibration_ps=0.0).settling_steps == 0


def test_the_papers_plans():
    from egraff_lmp.references import alanine, water

    assert water.PAPER.frames * water.PAPER.stride_fs == 1e6  # 1 ns
    assert alanine.PAPER.frames * alanine.PAPER.stride_fs == 1e8  # 100 ns
    assert sum(water.PAPER.sizes[:2]) == 1000
    assert sum(alanine.PAPER.sizes) == alanine.PAPER.frames


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": 0}, "expected frames above zero, got 0"),
        ({"stride_fs": float("nan")}, "the time between frames above zero, got nan"),
        ({"timestep_fs": -1.0}, "the time step above zero, got -1"),
        ({"temperature_kelvin": float("inf")}, "the temperature above zero, got inf"),
        ({"stride_fs": 2.5}, "whole multiple of the time step, 1 fs, got 2.5 fs"),
        ({"equilibration_ps": -1.0}, "equilibration of 0 ps or more, got -1"),
        ({"seed": 0}, "expected a seed from 1"),
        ({"method": "random"}, "a split out of shuffled, contiguous, got 'random'"),
        ({"sizes": (7, 1, 2)}, r"of 8 frames together at most, got 7 \+ 1 \+ 2: make more"),
        ({"sizes": (-1, 1, 2)}, "together at most, got -1"),
    ],
)
def test_misuse(make_plan, changes, message):
    with pytest.raises(EgraffError, match=message):
        make_plan(**changes)
