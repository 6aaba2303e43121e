"""Forces vanish in a perfect crystal, and grow linearly when its atoms are displaced.

A normalisation that divides by the size of vanishing features makes the force of an atom at a
symmetric site a matter of rounding, and its derivative there huge.
"""

from __future__ import annotations

import numpy as np

from egraff_lmp.verify.finding import Context, Finding, at_most, largest
from egraff_lmp.verify.structures import moved

DISPLACEMENTS_A = (1e-4, 1e-3, 1e-2, 1e-1)
SEED = 5
# The force per displacement against that of 0.1 A. A crystal far from its equilibrium, with soft
# modes that the smaller displacements do not feel alike, changes it by a few times; dividing by
# vanishing features by hundreds.
GROWTH = 10.0


def judge(context: Context) -> tuple[Finding, ...]:
    """The largest force at rest, and the largest force constant against that at 0.1 A."""
    crystals = context.subject.crystals
    structures = []
    for crystal in crystals:
        shape = crystal.structure.positions.shape
        direction = np.random.default_rng(SEED).normal(size=shape)
        direction /= np.linalg.norm(direction, axis=1).max()
        structures.append(crystal.structure)
        structures += [moved(crystal.structure, d * direction) for d in DISPLACEMENTS_A]
    found = context.python.many(structures)
    at_rest, rest_at, growth, growth_at, edge = 0.0, "", 0.0, "", 1.0
    each = 1 + len(DISPLACEMENTS_A)
    for k, crystal in enumerate(crystals):
        forces = [largest(e.forces) for e in found[k * each : (k + 1) * each]]
        rest = forces[0] / max(1.0, forces[-1])
        rest = rest if np.isfinite(rest) else np.inf
        if rest > at_rest:
            at_rest, rest_at = rest, crystal.name
        # The rounding that is left at rest is not the crystal's force constant.
        floor = context.precision.rest * max(1.0, forces[-1])
        constants = [
            max(0.0, f - floor) / d for f, d in zip(forces[1:], DISPLACEMENTS_A, strict=True)
        ]
        scale = max(constants[-1], edge)
        worst = int(np.argmax(constants))
        ratio = constants[worst] / scale if np.isfinite(forces).all() else np.inf
        if ratio > growth:
            growth, growth_at = ratio, f"{crystal.name}, {DISPLACEMENTS_A[worst]:g} A"
    return (
        at_most("crystals: force at rest", at_rest, context.precision.rest, "eV/A", rest_at),
        at_most("crystals: growth of the force", growth, GROWTH, "times", growth_at),
    )
