"""Python against LAMMPS, and rank counts against each other, on the same file and frame."""

from egraff_lmp.compare.compare import Comparison, Difference, compare
from egraff_lmp.compare.lammps_side import Case, LammpsResult, evaluate_in_lammps

__all__ = [
    "Case",
    "Comparison",
    "Difference",
    "LammpsResult",
    "compare",
    "evaluate_in_lammps",
]
