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

import numpy as np

from egraff_lmp.data.frames import Frames
from egraff_lmp.score import traces
from egraff_lmp.score.align import Pairing
from egraff_lmp.score.arrays import Floats
from egraff_lmp.score.metric import Context, Metric, Sample, Samples, Sums, once
from egraff_lmp.score.records import (
    RERUN_COMMITTEE,
    RERUN_ORACLE,
    RERUN_REFERENCE,
    TRAJECTORY,
    Counts,
    Fact,
)
from egraff_lmp.score.sums import absent, block_sums, frames_window
from egraff_lmp.score.violation import (
    force_violation,
    geometric_mean,
    is_uncorrelated,
    log_terms,
    mean_of_logs,
    relative_energies,
)

RELATIVE_ENERGY, TOTAL_ENERGY, FORCES = "relative_energy", "total_energy", "forces"
GROWTH_PARTS = 5  # the last fifth of a rollout against its first one

Violation = Callable[[Floats, Floats], Floats]


def violations(quantity: str, function: Violation) -> Samples:
    """Samples of a violation in each comparison.

    Args:
        quantity: "relative_energy", "total_energy" or "forces".
        function: (truth, model) to one number for each frame, whose geometric mean is the value.
    """

    def samples(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
        for comparison in (TRAJECTORY, RERUN_REFERENCE, *own_frames(context)):
            known = followed(context, comparison, quantity, function)
            yield _sample(context, metric, mode, comparison, *known)

    return samples


def own_frames(context: Context) -> tuple[str, ...]:
    """Comparisons on the rollouts' own frames; that with the ground truth where there is none."""
    known = tuple(name for name in (RERUN_ORACLE, RERUN_COMMITTEE) if name in context.reruns)
    return known or (RERUN_ORACLE,)


@once
def followed(
    context: Context, comparison: str, quantity: str, function: Violation
) -> tuple[traces.Traces, float | None]:
    """A violation frame by frame, and its mean of the halves of the truth against each other."""
    paired = _paired(context, comparison)
    truths = [pairing.truth for pairing in traces.present(paired)]
    zero = _mean_energy([context.reference, *truths])

    def trace(number: int, pairing: Pairing | Fact) -> traces.Trace | Fact:
        if isinstance(pairing, Fact):
            return pairing
        truth, model = (_quantity(side, quantity, zero) for side in (pairing.truth, pairing.model))
        if truth is None or model is None:
            sides = ("ground truth", "model")
            if comparison == TRAJECTORY:
                sides = ("reference", f"rollout {number}")
            what = "forces" if quantity == FORCES else "energies"
            return Fact("no-labels", {"whose": sides[truth is not None], "what": what})
        values = np.asarray(function(truth, model))
        return traces.Trace(values, pairing.truth.timestep_fs, pairing.facts)

    found = [trace(number, pairing) for number, pairing in enumerate(paired, 1)]
    if not traces.present(found):
        return found, None
    truth = context.reference if comparison == TRAJECTORY else truths[0]
    half, values = len(truth) // 2, _quantity(truth, quantity, zero)
    if values is None or not half:
        return found, None
    return found, geometric_mean(function(values[:half], values[half : 2 * half]))


def growth(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """FV at the end of the rollouts over that at their beginning, on their own frames."""
    for comparison in own_frames(context):
        found, _ = followed(context, comparison, FORCES, force_violation)
        known = traces.present(found)
        if not known:
            yield absent(context, comparison, traces.reasons(found))
            continue
        parts = traces.cut(known[0].values, context.reruns[comparison].lengths)
        rollouts = [_first_and_last(part)[None] for part in parts if len(part)]
        yield Sample(
            comparison,
            rollouts=rollouts,
            value=_growth,
            counts=Counts(len(known[0].values), len(known[0].values)),
            window=Fact("first-and-last", {"parts": GROWTH_PARTS, "rollouts": len(rollouts)}),
            undefined=Fact("no-violation-at-an-end"),
            facts=traces.pairing_facts(found),
            judge=context.reruns[comparison].judge,
            draws_starts=True,
        )


def _growth(sums: Sums, own: Sums) -> float:
    first, n_first, last, n_last = sums
    if not (n_first and n_last):
        return float("nan")
    return float(np.exp(last / n_last - first / n_first))


def _first_and_last(values: Floats) -> Floats:
    """Sum of logarithms and number of entries of the first and of the last fifth, (4,)."""
    length = max(1, len(values) // GROWTH_PARTS)
    terms = log_terms(values)[:, :2]
    return np.concatenate([terms[:length].sum(axis=0), terms[-length:].sum(axis=0)])


def _sample(
    context: Context,
    metric: Metric,
    mode: str,
    comparison: str,
    found: traces.Traces,
    floor: float | None,
) -> Sample:
    of_rollouts, known = comparison == TRAJECTORY, traces.present(found)
    if not known:
        return absent(context, comparison, traces.reasons(found))
    rollouts = [block_sums(log_terms(one.values), context.options.n_blocks) for one in known]
    total = np.concatenate(rollouts).sum(axis=0)
    facts = [*traces.pairing_facts(found), *traces.reasons(found)]
    if len(known) < len(found):
        facts.insert(0, Fact("rollouts-used", {"used": len(known), "of": len(found)}))
    value, limit = mean_of_logs(total), metric.uncorrelated
    if of_rollouts and limit is not None and is_uncorrelated(value, limit):
        told = {"value": value, "uncorrelated": limit}
        facts.append(Fact("no-information", {"metric": metric.label, **told}))
    rerun = context.reruns.get(comparison)
    return Sample(
        comparison,
        rollouts=rollouts,
        value=mean_of_logs,
        floor=floor,
        counts=traces.counts(known, len(found) if of_rollouts else None, int(total[2] - total[1])),
        window=frames_window(len(known[0].values), known[0].step_fs, len(found)),
        undefined=Fact("no-finite-values"),
        facts=tuple(facts),
        judge=None if rerun is None else rerun.judge,
        series=tuple(
            traces.series(metric, mode, comparison, found, rerun.lengths if rerun else ())
        ),
    )


@once
def _paired(context: Context, comparison: str) -> Sequence[Pairing | Fact]:
    if comparison == TRAJECTORY:
        return traces.paired_in_time(context, context.options.skip)
    rerun = context.reruns.get(comparison)
    if rerun is None:
        reference = comparison == RERUN_REFERENCE
        return [Fact("no-rerun-reference" if reference else "no-rerun-oracle")]
    return [rerun]


def _quantity(frames: Frames, quantity: str, zero: float) -> Floats | None:
    if quantity == FORCES:
        return frames.forces
    if quantity == TOTAL_ENERGY or frames.energy is None:
        return frames.energy
    return relative_energies(frames.energy, zero, frames.n_atoms)


def _mean_energy(candidates: Sequence[Frames]) -> float:
    """Mean energy in eV of the first frames that have any."""
    known = (frames.energy for frames in candidates if frames.energy is not None)
    finite = (energy[np.isfinite(energy)] for energy in known)
    return next((float(np.mean(energy)) for energy in finite if energy.size), 0.0)
