"""Numbers as text: digits, powers, special values."""

from __future__ import annotations

import math

import pytest

from egraff_lmp.report.numbers import number
from egraff_lmp.score.words import counted


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0"),
        (0, "0"),
        (41233, "41\u202f233"),
        (5.67, "5.67"),
        (0.999951, "1.00"),
        (9.999, "10.0"),
        (99.96, "100"),
        (1234.5, "1234"),
        (0.00123, "0.00123"),
        (0.00021, "2.10\u202f×\u202f10⁻⁴"),
        (-250000.0, "-2.50\u202f×\u202f10⁵"),
        (math.inf, "infinite"),
        (math.nan, "not a number"),
    ],
)
def test_number(value: float | None, text: str) -> None:
    assert number(value) == text


def test_rounding_up_to_the_next_power_keeps_the_digits() -> None:
    assert number(0.00099996) == "0.00100"


def test_one_is_not_many() -> None:
    assert [counted(n, "rank") for n in (0, 1, 2)] == ["0 ranks", "1 rank", "2 ranks"]
