"""Grids of ranks, newton on and off, threads, units, and settings that hide atoms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from egraff_lmp.doctor.cores import usable_cores
from egraff_lmp.verify.checks.isolated import corner
from egraff_lmp.verify.checks.parity import frame_deck, same
from egraff_lmp.verify.checks.periodicity import rattled
from egraff_lmp.verify.deck import (
    BAR_A3_PER_EV,
    MEASURED,
    PER_ATOM,
    VECTORS,
    Deck,
    Outcome,
    static,
    system,
)
from egraff_lmp.verify.finding import (
    Context,
    Finding,
    Subject,
    at_most,
    failed,
    largest,
    not_applicable,
    passed,
)

# LAMMPS' own number of kcal/mol per eV, and its nktv2p of units real.
KCAL_PER_EV = 23.060549
ATM_A3_PER_KCAL = 68568.415
TILED = ("comm_style tiled", "balance 1.0 rcb")


def grid_decks(subject: Subject) -> tuple[Deck, ...]:
    """Slices along x and along z, and tiles, on more than one rank."""
    many = tuple(count for count in subject.ranks if count > 1)
    found = [frame_deck(subject)]
    for count in many:
        for axis, grid in (("x", f"{count} 1 1"), ("z", f"1 1 {count}")):
            name = f"grids: {count} slices along {axis}"
            before = (f"processors {grid}",)
            found.append(static(name, subject.frame, (count,), before=before))
        found.append(static("grids: tiled", subject.frame, (count,), after=TILED))
    return tuple(_merged(found))


def _merged(decks: Sequence[Deck]) -> list[Deck]:
    """Decks of one name for all their numbers of ranks."""
    found: dict[str, Deck] = {}
    for deck in decks:
        if deck.name in found:
            deck = replace(deck, ranks=tuple(sorted({*found[deck.name].ranks, *deck.ranks})))
        found[deck.name] = deck
    return list(found.values())


def judge_grids(context: Context) -> tuple[Finding, ...]:
    """Every grid against the first number of ranks."""
    base = context.lammps("frame", context.subject.ranks[0])
    findings = [
        same(deck.name, base, context.lammps(deck.name, count), context, f"{count} ranks")
        for deck in grid_decks(context.subject)
        if deck.name != "frame"
        for count in deck.ranks
    ]
    if not findings:
        return (not_applicable("grids", "one rank has no grid"),)
    return tuple(findings)


def newton_decks(subject: Subject) -> tuple[Deck, ...]:
    """Newton off; and in tiles with ranks that have no atom."""
    off = ("newton off",)
    few = corner(subject)
    return (
        frame_deck(subject),
        static("newton: off", subject.frame, subject.ranks, before=off),
        static("isolated: corner", few, subject.ranks),
        static("newton: off, tiled, ranks without atoms", few, subject.ranks,
               before=(*off, "comm_style tiled"), boundary="p f f"),
    )  # fmt: skip


def judge_newton(context: Context) -> tuple[Finding, ...]:
    """Newton off against newton on, on the same number of ranks."""
    findings = []
    for count in context.subject.ranks:
        where = f"{count} rank(s)"
        for name, base in (
            ("newton: off", "frame"),
            ("newton: off, tiled, ranks without atoms", "isolated: corner"),
        ):
            found = (context.lammps(base, count), context.lammps(name, count))
            findings.append(same(name, *found, context, where))
    return tuple(findings)


def hidden_decks(subject: Subject) -> tuple[Deck, ...]:
    """Groups that leave atoms out of neighbour lists or communication."""
    half = f"group half id 1:{max(1, len(subject.frame.species) // 2)}"
    hidden = {
        "neigh_modify include": ("atom_modify first half", "neigh_modify include half"),
        "comm_modify group": ("neigh_modify include half", "comm_modify group half"),
    }
    first = ("atom_modify first half",)
    return (
        frame_deck(subject),
        *(
            static(
                f"hidden: {name}",
                subject.frame,
                subject.ranks[-1:],
                after=(half, *first, *(line for line in lines if line not in first)),
            )
            for name, lines in hidden.items()
        ),
    )


def judge_hidden(context: Context) -> tuple[Finding, ...]:
    """A group of atoms that other atoms do not see is refused, or changes nothing."""
    count = context.subject.ranks[-1]
    findings = []
    for deck in hidden_decks(context.subject)[1:]:
        outcome = context.lammps(deck.name, count)
        if outcome.error.startswith("pair_style"):
            findings.append(passed(deck.name, f"{count} rank(s)", "it was refused"))
            continue
        base = context.lammps("frame", count)
        findings.append(same(deck.name, base, outcome, context, f"{count} rank(s)"))
    return tuple(findings)


def unit_decks(subject: Subject) -> tuple[Deck, ...]:
    """The frame in units real."""
    count = subject.ranks[:1]
    return (
        frame_deck(subject),
        Deck(
            "units: real",
            subject.frame,
            ((*system(units="real"), *MEASURED, "run 0 post no"),),
            count,
            PER_ATOM,
            VECTORS,
            ("pe", "vol"),
        ),
    )


def judge_units(context: Context) -> tuple[Finding, ...]:
    """Energies in kcal/mol and pressures in atm, converted back, against units metal."""
    count = context.subject.ranks[0]
    metal, real = context.lammps("frame", count), context.lammps("units: real", count)
    name = "units: real against metal"
    for outcome in (metal, real):
        if outcome.error:
            return (failed(name, outcome.error),)
    atoms = max(1, len(metal["f"]))
    virials = [
        outcome["virial"] * float(outcome["vol"]) / factor
        for outcome, factor in (
            (metal, BAR_A3_PER_EV),
            (real, ATM_A3_PER_KCAL * KCAL_PER_EV),
        )
    ]
    value = largest(
        (metal["pe"] - real["pe"] / KCAL_PER_EV) / atoms,
        metal["f"] - real["f"] / KCAL_PER_EV,
        (virials[0] - virials[1]) / atoms,
    )
    # LAMMPS' constants of the two systems agree to seven digits.
    limit = max(context.precision.layout, 1e-6) * max(1.0, np.abs(metal["f"]).max())
    return (at_most(name, value, limit, "eV, eV/A"),)


def thread_decks(subject: Subject) -> tuple[Deck, ...]:
    """One and two threads, and two instances of LAMMPS in one process."""
    count = (1,)  # two threads of two ranks would need four cores
    frame = subject.frame
    return (
        static("threads: 1", frame, count, style="egraff threads 1"),
        static("threads: 2", frame, count, style="egraff threads 2"),
        static("threads: two instances", frame, count, style="egraff threads 1", beside=True),
        _beside_others(subject, "threads: another style", ()),
        _beside_others(subject, "threads: another style, OPENMP",
                       ("-sf", "omp", "-pk", "omp", "2")),
    )  # fmt: skip


def _beside_others(subject: Subject, name: str, arguments: tuple[str, ...]) -> Deck:
    structure = rattled(subject.frame)
    commands = system(
        f"hybrid/overlay egraff lj/cut {min(4.0, subject.contract.r_max)}",
        ('pair_coeff * * egraff "{model}" {elements}', "pair_coeff * * lj/cut 0.01 2.5"),
    )
    other = ("compute other all pair lj/cut", "thermo_style custom step pe c_other")
    thermo = ("pe",)
    return Deck(
        name,
        structure,
        ((*commands, *other, "run 0 post no"),),
        (1,),
        {"f": 3},
        {},
        thermo,
        arguments,
    )


def judge_threads(context: Context) -> tuple[Finding, ...]:
    """Nothing depends on the number of threads, or on what else runs in the process."""
    count = 1
    base = context.lammps("threads: 1", count)
    findings = [
        _threaded(name, base, context.lammps(name, count), context)
        for name in ("threads: 2", "threads: two instances")
    ]
    plain = context.lammps("threads: another style", count)
    name = "threads: another style, OPENMP"
    threaded = context.lammps(name, count)
    for outcome in (plain, threaded):
        if outcome.error:
            return (*findings, failed(name, outcome.error))
    size = max(1.0, np.abs(plain["f"]).max())
    value = largest((plain["pe"] - threaded["pe"]) / len(plain["f"]), plain["f"] - threaded["f"])
    where = "lj/cut beside the model, with two OpenMP threads and without"
    limit = context.precision.layout * size
    return (*findings, at_most(name, value, limit, "eV, eV/A", where))


def _threaded(name: str, base: Outcome, outcome: Outcome, context: Context) -> Finding:
    """Against one thread, where the machine has a core for each of two."""
    if name == "threads: 2" and usable_cores() < 2:
        return not_applicable(name, "this machine has one core")
    return same(name, base, outcome, context, "against one thread")
