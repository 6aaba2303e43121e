"""Restart and data files, determinism, memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from egraff_lmp.verify.checks.parity import frame_deck, same
from egraff_lmp.verify.deck import MEASURED, Deck, Outcome, static, system
from egraff_lmp.verify.finding import Context, Finding, Subject, at_most, failed

SHORT_RUN = (
    "velocity all create 300 4711 loop all",
    "timestep 0.0005",
    "fix move all nve",
    "run 5 post no",
)
# Memory is measured on a small cell: what leaks does so at every step, whatever its size.
MEMORY_STEPS = 1000
MEMORY_PARTS = 4
RELOADS = 20
KIB_PER_STEP = 1.0  # 5 MiB over 5000 steps
RELOAD_GROWTH = 0.01  # of the process, which holds torch: a few MiB


def roundtrip_decks(subject: Subject) -> tuple[Deck, ...]:
    """The frame through a restart file and through a data file."""
    again = (*_style(), *MEASURED, "run 0 post no")
    steps = {
        "round trip: restart": (
            'write_restart "{folder}/saved"',
            "clear",
            'read_restart "{folder}/saved"',
            *MEASURED,
            "run 0 post no",
        ),
        "round trip: data": (
            'write_data "{folder}/saved.data"',
            "clear",
            "units metal",
            "boundary {boundary}",
            "atom_modify map yes",
            'read_data "{folder}/saved.data"',
            *again,
        ),
    }
    return (
        frame_deck(subject),
        *(static(name, subject.frame, subject.ranks, more=(step,)) for name, step in steps.items()),
    )


def _style() -> tuple[str, ...]:
    return ("pair_style egraff", 'pair_coeff * * "{model}" {elements}')


def judge_roundtrip(context: Context) -> tuple[Finding, ...]:
    """What comes back from a file is what was written."""
    return tuple(
        same(name, context.lammps("frame", count), outcome, context, f"{count} rank(s)")
        for count in context.subject.ranks
        for name in ("round trip: restart", "round trip: data")
        for outcome in [context.lammps(name, count)]
    )


def determinism_decks(subject: Subject) -> tuple[Deck, ...]:
    """The same short run twice, in two instances."""
    first = static("determinism: first", subject.frame, subject.ranks, more=(SHORT_RUN,))
    return (first, replace(first, name="determinism: second"))


def judge_determinism(context: Context) -> tuple[Finding, ...]:
    """Equal bits before and after five steps, on one layout."""
    return tuple(_equal(context, count) for count in context.subject.ranks)


def _equal(context: Context, count: int) -> Finding:
    name, where = "determinism", f"{count} rank(s)"
    a, b = (context.lammps(f"determinism: {which}", count) for which in ("first", "second"))
    for outcome in (a, b):
        if outcome.error:
            return failed(name, outcome.error, where)
    numbers = 0
    for p, q in zip(a.steps, b.steps, strict=True):
        for column in ("pe", "f", "c_energy", "c_stress", "virial"):
            numbers += int(np.sum(p[column].view(np.int64) != q[column].view(np.int64)))
    return at_most(name, numbers, 0, "numbers that differ", where)


def memory_decks(subject: Subject) -> tuple[Deck, ...]:
    """Steps of a crystal that does not move, and reloads of the model."""
    structure = subject.crystals[0].structure
    part = (f"run {MEMORY_STEPS // MEMORY_PARTS} post no",)
    reload = (*_style(), "run 0 post no")
    start = (*system(), "thermo_style custom step pe", "run 100 post no")
    return (
        Deck("memory: steps", structure, (start, *[part] * MEMORY_PARTS), subject.ranks[:1]),
        Deck("memory: reloads", structure, (start, *[reload] * RELOADS), subject.ranks[:1]),
    )


def judge_memory(context: Context) -> tuple[Finding, ...]:
    """Growth after the first part, in which buffers find their size."""
    count = context.subject.ranks[0]
    steps, reloads = (context.lammps(f"memory: {what}", count) for what in ("steps", "reloads"))
    findings = []
    if steps.error:
        findings.append(failed("memory: steps", steps.error))
    else:
        used = _memory(steps)[1:]
        growth = (used[-1] - used[0]) / (MEMORY_STEPS * (MEMORY_PARTS - 1) / MEMORY_PARTS)
        findings.append(at_most("memory: steps", growth, KIB_PER_STEP, "KiB a step"))
    if reloads.error:
        findings.append(failed("memory: reloads", reloads.error))
    else:
        used = _memory(reloads)[RELOADS // 4 :]
        growth = used[-1] / used[0] - 1.0
        where = f"{len(used) - 1} reloads"
        findings.append(at_most("memory: reloads", growth, RELOAD_GROWTH, "of the process", where))
    return tuple(findings)


def _memory(outcome: Outcome) -> list[float]:
    return [float(step["memory_kib"]) for step in outcome.steps]
