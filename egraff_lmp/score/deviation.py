"""Rollouts beside the reference that they started from: RMSD(t) and divergence time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from egraff_lmp.score import traces
from egraff_lmp.score.align import SAME_FRAME_A, Pairing
from egraff_lmp.score.metric import Context, Metric, Sample, once
from egraff_lmp.score.records import TRAJECTORY, Fact
from egraff_lmp.score.rmsd import divergence_time, rmsd
from egraff_lmp.score.sums import absent, block_sums, finite_terms, mean, rows
from egraff_lmp.score.unwrap import followed, masses_of


def deviations(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """Mean RMSD of the rollouts at equal times."""
    found = _deviations(context)
    known = [one for one in traces.present(found) if np.isfinite(one.values).any()]
    if not known:
        yield absent(context, TRAJECTORY, traces.reasons(found) or [Fact("no-finite-values")])
        return
    floor = _floor(context)
    yield Sample(
        TRAJECTORY,
        rollouts=[block_sums(finite_terms(one.values), context.options.n_blocks) for one in known],
        value=mean,
        floor=None if floor is None else mean(finite_terms(floor.values).sum(axis=0)),
        counts=traces.counts(known, len(found)),
        window=Fact("longest", {"frames": max(len(one.values) for one in known)}),
        facts=(*traces.pairing_facts(found), *traces.reasons(found)),
        series=tuple(traces.series(metric, mode, TRAJECTORY, found)),
    )


def divergence_times(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """Mean time until a rollout has left the reference that it started from."""
    threshold, found = context.options.rmsd_threshold, _deviations(context)
    timed = [one if isinstance(one, Fact) else _why_no_time(one) or one for one in found]
    known = traces.present(timed)
    if not known:
        yield absent(context, TRAJECTORY, traces.reasons(timed))
        return
    ends = [divergence_time(one.values, float(one.step_fs or 0), threshold) for one in known]
    floor = _floor(context)
    floor_time = None
    if floor is not None and floor.step_fs and np.isfinite(floor.values).any():
        floor_time = divergence_time(floor.values, floor.step_fs, threshold)[0]
    facts = [*traces.pairing_facts(found), *traces.reasons(timed)]
    if never := sum(not diverged for _, diverged in ends):
        facts.append(Fact("never-diverged", {"rollouts": never, "of": len(ends)}))
    longest = max(len(one.values) for one in known)
    yield Sample(
        TRAJECTORY,
        rollouts=rows(time for time, _ in ends),
        value=mean,
        floor=floor_time,
        counts=traces.counts(known, len(found)),
        window=Fact("longest-within", {"frames": longest, "rmsd": threshold}),
        facts=(*facts, Fact("no-velocities")),
        draws_starts=True,
    )


def _why_no_time(deviation: traces.Trace) -> Fact | None:
    """Why a divergence time means nothing, or None."""
    if not deviation.step_fs:
        return Fact("no-time-between-frames")
    return None if deviation.values[0] < SAME_FRAME_A else Fact("starts-elsewhere")


@once
def _deviations(context: Context) -> traces.Traces:
    """RMSD in A of each rollout; `skip` does not apply, as the first frame is the shared one."""
    paired = enumerate(traces.paired_in_time(context, 0), 1)
    return [_deviation(pairing, f"rollout {number}") for number, pairing in paired]


def _deviation(pairing: Pairing | Fact, whose: str) -> traces.Trace | Fact:
    if isinstance(pairing, Fact):
        return pairing
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
    return traces.Trace(values, truth.timestep_fs, pairing.facts)


@once
def _floor(context: Context) -> traces.Trace | None:
    """The second half of the reference against the first one, frame by frame."""
    reference, half = context.reference, len(context.reference) // 2
    if not half:
        return None
    halves = Pairing(reference.select(slice(0, half)), reference.select(slice(half, 2 * half)))
    found = _deviation(halves, "reference")
    return found if isinstance(found, traces.Trace) else None
