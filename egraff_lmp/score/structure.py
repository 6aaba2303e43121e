"""Structure of rollouts against the reference: values of two curves over the distance.

A rollout counts until its loss of stability, as in Fu et al., and the number of frames behind it is
stated; the forms of EGraFFBench take all frames, as its script did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from egraff_lmp.score import floor, rdf
from egraff_lmp.score.lifetime import stable_frames
from egraff_lmp.score.matched import floor_of_blocks, left_out, n_finite, nothing_left
from egraff_lmp.score.metric import Context, Metric, Sample, Samples, Sums, Value, once
from egraff_lmp.score.options import EGRAFF, PAPER
from egraff_lmp.score.pair_counts import FU, counted_until, distances
from egraff_lmp.score.records import REFERENCE, ROLLOUTS, STRUCTURE, TOTAL, Fact
from egraff_lmp.score.sums import absent, counts_of


def structure(
    curve: str,
    function: Callable[..., float],
    *,
    integral: bool = False,
    of_volume: bool = False,
    printed: str = PAPER,
) -> Samples:
    """Samples of a function of two curves.

    Args:
        curve: which one, see `PairHistogram.curve_blocks`; but for that of EGraFFBench, which is
            total alone, also for each pair of elements.
        function: (curve, reference curve) to a number.
        integral: the function takes the bin width in A as a third argument.
        of_volume: the value scales with the volume, so that there is none without a cell.
        printed: whose range and bins the `paper` mode has, `PAPER` (EGraFFBench) or `FU`.
    """

    def samples(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
        if not context.rollouts:
            yield absent(context, STRUCTURE, [Fact("no-rollouts")], TOTAL)
            return
        form = EGRAFF if mode == EGRAFF else printed
        found = distances(context)[form]
        extra = (found.reference.bin_width,) if integral else ()

        def value(sums: Sums, own: Sums) -> float:
            """Of the mean curves; the last of the sums is the number of frames."""
            if not (sums[-1] and own[-1]):
                return float("nan")
            return float(function(sums[:-1] / sums[-1], own[:-1] / own[-1], *extra))

        for part in (TOTAL,) if form == PAPER else (TOTAL, *found.reference.names):
            sample = _sample(context, form, curve, part, value)
            lacking = of_volume and not found.volume
            yield replace(sample, absence=Fact("no-volume")) if lacking else sample

    return samples


@once
def _counted(context: Context, form: str) -> tuple[rdf.PairHistogram, ...]:
    """Pair distances of each rollout until its loss of stability; of all its frames in `PAPER`."""
    whole = distances(context)[form].rollouts
    if form == PAPER:
        return tuple(whole)
    stable = stable_frames(context, EGRAFF if form == EGRAFF else PAPER)
    return tuple(
        one if until == len(frames) else counted_until(context, form, number, until)
        for number, (one, frames, until) in enumerate(zip(whole, context.kept, stable, strict=True))
    )


def _sample(context: Context, form: str, curve: str, part: str, value: Value) -> Sample:
    found, counted = distances(context)[form], _counted(context, form)

    def blocks(histogram: rdf.PairHistogram) -> Sums:
        curves = histogram.curve_blocks(curve, part, found.volume)
        return np.column_stack([curves, histogram.n_frames])

    reference, merged = found.reference, rdf.merge(counted)
    frames, of = int(merged.n_frames.sum()), n_finite(context)
    counts = counts_of(context, of, int(reference.n_frames.sum()))
    bins = {"r_max": reference.r_max, "bin_width": reference.bin_width}
    kind = "paper_rdf" if form == PAPER else "rdf"
    sides = {REFERENCE: reference, ROLLOUTS: merged}
    of_curves = curve != "paper_rdf"  # a curve of its own in the other mode
    perfect = _floor(context, form, blocks, value) if frames else None
    facts = list(left_out(frames, of))
    if perfect is not None and perfect.stretches < floor.FEW:
        told = {"stretches": perfect.stretches, "few": floor.FEW}
        facts.append(Fact("short-reference", told))
    return Sample(
        comparison=STRUCTURE,
        part=part,
        rollouts=[blocks(one) for one in counted],
        reference=blocks(reference),
        value=value,
        floor=None if perfect is None else perfect.mean,
        floor_high=None if perfect is None else perfect.high,
        counts=replace(counts, frames=frames),
        window=Fact("distances", {"skip": context.options.skip, **bins}),
        absence=nothing_left(frames, of),
        undefined=Fact("no-distances", {"part": part}),
        facts=tuple(facts),
        distribution="g" if reference.periodic or not of_curves else "h",
        curves=()
        if form == FU
        else tuple(
            replace(one.curves(kind, found.volume), mode=form, side=side)
            for side, one in sides.items()
        ),
    )


def _floor(
    context: Context,
    form: str,
    blocks: Callable[[rdf.PairHistogram], Sums],
    value: Value,
) -> floor.Floor | None:
    """What a perfect model would read with these rollouts; the last of the sums counts frames."""
    own = blocks(distances(context)[form].fine_reference)
    theirs = [blocks(one) for one in _counted(context, form)]
    frames = [sums[:, -1] for sums in theirs]
    return floor_of_blocks(context, value, own, own[:, -1], theirs, frames)
