"""Accuracy of radial tables, where a file has them."""

from __future__ import annotations

from egraff_lmp.verify.finding import Context, Finding, at_most, not_applicable

NAME = "tables: error of the radial functions"


def judge(context: Context) -> tuple[Finding, ...]:
    """What the exporter measured, as the contract states it."""
    stated = getattr(context.subject.contract, "radial_table_error", None)
    if stated is None:
        return (not_applicable(NAME, "the file has no radial tables"),)
    return (at_most(NAME, float(stated), context.precision.python, "relative"),)
