"""Sentences about findings, for the terminal and the page."""

from __future__ import annotations

from egraff_lmp.report.numbers import number
from egraff_lmp.verify.finding import Finding


def sentence(finding: Finding) -> str:
    """One finding in words."""
    where = f" ({finding.where})" if finding.where else ""
    subject = f"{finding.name[:1].upper()}{finding.name[1:]}{where}"
    reason = f": {finding.reason}" if finding.reason else ""
    if finding.value is None or finding.threshold is None:
        joint = "is" if finding.verdict == "not applicable" else "has"
        return f"{subject} {joint} {finding.verdict}{reason}."
    unit = f" {finding.unit}" if finding.unit else ""
    bound = "at least" if finding.at_least else "at most"
    return (
        f"{subject} is {count(finding.value)}{unit}, where {bound} {finding.threshold:g} is "
        f"allowed{reason}."
    )


def count(value: float | None) -> str:
    """A number in three digits, whole numbers as such; "" for none."""
    if value is None:
        return ""
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e5 else number(value)
