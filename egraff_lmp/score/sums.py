"""Sums over blocks of frames, and samples of what is common to several families of metrics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from egraff_lmp.score.arrays import Floats
from egraff_lmp.score.metric import Context, Sample, Sums
from egraff_lmp.score.records import RERUNS, Counts, Fact


def blocks_of(values: Floats, n_blocks: int) -> list[Floats]:
    """At most `n_blocks` blocks of consecutive frames of an array (T, ...)."""
    return np.array_split(values, max(1, min(n_blocks, len(values))))


def block_sums(terms: Floats, n_blocks: int) -> Sums:
    """What the frames (T, D) of each block add up to, (K, D)."""
    return np.array([block.sum(axis=0) for block in blocks_of(terms, n_blocks)])


def finite_terms(values: Floats) -> Floats:
    """Terms (T, 2) of a mean over the finite entries of a series (T,): value and number."""
    finite = np.isfinite(values)
    return np.column_stack([np.where(finite, values, 0.0), finite])


def mean(sums: Sums, own: Sums | None = None) -> float:
    """The first sum over the last, which is a number of entries; NaN where there are none."""
    return float(sums[0] / sums[-1]) if sums[-1] else float("nan")


def rows(values: Iterable[float]) -> list[Sums]:
    """For each rollout the block (1, 2) of a mean over rollouts."""
    return [np.array([[value, 1.0]]) for value in values]


def absent(context: Context, comparison: str, why: Sequence[Fact], part: str = "") -> Sample:
    """A value that is not there, for the first of these reasons, and besides for the others."""
    starts = None if comparison in RERUNS else len(context.rollouts)
    return Sample(
        comparison, part, absence=why[0], facts=tuple(why[1:]), counts=Counts(starts=starts)
    )


def counts_of(context: Context, frames: int, frames_reference: int) -> Counts:
    """Counts of a value of these finite frames of rollouts and of the reference."""
    failed = sum(map(len, context.kept)) - frames
    return Counts(frames, frames_reference, len(context.kept), failed=failed)


def distinct(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """The facts in their order, each once."""
    found = list(facts)
    return tuple(fact for number, fact in enumerate(found) if fact not in found[:number])


def frames_window(frames: int, step_fs: float | None, rollouts: int) -> Fact:
    """How long what was compared is: the first of so many rollouts (1 for reruns)."""
    fs = (frames - 1) * step_fs if step_fs else None
    return Fact("frames", {"frames": frames, "fs": fs, "rollouts": rollouts})
