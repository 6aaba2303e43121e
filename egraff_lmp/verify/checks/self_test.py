"""The network against the results that its exporting machine left in the contract."""

from __future__ import annotations

import numpy as np

from egraff_lmp.verify.finding import Context, Finding, at_least, at_most, not_applicable
from egraff_lmp.verify.structures import self_test_frame

# A float32 number has 24 bits: of a hundred energies that passed through float64 arithmetic none is
# one by chance.
FLOAT64_SHARE = 0.5


def judge(context: Context) -> tuple[Finding, ...]:
    """Energies and forces of the contract's frame, and whether energies carry float64 digits."""
    test = context.subject.contract.self_test
    found = context.python.one(self_test_frame(context.subject.contract))
    forces = np.array(test.forces).reshape(-1, 3)
    scale = max(1.0, np.abs(forces).max(initial=0.0))
    limit = context.precision.python * scale
    energies = np.abs(found.energies - np.array(test.energies)).max(initial=0.0)
    return (
        at_most("self test: energies", energies, limit, "eV"),
        at_most("self test: forces", np.abs(found.forces - forces).max(initial=0.0), limit, "eV/A"),
        _digits(context, found.energies),
    )


def _digits(context: Context, energies: np.ndarray) -> Finding:
    """A reference energy in float32 leaves a total of -40 000 eV uncertain by 4 meV."""
    name = "self test: energies in float64"
    if not np.any(energies):
        return not_applicable(name, "all energies of the frame are zero")
    share = float(np.mean(energies != energies.astype(np.float32)))
    return at_least(name, share, FLOAT64_SHARE, "of the atoms")
