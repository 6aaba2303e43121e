"""Python against LAMMPS, and LAMMPS against itself on other numbers of ranks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from egraff_lmp.rollout.datafile import Structure
from egraff_lmp.verify.deck import BAR_A3_PER_EV, Deck, Outcome, Values, static, virial_ev
from egraff_lmp.verify.finding import (
    Context,
    Finding,
    Subject,
    at_most,
    failed,
    largest,
    not_applicable,
)


def decks(subject: Subject) -> tuple[Deck, ...]:
    """The frame as it is, on every number of ranks."""
    return (frame_deck(subject),)


def frame_deck(subject: Subject) -> Deck:
    """The frame with LAMMPS' defaults; many checks compare with it."""
    return static("frame", subject.frame, subject.ranks)


def judge_python(context: Context) -> tuple[Finding, ...]:
    """Energy, forces, virial and per-atom energies of the frame."""
    subject = context.subject
    ranks = subject.ranks[0]
    outcome = context.lammps("frame", ranks)
    return against_python("parity", subject.frame, outcome, context, f"{ranks} rank(s)")


def judge_ranks(context: Context) -> tuple[Finding, ...]:
    """Every number of ranks against the first."""
    first, *others = context.subject.ranks
    base = context.lammps("frame", first)
    return tuple(
        same("ranks", base, context.lammps("frame", count), context, f"{first} and {count} ranks")
        for count in others
    )


def against_python(
    name: str, structure: Structure, outcome: Outcome, context: Context, where: str
) -> tuple[Finding, ...]:
    """LAMMPS' results of a structure, turned back into its frame, against Python's."""
    if outcome.error:
        return (failed(f"{name}: LAMMPS", outcome.error, where),)
    python = context.python.one(structure)
    box = structure.box()
    limit = context.precision.python * max(1.0, np.abs(python.forces).max(initial=0.0))
    atoms = max(1, len(python.energies))
    virial = box.rotation @ virial_ev(outcome.steps[0]) @ box.rotation.T
    rows = (
        ("energy", abs(float(outcome["pe"]) - python.energy) / atoms, "eV/atom"),
        ("forces", largest(box.from_lammps(outcome["f"]) - python.forces), "eV/A"),
        ("virial", largest(virial - python.virial) / atoms, "eV/atom"),
        ("per-atom energies", largest(outcome["c_energy"][:, 0] - python.energies), "eV"),
    )
    return tuple(
        at_most(f"{name}: {what}", value, limit, unit, where) for what, value, unit in rows
    )


def agrees(name: str, structure: Structure, context: Context) -> Finding:
    """The deck `name` of a structure on every number of ranks against Python: the worst of all."""
    worst: Finding | None = None
    for ranks in context.subject.ranks:
        outcome = context.lammps(name, ranks)
        for finding in against_python(name, structure, outcome, context, f"{ranks} rank(s)"):
            if finding.value is None or finding.verdict == "failed":
                return finding
            if worst is None or finding.value > (worst.value or 0.0):
                quantity = finding.name.removeprefix(f"{name}: ")
                worst = replace(finding, name=name, where=f"{quantity}, {ranks} rank(s)")
    if worst is None:
        return not_applicable(name, "no number of ranks was asked for")
    return replace(worst, unit="eV, eV/A")


def same(
    name: str, a: Outcome, b: Outcome, context: Context, where: str, step: int = -1
) -> Finding:
    """Two decks of the same atoms: energy per atom, forces, virial, per-atom energy and virial."""
    for outcome in (a, b):
        if outcome.error:
            return failed(name, outcome.error, where)
    p, q = a.steps[step], b.steps[step]
    limit = context.precision.layout * max(1.0, np.abs(p["f"]).max(initial=0.0))
    return at_most(name, largest_difference(p, q), limit, "eV, eV/A", where)


def largest_difference(p: Values, q: Values) -> float:
    """Of everything that `static` measures, in eV and eV/A."""
    atoms = max(1, len(p["f"]))
    if len(p["f"]) != len(q["f"]):
        return float("inf")
    return largest(
        (p["pe"] - q["pe"]) / atoms,
        p["f"] - q["f"],
        (virial_ev(p) - virial_ev(q)) / atoms,
        p["c_energy"] - q["c_energy"],
        (p["c_stress"] - q["c_stress"]) / BAR_A3_PER_EV,
        (p["c_centroid"] - q["c_centroid"]) / BAR_A3_PER_EV,
    )
