"""What a metric is, and what it is given: the seam between the table and its files.

A metric is a row of `table.METRICS`: names, unit, range, and a function that yields a `Sample` for
each value that it defines. A sample is made of sums over blocks of frames, so that one function
(`estimate`) gives every metric its value, interval, floor and the values of single rollouts.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from egraff_lmp.data.frames import Frames
from egraff_lmp.score.align import Pairing
from egraff_lmp.score.arrays import Floats
from egraff_lmp.score.options import EGRAFF, Options
from egraff_lmp.score.records import Counts, Curves, Fact, Judge, Lifetime, Series

if TYPE_CHECKING:  # a rollout has a cost, and costs make samples
    from egraff_lmp.score.rollout import Rollout

BULK, MOLECULE = "bulk", "molecule"
SEES_STRUCTURE, SEES_DYNAMICS, SEES_ENERGIES = "structure", "dynamics", "energies"
SEES_FORCES = "forces"  # errors on given frames, which no rollout enters
NOTHING = ""  # of a cost: negative controls are not ranked by it

Sums = Floats
Value = Callable[[Sums, Sums], float]
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Rerun(Pairing):
    """The same frames with the energies and forces of the ground truth and of the model.

    Attributes:
        judge: the committee, where `truth` is one.
        lengths: frames of each rollout, where they are those of rollouts one after the other; ()
            where they are one sequence.
    """

    judge: Judge | None = None
    lengths: tuple[int, ...] = ()


@dataclass(frozen=True)
class Training:
    """What the training of a model cost: its wall time, and how many epochs it had."""

    seconds: float
    epochs: int


@dataclass(frozen=True)
class Context:
    """What values are computed from.

    Attributes:
        reference: the ground truth.
        rollouts: those that are scored.
        options: see `Options`.
        reruns: comparison ("rerun-reference", "rerun-oracle", "rerun-committee") to its frames.
        training: of the model, or None where it is not known.
        ran: all rollouts, those too short to be scored among them.
    """

    reference: Frames
    rollouts: Sequence[Rollout]
    options: Options
    reruns: Mapping[str, Rerun] = field(default_factory=dict)
    training: Training | None = None
    ran: Sequence[Rollout] = ()
    _known: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    @property
    def system(self) -> str:
        """ "bulk" where anything is periodic, else "molecule"."""
        return BULK if any(self.reference.pbc) else MOLECULE

    @cached_property
    def kept(self) -> list[Frames]:
        """The rollouts without the frames that are skipped at their beginning."""
        return [one.frames.select(slice(self.options.skip, None)) for one in self.rollouts]


def once(make: Callable[Concatenate[Context, P], T]) -> Callable[Concatenate[Context, P], T]:
    """`make` of a context and other arguments, called once for all metrics that ask for it."""

    @wraps(make)
    def made(context: Context, *args: P.args, **names: P.kwargs) -> T:
        key = (make, args, tuple(names.items()))
        if key not in context._known:
            context._known[key] = make(context, *args, **names)
        return context._known[key]

    return made


@dataclass(frozen=True)
class Sample:
    """What one value is computed from.

    Attributes:
        comparison: what is compared, one of `records.COMPARISONS`.
        part: "total", a pair of elements, ...; "" where there are no parts.
        rollouts: for each rollout (or rerun) its blocks of consecutive frames, (K, D): sums over
            the frames of a block.
        reference: the same of the reference, (K', D'); none where it does not enter.
        value: of sums over blocks (D,) and of the reference's (D',).
        floor: what a perfect model would read, see `floor`; where frames are compared in time,
            reference against reference.
        floor_high: what a perfect model stays below; None where the floor is no such value.
        counts: frames and starts.
        window: frames, times and distances that it covers.
        absence: why there is no value; nothing else matters then.
        undefined: why there is none where `value` gives none or is not finite.
        facts, distribution, judge, lifetimes: as in `Score`.
        draws_reference: whether the interval is over the reference's blocks as well.
        draws_starts: whether only whole rollouts can be drawn.
        spread: whether there is an interval at all.
        clusters: for each rollout a label that those which begin at the same positions share; ()
            where all are independent.
        series, curves: what the value comes from, for figures.
    """

    comparison: str
    part: str = ""
    rollouts: Sequence[Sums] = ()
    reference: Sums = field(default_factory=lambda: np.zeros((0, 0)))
    value: Value = lambda sums, own: np.nan
    floor: float | None = None
    floor_high: float | None = None
    counts: Counts = field(default_factory=Counts)
    window: Fact | None = None
    absence: Fact | None = None
    undefined: Fact = field(default_factory=lambda: Fact("not-finite"))
    facts: tuple[Fact, ...] = ()
    distribution: str = ""
    judge: Judge | None = None
    lifetimes: tuple[Lifetime, ...] = ()
    draws_reference: bool = True
    draws_starts: bool = False
    spread: bool = True
    clusters: tuple[int, ...] = ()
    series: tuple[Series, ...] = ()
    curves: tuple[Curves, ...] = ()


@dataclass(frozen=True)
class Metric:
    """One row of the table.

    Attributes:
        key: its name in JSON, CSV and documentation.
        label: short name in tables.
        samples: yields what each of its values is computed from, in one of its modes.
        unit: "1" for pure numbers.
        doc: one line on what it is.
        modes: where it is computed, "egraff", "paper" or both.
        bounds: range of the value.
        accepted_below: acceptance limit, in its unit.
        uncorrelated: the value that two unrelated frames give.
        systems: what it is defined for, "bulk" (periodic), "molecule" or both.
        better: "lower", "higher", or "" where neither is.
        sees: what it claims to see: "structure", "dynamics", "energies" or "forces"; by these it
            ranks negative controls, by `NOTHING` it does not.
        title: of its table on a page; the label where it is "".
        headline: comparisons whose table is shown in full on the page of several systems.
    """

    key: str
    label: str
    samples: Samples
    unit: str
    doc: str
    modes: tuple[str, ...] = (EGRAFF,)
    bounds: tuple[float, float] = (0.0, np.inf)
    accepted_below: float | None = None
    uncorrelated: float | None = None
    systems: tuple[str, ...] = (BULK, MOLECULE)
    better: str = "lower"
    sees: str = SEES_STRUCTURE
    title: str = ""
    headline: tuple[str, ...] = ()


# What yields the samples of a metric in one of its modes.
Samples = Callable[[Context, Metric, str], Iterable[Sample]]
