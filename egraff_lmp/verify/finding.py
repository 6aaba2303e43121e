"""What a check is told and what it says."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from egraff_lmp.contract import Contract
from egraff_lmp.rollout.datafile import Structure
from egraff_lmp.verify.deck import Deck, Outcome
from egraff_lmp.verify.precision import Precision
from egraff_lmp.verify.python_side import PythonSide
from egraff_lmp.verify.structures import Crystal

Verdict = Literal["passed", "failed", "not applicable"]


@dataclass(frozen=True)
class Finding:
    """One number of a certificate and what is thought of it.

    Attributes:
        name: what was measured, as "parity: forces"; unique within a certificate.
        verdict: "passed", "failed" or "not applicable".
        value: the measured number; None where there is none.
        threshold: what it is compared with; None where there is none.
        unit: of both.
        at_least: whether the value must reach the threshold; else it must not exceed it.
        where: where the value was seen (a crystal, a rank count, a pair of species).
        reason: why nothing could be measured or nothing applies; a message of LAMMPS.
    """

    name: str
    verdict: Verdict
    value: float | None = None
    threshold: float | None = None
    unit: str = ""
    at_least: bool = False
    where: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Subject:
    """What is verified; everything that decks are made of.

    Attributes:
        model: the deployed file, with `sha256` its hash and `contract` its contract.
        frame: the structure that most checks take.
        crystals: perfect crystals of the model's species.
        ranks: numbers of MPI ranks; the first is the one that Python is compared with.
    """

    model: Path
    sha256: str
    contract: Contract
    frame: Structure
    crystals: tuple[Crystal, ...]
    ranks: tuple[int, ...]


@dataclass(frozen=True)
class Context:
    """What the judging part of a check is given.

    Attributes:
        subject: what is verified.
        precision: the thresholds of the network's precision.
        python: evaluates structures without LAMMPS.
        lammps: what the deck of this name gave on this number of ranks.
    """

    subject: Subject
    precision: Precision
    python: PythonSide
    lammps: Callable[[str, int], Outcome]


@dataclass(frozen=True)
class Check:
    """One row of the table.

    Attributes:
        name: names the check on the command line.
        title: what it says of a file, in a few words.
        judge: looks at evaluations and returns findings; a function of its argument alone.
        decks: the LAMMPS inputs that `judge` asks for; equal names mean equal decks.
        openkim: the verification checks of OpenKIM that it covers, by their names.
    """

    name: str
    title: str
    judge: Callable[[Context], Sequence[Finding]]
    decks: Callable[[Subject], Sequence[Deck]] = lambda subject: ()
    openkim: tuple[str, ...] = ()


def largest(*values: ArrayLike) -> float:
    """The largest absolute number of all arrays; infinity if any is not finite.

    Python's `max` and `>` pass over NaN.
    """
    found = max(float(np.abs(np.asarray(each)).max(initial=0.0)) for each in values)
    return found if all(np.isfinite(each).all() for each in values) else math.inf


def at_most(name: str, value: float, threshold: float, unit: str, where: str = "") -> Finding:
    """A finding that passes if value <= threshold; what is not finite fails."""
    verdict: Verdict = "passed" if math.isfinite(value) and value <= threshold else "failed"
    return Finding(name, verdict, float(value), threshold, unit, where=where)


def at_least(name: str, value: float, threshold: float, unit: str, where: str = "") -> Finding:
    """A finding that passes if value >= threshold; what is not finite fails."""
    verdict: Verdict = "passed" if math.isfinite(value) and value >= threshold else "failed"
    return Finding(name, verdict, float(value), threshold, unit, at_least=True, where=where)


def failed(name: str, reason: str, where: str = "") -> Finding:
    """A finding without a number: something stopped, or did not stop."""
    return Finding(name, "failed", where=where, reason=reason)


def passed(name: str, where: str = "", reason: str = "") -> Finding:
    """A finding without a number: something happened as it must."""
    return Finding(name, "passed", where=where, reason=reason)


def not_applicable(name: str, reason: str) -> Finding:
    """A finding that this file or these ranks give no occasion for."""
    return Finding(name, "not applicable", reason=reason)
