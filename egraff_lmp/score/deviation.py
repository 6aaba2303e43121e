"""Rollouts beside the reference that they started from: RMSD(t) and divergence time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.score.align import SAME_FRAME_A, Pairing, Unpaired, pair_in_time
from egraff_lmp.score.divergence import divergence_time
from egraff_lmp.score.metric import Context, Metric, Sample
from egraff_lmp.score.records import TRAJECTORY, Counts, Fact, Series
from egraff_lmp.score.rmsd import rmsd
from egraff_lmp.score.sums import absent, block_sums, distinct, finite_terms, mean, rows
from egraff_lmp.score.unwrap import followed, masses_of


@dataclass(frozen=True)
class Deviation:
    """RMSD of one rollout from its reference.

    Attributes:
        values: (T,) in A; NaN where a frame is not finite.
        step_fs: time between frames, or None where unknown.
        facts: how frames were paired.
    """

    values: NDArray[np.float64]
    step_fs: float | None
    facts: tuple[Fact, ...] = ()

    @property
    def shares_start(self) -> bool:
        """Whether it starts at the frame that it is compared with."""
        return bool(self.values[0] < SAME_FRAME_A)

    @property
    def why_no_time(self) -> Fact | None:
        """Why a divergence time means nothing, or None."""
        if not self.step_fs:
            return Fact("no-time-between-frames")
        return None if self.shares_start else Fact("starts-elsewhere")


def deviations(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """Mean RMSD of the rollouts at equal times."""
    found = _shared(context)
    known = [one for one in found if isinstance(one, Deviation) and np.isfinite(one.values).any()]
    if not known:
        yield absent(context, TRAJECTORY, _reasons(found) or [Fact("no-finite-values")])
        return
    floor = _floor(context)
    yield Sample(
        TRAJECTORY,
        rollouts=[block_sums(finite_terms(one.values), context.options.n_blocks) for one in known],
        value=mean,
        floor=None if floor is None else mean(finite_terms(floor.values).sum(axis=0)),
        counts=_counts(known, len(found)),
        window=Fact("longest", {"frames": max(len(one.values) for one in known)}),
        facts=_facts(found, _reasons(found)),
        series=tuple(
            Series(metric.key, mode, TRAJECTORY, number, one.step_fs, one.values)
            for number, one in enumerate(found)
            if isinstance(one, Deviation)
        ),
    )


def divergence_times(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """Mean time until a rollout has left the reference that it started from."""
    found, threshold = _shared(context), context.options.rmsd_threshold
    known, reasons, ends = [], [], []
    for one in found:
        why = one if isinstance(one, Fact) else one.why_no_time
        if why is not None:
            reasons.append(why)
        elif isinstance(one, Deviation):
            known.append(one)
            ends.append(divergence_time(one.values, float(one.step_fs or 0), threshold))
    if not known:
        yield absent(context, TRAJECTORY, distinct(reasons))
        return
    floor = _floor(context)
    floor_time = None
    if floor is not None and floor.step_fs and np.isfinite(floor.values).any():
        floor_time = divergence_time(floor.values, floor.step_fs, threshold)[0]
    facts = [*_facts(found, reasons)]
    if never := sum(not diverged for _, diverged in ends):
        facts.append(Fact("never-diverged", {"rollouts": never, "of": len(ends)}))
    longest = max(len(one.values) for one in known)
    yield Sample(
        TRAJECTORY,
        rollouts=rows(time for time, _ in ends),
        value=mean,
        floor=floor_time,
        counts=_counts(known, len(found)),
        window=Fact("longest-within", {"frames": longest, "rmsd": threshold}),
        facts=(*facts, Fact("no-velocities")),
        draws_starts=True,
    )


def _shared(context: Context) -> Sequence[Deviation | Fact]:
    """For each rollout its deviation, or why there is none; of a reason for all, it alone."""
    return context.shared("deviations", lambda: _deviations(context))


def _deviations(context: Context) -> Sequence[Deviation | Fact]:
    if not context.rollouts:
        return [Fact("no-rollouts")]
    if not context.options.time_series:
        return [Fact("no-time-series")]
    # `skip` does not apply, as the first frame is the shared one.
    return [
        _deviation(
            pair_in_time(context.reference, one.frames, context.options.start_of(number), 0),
            f"rollout {number + 1}",
        )
        for number, one in enumerate(context.rollouts)
    ]


def _deviation(pairing: Pairing | Unpaired, whose: str) -> Deviation | Fact:
    if isinstance(pairing, Unpaired):
        return pairing.absence
    truth, model = pairing.truth, pairing.model
    x, y = followed(model, whose), followed(truth, "reference")
    if isinstance(x, Fact):
        return x
    if isinstance(y, Fact):
        return y
    n = min(len(x), len(y))
    x, y = x[:n], y[:n]
    if all(truth.pbc):
        # Images of the first frame: a dump may hold other ones than the reference.
        y = y + np.round((x[0] - y[0]) @ np.linalg.inv(truth.cell[0])) @ truth.cell[0]
    values = np.full(len(model), np.nan)
    values[:n] = rmsd(x, y, masses_of(truth.species), superpose=not any(truth.pbc))
    return Deviation(values, truth.timestep_fs, pairing.facts)


def _floor(context: Context) -> Deviation | None:
    """The second half of the reference against the first one, frame by frame."""
    return context.shared("deviation floor", lambda: _halves(context.reference))


def _halves(reference: Frames) -> Deviation | None:
    half = len(reference) // 2
    if not half:
        return None
    first, second = reference.select(slice(0, half)), reference.select(slice(half, 2 * half))
    found = _deviation(Pairing(first, second), "reference")
    return None if isinstance(found, Fact) else found


def _reasons(found: Sequence[Deviation | Fact]) -> tuple[Fact, ...]:
    return distinct(one for one in found if isinstance(one, Fact))


def _facts(found: Sequence[Deviation | Fact], reasons: Sequence[Fact]) -> tuple[Fact, ...]:
    paired = (fact for one in found if isinstance(one, Deviation) for fact in one.facts)
    return distinct([*paired, *reasons])


def _counts(known: Sequence[Deviation], starts: int) -> Counts:
    frames = sum(len(one.values) for one in known)
    failed = sum(int((~np.isfinite(one.values)).sum()) for one in known)
    return Counts(frames=frames, frames_reference=frames, starts=starts, failed=failed)
