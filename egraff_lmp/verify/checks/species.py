"""Species as the contract states them, and those that it does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from egraff_lmp.errors import EgraffError
from egraff_lmp.verify.deck import MEASURED, Deck, system
from egraff_lmp.verify.finding import (
    Context,
    Finding,
    Subject,
    at_least,
    failed,
    not_applicable,
    passed,
)

# eV: below this two elements are the same to the network.
TOLD_APART_EV = 1e-3
UNKNOWN = ("He", "Ne", "Ar", "Kr", "Og")


def decks(subject: Subject) -> tuple[Deck, ...]:
    """Lines of pair_coeff that must be refused."""
    species = subject.contract.species
    wrong = {"species: unknown element": (*species[:-1], unknown(species))}
    if len(species) > 1:
        wrong["species: swapped elements"] = tuple(reversed(species))
    return tuple(
        Deck(
            name,
            subject.frame,
            (
                (
                    *system(coeff=(f'pair_coeff * * "{{model}}" {" ".join(words)}',)),
                    *MEASURED,
                    "run 0 post no",
                ),
            ),
            (subject.ranks[0],),
        )
        for name, words in wrong.items()
    )


def unknown(species: tuple[str, ...]) -> str:
    """An element that the model does not know."""
    return next(element for element in UNKNOWN if element not in species)


def judge(context: Context) -> tuple[Finding, ...]:
    """Every species works, two are told apart, and what is wrong is refused."""
    return (_finite(context), _apart(context), _python_refuses(context), *_refused(context))


def _finite(context: Context) -> Finding:
    crystals = context.subject.crystals
    found = context.python.many([crystal.structure for crystal in crystals])
    for crystal, each in zip(crystals, found, strict=True):
        if not (np.isfinite(each.energies).all() and np.isfinite(each.forces).all()):
            return failed(
                "species: each as stated", "energy or forces are not finite", crystal.name
            )
    return passed("species: each as stated", " ".join(context.subject.contract.species))


def _apart(context: Context) -> Finding:
    """Atoms of two species exchanged must change the energy of some of them."""
    name = "species: told apart"
    species, frame = context.subject.contract.species, context.subject.frame
    present = [element for element in species if element in frame.species]
    if len(species) < 2:
        return not_applicable(name, "the model knows one species")
    if len(present) < 2:
        return not_applicable(name, "the frame has one species")
    base = context.python.one(frame)
    swap = dict(zip(present, (*present[1:], present[0]), strict=True))
    other = context.python.one(replace(frame, species=tuple(swap[e] for e in frame.species)))
    value = float(np.abs(other.forces - base.forces).max())
    return at_least(name, value, TOLD_APART_EV, "eV/A", "forces when the elements are exchanged")


def _python_refuses(context: Context) -> Finding:
    name = "species: unknown element, Python"
    frame = context.subject.frame
    wrong = (unknown(context.subject.contract.species), *frame.species[1:])
    try:
        context.python.one(replace(frame, species=wrong))
    except EgraffError:
        return passed(name, reason="it was refused")
    return failed(name, "an element that the model does not know was accepted")


def _refused(context: Context) -> list[Finding]:
    findings = []
    ranks = context.subject.ranks[0]
    asked = [deck.name for deck in decks(context.subject)]
    for name in asked:
        outcome = context.lammps(name, ranks)
        if not outcome.error:
            findings.append(failed(f"{name}, LAMMPS", "the run went on without a word"))
        elif outcome.error.startswith(("pair_style", "pair_coeff")):
            findings.append(passed(f"{name}, LAMMPS", reason="it was refused"))
        else:
            findings.append(failed(f"{name}, LAMMPS", outcome.error))
    return findings
