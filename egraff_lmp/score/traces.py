"""Quantities frame by frame, of each rollout or rerun against what it is compared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from egraff_lmp.score.align import Pairing, pair_in_time
from egraff_lmp.score.arrays import Floats
from egraff_lmp.score.metric import Context, Metric, T
from egraff_lmp.score.records import Counts, Fact, Series
from egraff_lmp.score.sums import distinct


@dataclass(frozen=True)
class Trace:
    """A quantity of one rollout or rerun.

    Attributes:
        values: (T,); NaN where a frame is not finite.
        step_fs: time between frames, or None where unknown.
        facts: how frames were paired.
    """

    values: Floats
    step_fs: float | None
    facts: tuple[Fact, ...] = ()


# For each rollout or rerun its trace, or why there is none; of a reason for all, it alone.
Traces = Sequence[Trace | Fact]


def paired_in_time(context: Context, skip: int) -> Sequence[Pairing | Fact]:
    """Each rollout without its first frames beside the reference at equal times, or why not."""
    if not context.rollouts:
        return [Fact("no-rollouts")]
    if not context.options.time_series:
        return [Fact("no-time-series")]
    starts = context.options.starts or (0,) * len(context.rollouts)
    return [
        pair_in_time(context.reference, one.frames, start, skip)
        for one, start in zip(context.rollouts, starts, strict=True)
    ]


def present(found: Iterable[T | Fact]) -> list[T]:
    """Those that there are."""
    return [one for one in found if not isinstance(one, Fact)]


def reasons(found: Iterable[object]) -> tuple[Fact, ...]:
    """Why the others are not there."""
    return distinct(one for one in found if isinstance(one, Fact))


def pairing_facts(found: Traces) -> tuple[Fact, ...]:
    """How their frames were paired."""
    return distinct(fact for one in present(found) for fact in one.facts)


def counts(known: Sequence[Trace], starts: int | None, zero: int = 0) -> Counts:
    """What a value of these traces is computed from; see `Counts`."""
    frames = sum(len(one.values) for one in known)
    failed = sum(int((~np.isfinite(one.values)).sum()) for one in known)
    return Counts(frames, frames, starts, zero, failed)


def series(
    metric: Metric, mode: str, comparison: str, found: Traces, lengths: Sequence[int] = ()
) -> Iterator[Series]:
    """The traces for figures, rollout by rollout; `lengths` as in `cut`."""
    for start, one in enumerate(found):
        if isinstance(one, Trace):
            for number, part in enumerate(cut(one.values, lengths), start):
                yield Series(metric.key, mode, comparison, number, one.step_fs, part)


def cut(values: Floats, lengths: Sequence[int]) -> list[Floats]:
    """A series (T,) of rollouts one after the other, rollout by rollout; () for a single one."""
    ends = list(accumulate(lengths, initial=0))
    return [values[a:b] for a, b in pairwise(ends)] if ends[-1] == len(values) else [values]
