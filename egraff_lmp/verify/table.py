"""The table of checks: one row each, in the order of a certificate."""

from __future__ import annotations

from egraff_lmp.verify.checks import (
    crystals,
    cutoff,
    derivatives,
    dynamics,
    histories,
    isolated,
    parity,
    periodicity,
    self_test,
    settings,
    species,
    sums,
    symmetry,
    tables,
)
from egraff_lmp.verify.finding import Check

CHECKS = (
    Check("self-test", "gives what its exporting machine computed", self_test.judge),
    Check(
        "species",
        "knows the species that it states, and no other",
        species.judge,
        species.decks,
        ("SpeciesSupportedAsStated",),
    ),
    Check(
        "symmetry",
        "does not depend on orientation, origin or order of the atoms",
        symmetry.judge,
        openkim=("Objectivity", "InversionSymmetry", "PermutationSymmetry"),
    ),
    Check(
        "derivatives",
        "has forces and a virial that are derivatives of its energy",
        derivatives.judge,
        derivatives.decks,
        ("ForcesNumerDeriv",),
    ),
    Check(
        "cutoff",
        "is continuous where a neighbour passes the cutoff",
        cutoff.judge,
        openkim=("DimerContinuityC1",),
    ),
    Check("crystals", "is smooth around symmetric configurations", crystals.judge),
    Check(
        "isolated",
        "treats atoms apart from each other as apart",
        isolated.judge,
        isolated.decks,
    ),
    Check(
        "periodicity",
        "respects periodic images and free boundaries",
        periodicity.judge,
        periodicity.decks,
        ("PeriodicitySupport",),
    ),
    Check("parity", "gives the same in Python and in LAMMPS", parity.judge_python, parity.decks),
    Check("ranks", "gives the same on every number of ranks", parity.judge_ranks, parity.decks),
    Check(
        "grids", "gives the same on every grid of ranks", settings.judge_grids, settings.grid_decks
    ),
    Check("sums", "has per-atom values that sum to the global ones", sums.judge, sums.decks),
    Check(
        "newton",
        "gives the same with newton on and off",
        settings.judge_newton,
        settings.newton_decks,
    ),
    Check(
        "hidden",
        "is not run with atoms that others do not see",
        settings.judge_hidden,
        settings.hidden_decks,
    ),
    Check(
        "units",
        "gives the same in units metal and real",
        settings.judge_units,
        settings.unit_decks,
        ("UnitConversion",),
    ),
    Check(
        "threads",
        "does not depend on threads or on what else runs in the process",
        settings.judge_threads,
        settings.thread_decks,
        ("ThreadSafety",),
    ),
    Check(
        "round-trip",
        "comes back from restart and data files",
        histories.judge_roundtrip,
        histories.roundtrip_decks,
    ),
    Check(
        "determinism",
        "gives equal bits when a run is repeated on one layout",
        histories.judge_determinism,
        histories.determinism_decks,
    ),
    Check(
        "memory",
        "does not take more memory with every step or reload",
        histories.judge_memory,
        histories.memory_decks,
        ("MemoryLeak",),
    ),
    Check(
        "dynamics",
        "conserves energy, and is thermostatted to Maxwell's velocities",
        dynamics.judge,
        dynamics.decks,
    ),
    Check("tables", "has radial tables that are as accurate as its precision", tables.judge),
)
