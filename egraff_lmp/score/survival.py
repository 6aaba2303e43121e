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
from egraff_lmp.score.metric import MOLECULE, Context, Metric, Sample, Sums, Value, once
from egraff_lmp.score.options import EGRAFF, modes_of
from egraff_lmp.score.records import SURVIVAL, Counts, Fact
from egraff_lmp.score.sums import mean, rows

# A time in floating point may miss the end by a rounding error.
DIGITS = 9


@dataclass(frozen=True)
class Run:
    """One rollout of which it is known what was asked; it was whole until its first bond broke."""

    lasted_fs: float
    whole_fs: float
    asked_fs: float


def finished(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """Number of rollouts that did all their steps."""
    ended = [float(round(run.lasted_fs / run.asked_fs, DIGITS) >= 1) for run in _runs(context)]
    return _samples(context, [np.array([[one]]) for one in ended], lambda sums, own: sums[0])


def shortest(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """Length of the rollout that ended first."""
    # A column for each rollout, so that sums of blocks tell one from the other.
    times = np.diag([run.lasted_fs for run in _runs(context)])
    blocks = np.hstack([np.eye(len(times)), times])[:, None]

    def least(sums: Sums, own: Sums) -> float:
        chosen, lasted = np.split(sums, 2)
        return float(lasted[chosen > 0].min())

    return _samples(context, list(blocks), least)


def survived(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """Part of the time asked for that all rollouts together were whole, in [0, 1]."""
    parts = [min(1.0, round(run.whole_fs / run.asked_fs, DIGITS)) for run in _runs(context)]
    parts += [0.0] * (_asked(context) - len(parts))  # those that could not begin
    return _samples(context, rows(parts), mean, spread=True)


def _samples(
    context: Context, blocks: Sequence[Sums], value: Value, spread: bool = False
) -> Iterator[Sample]:
    """None where it is known of no rollout what was asked."""
    if runs := _runs(context):
        asked = {"rollouts": _asked(context), "fs": runs[0].asked_fs}
        yield Sample(
            SURVIVAL,
            rollouts=blocks,
            value=value,
            counts=Counts(starts=_asked(context)),
            window=Fact("asked-for", asked),
            draws_starts=True,
            spread=spread,
        )


def _asked(context: Context) -> int:
    asked = context.options.n_asked
    return len(context.ran) if asked is None else asked


@once
def _runs(context: Context) -> list[Run]:
    """The rollouts of which it is known how long they were to last."""
    broke = {}
    if context.system == MOLECULE and EGRAFF in modes_of(context.options.mode):
        lives = lifetimes_of(context, EGRAFF)
        # There are none where a rollout states no time.
        broke = {id(one): life.time_fs for one, life in zip(context.rollouts, lives, strict=False)}
    return [
        Run(one.lasted_fs, min(one.lasted_fs, broke.get(id(one), one.lasted_fs)), one.asked_fs)
        for one in context.ran
        if one.lasted_fs is not None and one.asked_fs
    ]
