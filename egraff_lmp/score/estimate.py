"""From a sample to its score: value, confidence interval, floor and values of single rollouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from egraff_lmp.score.arrays import Floats
from egraff_lmp.score.bootstrap import MIN_STARTS, bootstrap_interval, resampling_units
from egraff_lmp.score.metric import Halves, Metric, Sample
from egraff_lmp.score.options import Options
from egraff_lmp.score.records import Resampled, Score


def estimate(metric: Metric, mode: str, sample: Sample, options: Options) -> Score:
    """The score of a sample; one without a value says why."""
    score = Score(
        key=metric.key, mode=mode, comparison=sample.comparison, part=sample.part,
        unit=metric.unit, counts=sample.counts, absence=sample.absence, facts=sample.facts,
        distribution=sample.distribution, judge=sample.judge, lifetimes=sample.lifetimes,
        window=sample.window,
    )  # fmt: skip
    if sample.absence is not None:
        return score
    own = sample.reference.sum(axis=0)
    value = None
    if sample.rollouts:
        value = _finite(sample.value(np.concatenate(sample.rollouts).sum(axis=0), own))
    if value is None:
        return replace(score, absence=sample.undefined)
    blocks = [len(one) for one in sample.rollouts]
    interval = _interval(metric, sample, blocks, options) if sample.spread else None
    return replace(
        score,
        value=value,
        interval=interval,
        resampled=None if interval is None else _resampled(blocks),
        floor=_floor(sample),
        per_start=tuple(_finite(sample.value(one.sum(axis=0), own)) for one in sample.rollouts),
    )


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None


def _interval(
    metric: Metric, sample: Sample, blocks: list[int], options: Options
) -> tuple[float, float] | None:
    if sample.draws_starts and len(blocks) < MIN_STARTS:
        return None
    joined, reference = np.concatenate(sample.rollouts), sample.reference
    own = reference.sum(axis=0)
    units = [resampling_units(blocks)]
    if len(reference) and sample.draws_reference:
        units.append(resampling_units([len(reference)]))

    def statistic(w: Floats, v: Floats | None = None) -> float:
        return sample.value(w @ joined, own if v is None else v @ reference)

    return bootstrap_interval(
        statistic,
        units,
        bounds=metric.bounds,
        n_resamples=options.n_resamples,
        confidence=options.confidence,
        seed=options.seed,
    )


def _floor(sample: Sample) -> float | None:
    if not isinstance(sample.floor, Halves):
        return _finite(sample.floor)
    reference, half = sample.reference, len(sample.reference) // 2
    if not half:
        return None
    return _finite(sample.value(reference[-half:].sum(axis=0), reference[:half].sum(axis=0)))


def _resampled(blocks: Sequence[int]) -> Resampled:
    """What `resampling_units` draws."""
    units = resampling_units(blocks)
    number = int(units.max()) + 1 if units.size else 0
    return Resampled(number, "blocks" if number == sum(blocks) != len(blocks) else "starts")
