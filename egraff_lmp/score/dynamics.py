"""Energies and forces along a trajectory: every EV and FV row of the table of metrics.

Comparisons, never mixed:

trajectory       rollout at time t against reference at time t, as in the paper. After the two have
                 decorrelated it says nothing about the model: FV is 0.7071 then.
rerun-reference  the model re-evaluated (LAMMPS `rerun`) on the reference frames.
rerun-oracle     the reference potential re-evaluated (LAMMPS `rerun`) on the rollout's own frames.
rerun-committee  where it cannot be evaluated, a committee of other force fields in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.score.align import Pairing, Unpaired, pair_in_time
from egraff_lmp.score.metric import Context, Metric, Sample, Sums
from egraff_lmp.score.records import (
    RERUN_COMMITTEE,
    RERUN_ORACLE,
    RERUN_REFERENCE,
    TRAJECTORY,
    Counts,
    Fact,
    Series,
)
from egraff_lmp.score.sums import absent, block_sums, distinct, frames_window
from egraff_lmp.score.violation import (
    force_violation,
    geometric_mean,
    is_uncorrelated,
    relative_energies,
)

RELATIVE_ENERGY, TOTAL_ENERGY, FORCES = "relative_energy", "total_energy", "forces"
GROWTH_PARTS = 5  # the last fifth of a rollout against its first one

Violation = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Followed:
    """A violation frame by frame in one comparison.

    Attributes:
        values: (T,) of each rollout or rerun that has it; NaN where a frame is not finite.
        starts: index of each of them.
        steps_fs: time between frames of each.
        missing: why the others do not have it.
        facts: how frames were paired.
        floor: the two halves of the truth against each other, frame by frame.
        n_paired: rollouts or reruns in all.
    """

    values: tuple[NDArray[np.float64], ...]
    starts: tuple[int, ...]
    steps_fs: tuple[float | None, ...]
    missing: tuple[Fact, ...]
    facts: tuple[Fact, ...]
    floor: float | None
    n_paired: int


def violations(
    quantity: str, function: Violation
) -> Callable[[Context, Metric, str], Iterator[Sample]]:
    """Samples of a violation in each comparison.

    Args:
        quantity: "relative_energy", "total_energy" or "forces".
        function: (truth, model) to one number for each frame, whose geometric mean is the value.
    """

    def samples(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
        for comparison in (TRAJECTORY, RERUN_REFERENCE, *own_frames(context)):
            found = followed(context, comparison, quantity, function)
            if isinstance(found, Followed):
                yield _sample(context, metric, mode, comparison, found)
            else:
                yield absent(context, comparison, found)

    return samples


def own_frames(context: Context) -> tuple[str, ...]:
    """Comparisons on the rollouts' own frames; that with the ground truth where there is none."""
    known = tuple(name for name in (RERUN_ORACLE, RERUN_COMMITTEE) if name in context.reruns)
    return known or (RERUN_ORACLE,)


def followed(
    context: Context, comparison: str, quantity: str, function: Violation
) -> Followed | tuple[Fact, ...]:
    """A violation frame by frame, worked out once for all modes, or why it is not there."""
    return context.shared(
        ("violation", comparison, quantity, function),
        lambda: _follow(context, comparison, quantity, function),
    )


def growth(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """FV at the end of the rollouts over that at their beginning, on their own frames."""
    for comparison in own_frames(context):
        found = followed(context, comparison, FORCES, force_violation)
        if not isinstance(found, Followed):
            yield absent(context, comparison, found)
            continue
        parts = cut(found.values[0], context.reruns[comparison].lengths)
        rollouts = [np.array([_first_and_last(part)]) for part in parts if len(part)]
        yield Sample(
            comparison,
            rollouts=rollouts,
            value=_growth,
            counts=Counts(frames=sum(map(len, parts)), frames_reference=sum(map(len, parts))),
            window=Fact("first-and-last", {"parts": GROWTH_PARTS, "rollouts": len(rollouts)}),
            undefined=Fact("no-violation-at-an-end"),
            facts=found.facts,
            judge=context.reruns[comparison].judge,
            draws_starts=True,
        )


def cut(values: NDArray[np.float64], lengths: Sequence[int]) -> list[NDArray[np.float64]]:
    """A series (T,) of rollouts one after the other, rollout by rollout; () for a single one."""
    ends = list(accumulate(lengths, initial=0))
    return [values[a:b] for a, b in pairwise(ends)] if ends[-1] == len(values) else [values]


def _growth(sums: Sums, own: Sums | None) -> float:
    first, n_first, last, n_last = sums
    if not (n_first and n_last):
        return float("nan")
    return float(np.exp(last / n_last - first / n_first))


def _first_and_last(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of logarithms and number of entries of the first and of the last fifth, (4,)."""
    length = max(1, len(values) // GROWTH_PARTS)
    terms = _log_terms(values)[:, :2]
    return np.concatenate([terms[:length].sum(axis=0), terms[-length:].sum(axis=0)])


def _log_terms(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Terms (T, 3) of a geometric mean: logarithm, whether positive, whether finite."""
    finite = np.isfinite(values)
    positive = finite & (values > 0)
    logs = np.zeros(len(values))
    logs[positive] = np.log(values[positive])
    return np.column_stack([logs, positive, finite])


def _geometric_mean(sums: Sums, own: Sums | None) -> float:
    logs, positive, finite = sums
    if positive:
        return float(np.exp(logs / positive))
    return 0.0 if finite else float("nan")


def _sample(
    context: Context, metric: Metric, mode: str, comparison: str, found: Followed
) -> Sample:
    of_rollouts = comparison == TRAJECTORY
    rollouts = [block_sums(_log_terms(v), context.options.n_blocks) for v in found.values]
    whole = geometric_mean(np.concatenate(found.values))
    facts = [*found.facts, *found.missing]
    if (used := len(found.values)) < found.n_paired:
        facts.insert(0, Fact("rollouts-used", {"used": used, "of": found.n_paired}))
    limit = metric.uncorrelated
    if of_rollouts and limit is not None and is_uncorrelated(whole.value, limit):
        told = {"value": whole.value, "uncorrelated": limit}
        facts.append(Fact("no-information", {"metric": metric.label, **told}))
    rerun = context.reruns.get(comparison)
    n_frames = sum(map(len, found.values))
    return Sample(
        comparison,
        rollouts=rollouts,
        value=_geometric_mean,
        floor=found.floor,
        counts=Counts(
            frames=n_frames,
            frames_reference=n_frames,
            starts=found.n_paired if of_rollouts else None,
            zero=whole.n_zero,
            failed=whole.n_failed,
        ),
        window=frames_window(len(found.values[0]), found.steps_fs[0], found.n_paired),
        undefined=Fact("no-finite-values"),
        facts=tuple(facts),
        judge=None if rerun is None else rerun.judge,
        series=tuple(_series(metric, mode, comparison, found, rerun.lengths if rerun else ())),
    )


def _series(
    metric: Metric, mode: str, comparison: str, found: Followed, lengths: Sequence[int]
) -> Iterator[Series]:
    for start, step_fs, values in zip(found.starts, found.steps_fs, found.values, strict=True):
        parts = [values] if comparison == TRAJECTORY else cut(values, lengths)
        for number, part in enumerate(parts, start):
            yield Series(metric.key, mode, comparison, number, step_fs, part)


def _paired(context: Context, comparison: str) -> list[Pairing | Unpaired]:
    if comparison != TRAJECTORY:
        rerun = context.reruns.get(comparison)
        if rerun is None:
            reference = comparison == RERUN_REFERENCE
            return [Unpaired(Fact("no-rerun-reference" if reference else "no-rerun-oracle"))]
        return [Pairing(rerun.truth, rerun.model, rerun.facts)]
    if not context.rollouts:
        return [Unpaired(Fact("no-rollouts"))]
    if not context.options.time_series:
        return [Unpaired(Fact("no-time-series"))]
    options = context.options
    return [
        pair_in_time(context.reference, one.frames, options.start_of(number), options.skip)
        for number, one in enumerate(context.rollouts)
    ]


def _follow(
    context: Context, comparison: str, quantity: str, function: Violation
) -> Followed | tuple[Fact, ...]:
    paired = context.shared(("paired", comparison), lambda: _paired(context, comparison))
    pairs = [pairing for pairing in paired if isinstance(pairing, Pairing)]
    truths = [pairing.truth for pairing in pairs]
    zero = _mean_energy([context.reference, *truths])

    def taken(frames: Frames) -> NDArray[np.float64] | None:
        return _quantity(frames, quantity, zero)

    values, starts, steps = [], [], []
    missing: list[Fact] = []
    facts: list[Fact] = []
    for start, pairing in enumerate(paired):
        if isinstance(pairing, Unpaired):
            missing.append(pairing.absence)
            continue
        truth, model = taken(pairing.truth), taken(pairing.model)
        if truth is None or model is None:
            missing.append(_lacks(comparison, quantity, start, of_truth=truth is None))
            continue
        values.append(np.asarray(function(truth, model)))
        starts.append(start)
        steps.append(pairing.truth.timestep_fs)
        facts += pairing.facts
    if not values:
        return distinct(missing)
    floor = _floor(context.reference if comparison == TRAJECTORY else truths[0], taken, function)
    return Followed(
        tuple(values), tuple(starts), tuple(steps), distinct(missing), distinct(facts), floor,
        len(paired),
    )  # fmt: skip


def _lacks(comparison: str, quantity: str, start: int, of_truth: bool) -> Fact:
    """Which side holds no energies or forces."""
    if comparison == TRAJECTORY:
        whose = "reference" if of_truth else f"rollout {start + 1}"
    else:
        whose = "ground truth" if of_truth else "model"
    return Fact(
        "no-labels", {"whose": whose, "what": "forces" if quantity == FORCES else "energies"}
    )


def _floor(
    truth: Frames, taken: Callable[[Frames], NDArray[np.float64] | None], function: Violation
) -> float | None:
    half, values = len(truth) // 2, taken(truth)
    if values is None or not half:
        return None
    return geometric_mean(function(values[:half], values[half : 2 * half])).value


def _quantity(frames: Frames, quantity: str, zero: float) -> NDArray[np.float64] | None:
    if quantity == FORCES or frames.energy is None:
        return frames.forces if quantity == FORCES else None
    if quantity == TOTAL_ENERGY:
        return frames.energy
    return relative_energies(frames.energy, zero, frames.n_atoms)


def _mean_energy(candidates: Sequence[Frames]) -> float:
    """Mean energy in eV of the first frames that have any."""
    for frames in candidates:
        if frames.energy is not None:
            finite = frames.energy[np.isfinite(frames.energy)]
            if finite.size:
                return float(np.mean(finite))
    return 0.0
