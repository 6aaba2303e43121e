"""The HTML report: records of numbers in, one self-contained page out."""

from egraff_lmp.report.html import render, write_report
from egraff_lmp.report.record import (
    MOTION,
    STRUCTURE,
    VIOLATION,
    Accuracy,
    Cost,
    Curve,
    Failure,
    ModelReport,
    Report,
    Score,
)

__all__ = [
    "MOTION",
    "STRUCTURE",
    "VIOLATION",
    "Accuracy",
    "Cost",
    "Curve",
    "Failure",
    "ModelReport",
    "Report",
    "Score",
    "render",
    "write_report",
]
