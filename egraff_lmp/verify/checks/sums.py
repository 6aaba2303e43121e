"""Per-atom energies and virials sum to the global ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.verify.checks.parity import frame_deck
from egraff_lmp.verify.deck import BAR_A3_PER_EV, Deck, virial_ev
from egraff_lmp.verify.finding import Context, Finding, Subject, at_most, failed, largest


def decks(subject: Subject) -> tuple[Deck, ...]:
    """The frame as it is."""
    return (frame_deck(subject),)


def judge(context: Context) -> tuple[Finding, ...]:
    """On every number of ranks: energy, the 6-component and the 9-component virial."""
    worst: dict[str, Finding] = {}
    for ranks in context.subject.ranks:
        outcome, where = context.lammps("frame", ranks), f"{ranks} rank(s)"
        if outcome.error:
            return (failed("sums: LAMMPS", outcome.error, where),)
        for what, value in _errors(outcome.steps[-1]):
            limit = context.precision.sums
            found = at_most(f"sums: {what}", value, limit, "relative", where)
            if what not in worst or value > (worst[what].value or 0.0):
                worst[what] = found
    return tuple(worst.values())


def _errors(values: Mapping[str, NDArray[np.float64]]) -> tuple[tuple[str, float], ...]:
    """Sums against totals, relative to the sizes of the terms, which decide the rounding."""
    energies = values["c_energy"][:, 0]
    total = virial_ev(values)[(0, 1, 2, 0, 0, 1), (0, 1, 2, 1, 2, 2)]
    six, nine = (values[name] / BAR_A3_PER_EV for name in ("c_stress", "c_centroid"))
    # LAMMPS' virial takes xy, xz, yz of an edge; yx, zx, zy sum to the same by rotational
    # invariance alone, which the symmetry check measures.
    upper = nine.sum(axis=0)[:6]
    size = max(1.0, np.abs(nine).sum())
    return (
        (
            "energies",
            largest((energies.sum() - values["pe"]) / max(1.0, np.abs(energies).sum())),
        ),
        ("virials of 6 components", largest((six.sum(axis=0) + total) / size)),
        ("virials of 9 components", largest((upper + total) / size)),
    )
