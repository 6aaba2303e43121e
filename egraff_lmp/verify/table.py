"""The table of checks: one row each, in the order of a certificate."""

from __future__ import annotations

from egraff_lmp.verify.checks import parity, self_test, sums, symmetry
from egraff_lmp.verify.finding import Check

CHECKS = (
    Check("self-test", "gives what its exporting machine computed", self_test.judge),
    Check(
        "symmetry",
        "does not depend on orientation, origin or order of the atoms",
        symmetry.judge,
        openkim=("objectivity", "inversion symmetry", "permutation symmetry"),
    ),
    Check(
        "parity",
        "gives the same in Python and in LAMMPS",
        parity.judge_python,
        parity.decks,
    ),
    Check("ranks", "gives the same on every number of ranks", parity.judge_ranks, parity.decks),
    Check("sums", "has per-atom values that sum to the global ones", sums.judge, sums.decks),
)
