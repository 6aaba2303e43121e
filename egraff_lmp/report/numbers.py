"""Numbers as a reader wants them: significant digits, no spurious precision, plain notation."""

from __future__ import annotations

import math

DASH = "–"
NBSP = "\u00a0"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_THIN_SPACE = "\u202f"


def number(value: float | int | None, digits: int = 3) -> str:
    """`value` with `digits` significant digits; integers whole, in groups of three; None a dash.

    Powers of ten appear below 0.001 and from 100 000 on.
    """
    if value is None:
        return DASH
    if isinstance(value, int):
        return f"{value:,}".replace(",", _THIN_SPACE)
    if not math.isfinite(value):
        return "infinite" if math.isinf(value) else "not a number"
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    power = int(exponent)
    if not -3 <= power < 5:
        return f"{mantissa}{_THIN_SPACE}×{_THIN_SPACE}10{str(power).translate(_SUPERSCRIPT)}"
    return f"{value:.{max(0, digits - 1 - power)}f}"


def span(interval: tuple[float, float] | None) -> str:
    """The two ends of an interval, "" without one."""
    return f"{_THIN_SPACE}{DASH}{_THIN_SPACE}".join(map(number, interval or ()))
