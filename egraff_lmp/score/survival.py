"""Survival of rollouts: how many did the steps asked for, and for how long all were whole.

A rollout ends where LAMMPS stopped it, a molecule also where its first bond broke: a thermostat can
keep the pieces of a molecule at their temperature. The criterion of the bulk is g(r), which is a
score of its own, and not taken here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from egraff_lmp.score.lifetime import lifetimes_of
from egraff_lmp.score.metric import MOLECULE, Context, Metric, Sample, Sums, Value
from egraff_lmp.score.options import EGRAFF, modes_of
from egraff_lmp.score.records import SURVIVAL, Counts, Fact
from egraff_lmp.score.sums import mean, rows

# A time in floating point may miss the end by a rounding error.
DIGITS = 9


@dataclass(frozen=True)
class Run:
    """One rollout of which it is known what was asked.

    Attributes:
        lasted_fs: until LAMMPS stopped.
        whole_fs: until its first bond broke, where that was earlier.
        asked_fs: what was asked for.
    """

    lasted_fs: float
    whole_fs: float
    asked_fs: float


def finished(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """Number of rollouts that did all their steps."""
    if runs := _runs(context):
        ended = [float(round(run.lasted_fs / run.asked_fs, DIGITS) >= 1) for run in runs]
        yield _sample(context, runs, [np.array([[one]]) for one in ended], lambda s, own: s[0])


def shortest(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """Length of the rollout that ended first."""
    if runs := _runs(context):
        # A column for each rollout, so that sums of blocks tell one from the other.
        chosen = np.eye(len(runs))
        times = np.diag([run.lasted_fs for run in runs])
        blocks = [np.concatenate(pair)[None] for pair in zip(chosen, times, strict=True)]
        yield _sample(context, runs, blocks, _least)


def survived(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """Part of the time asked for that all rollouts together were whole, in [0, 1]."""
    if runs := _runs(context):
        parts = [min(1.0, round(run.whole_fs / run.asked_fs, DIGITS)) for run in runs]
        parts += [0.0] * (_asked(context) - len(runs))  # those that could not begin
        yield _sample(context, runs, rows(parts), mean, spread=True)


def _sample(
    context: Context,
    runs: Sequence[Run],
    blocks: Sequence[Sums],
    value: Value,
    spread: bool = False,
) -> Sample:
    asked = {"rollouts": _asked(context), "fs": runs[0].asked_fs}
    return Sample(
        SURVIVAL,
        rollouts=blocks,
        value=value,
        counts=Counts(starts=_asked(context)),
        window=Fact("asked-for", asked),
        draws_starts=True,
        spread=spread,
    )


def _least(sums: Sums, own: Sums) -> float:
    chosen, times = np.split(sums, 2)
    return float(times[chosen > 0].min())


def _asked(context: Context) -> int:
    asked = context.options.n_asked
    return len(context.ran) if asked is None else asked


def _runs(context: Context) -> list[Run]:
    """The rollouts of which it is known how long they were to last."""
    broke = {}
    if context.system == MOLECULE and EGRAFF in modes_of(context.options.mode):
        lives = lifetimes_of(context, EGRAFF)
        broke = {
            id(one): life.time_fs for one, life in zip(context.rollouts, lives, strict=bool(lives))
        }
    return [
        Run(one.lasted_fs, min(one.lasted_fs, broke.get(id(one), one.lasted_fs)), one.asked_fs)
        for one in context.ran
        if one.lasted_fs is not None and one.asked_fs
    ]
