"""Settings of the command line, laid over a config."""

from __future__ import annotations

import pytest

from egraff_lmp.errors import EgraffError
from egraff_lmp.overrides import overlaid

RAW = {"a": 1, "b": {"c": 2, "d": [{"e": 3}, {"e": 4}]}}


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("a=5", {**RAW, "a": 5}),
        ("b.c=null", {**RAW, "b": {**RAW["b"], "c": None}}),
        ("b.x.y=[Ge, Te]", {**RAW, "b": {**RAW["b"], "x": {"y": ["Ge", "Te"]}}}),
        ("b.d.1.e=true", {**RAW, "b": {**RAW["b"], "d": [{"e": 3}, {"e": True}]}}),
        ("a=x=y", {**RAW, "a": "x=y"}),
        ("b.c=", {**RAW, "b": {**RAW["b"], "c": None}}),
    ],
)
def test_values_are_laid_over(setting, expected):
    before = repr(RAW)
    assert overlaid(RAW, [setting]) == expected
    assert repr(RAW) == before


def test_the_last_one_counts():
    assert overlaid(RAW, ["a=2", "a=3"])["a"] == 3


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("a", "--set a: expected KEY=VALUE"),
        ("=3", "expected KEY=VALUE"),
        ("a={", "expected a value in YAML"),
        ("a.b=1", "expected 'b' below a section of the config, got it below the value 1"),
        ("b.d.2.e=1", "expected the number of one of 2 entries, 0 to 1, got '2'"),
        ("b.d.e=1", "got 'e'"),
    ],
)
def test_mistakes_are_told(setting, message):
    with pytest.raises(EgraffError, match=message):
        overlaid(RAW, [setting])
