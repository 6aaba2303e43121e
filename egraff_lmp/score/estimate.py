"""From a sample to its score: value, confidence interval, floor and values of single rollouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.score.bootstrap import MIN_STARTS, bootstrap_interval, resampling_units
from egraff_lmp.score.metric import Halves, Metric, Sample
from egraff_lmp.score.options import Options
from egraff_lmp.score.records import Resampled, Score


def estimate(metric: Metric, mode: str, sample: Sample, options: Options) -> Score:
    """The score of a sample; one without a value says why."""
    absent = sample.absence
    value = None if absent else _value(sample, _total(sample.rollouts), _whole(sample.reference))
    if absent is None and value is None:
        absent = sample.undefined
    common = Score(
        key=metric.key, mode=mode, comparison=sample.comparison, part=sample.part,
        unit=metric.unit, value=value, counts=sample.counts, absence=absent, facts=sample.facts,
        distribution=sample.distribution, judge=sample.judge, lifetimes=sample.lifetimes,
        window=sample.window,
    )  # fmt: skip
    if value is None:
        return common
    return _with_spread(common, metric, sample, options)


def _with_spread(score: Score, metric: Metric, sample: Sample, options: Options) -> Score:
    blocks = [len(one) for one in sample.rollouts]
    interval = _interval(metric, sample, blocks, options) if sample.spread else None
    return replace(
        score,
        interval=interval,
        resampled=None if interval is None else _resampled(blocks),
        floor=_floor(sample),
        per_start=tuple(
            _value(sample, one.sum(axis=0), _whole(sample.reference)) for one in sample.rollouts
        ),
    )


def _value(sample: Sample, sums: NDArray[np.float64] | None, own: NDArray[np.float64] | None
           ) -> float | None:  # fmt: skip
    if sums is None or sample.value is None:
        return None
    value = sample.value(sums, own)
    return float(value) if np.isfinite(value) else None


def _total(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64] | None:
    return np.concatenate(parts).sum(axis=0) if parts else None


def _whole(blocks: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    return None if blocks is None else blocks.sum(axis=0)


def _interval(
    metric: Metric, sample: Sample, blocks: list[int], options: Options
) -> tuple[float, float] | None:
    if sample.value is None or (sample.draws_starts and len(blocks) < MIN_STARTS):
        return None
    function, reference = sample.value, sample.reference
    joined, own = np.concatenate(sample.rollouts), _whole(reference)
    units = [resampling_units(blocks)]
    if reference is not None and sample.draws_reference:
        units.append(resampling_units([len(reference)]))

    def statistic(w: NDArray[np.float64], v: NDArray[np.float64] | None = None) -> float:
        return function(w @ joined, own if v is None or reference is None else v @ reference)

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
        found = sample.floor
        return found if found is not None and np.isfinite(found) else None
    reference = sample.reference
    half = 0 if reference is None else len(reference) // 2
    if reference is None or not half:
        return None
    return _value(sample, reference[-half:].sum(axis=0), reference[:half].sum(axis=0))


def _resampled(blocks: Sequence[int]) -> Resampled:
    """What `resampling_units` draws."""
    units = resampling_units(blocks)
    number = int(units.max()) + 1 if units.size else 0
    return Resampled(number, "blocks" if number == sum(blocks) != len(blocks) else "starts")
