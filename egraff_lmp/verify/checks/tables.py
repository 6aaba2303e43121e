"""Accuracy of radial tables, where a file has them."""

from __future__ import annotations

from egraff_lmp.verify.finding import Context, Finding, at_most, not_applicable

NAME = "tables: error of the radial functions"
# What the exporter allows (`forcefields/fast/table.py`): float32 keeps seven digits, of which the
# sum over neighbours and layers needs six.
LIMIT = 3e-6


def judge(context: Context) -> tuple[Finding, ...]:
    """What the exporter measured between the knots, as the contract states it."""
    error = context.subject.contract.radial_table_error
    if error == 0.0:
        return (not_applicable(NAME, "the file has no radial tables"),)
    return (at_most(NAME, error, LIMIT, "of the largest weight"),)
