"""From a sample to its score: value, confidence interval, floor and values of single rollouts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from egraff_lmp.score.bootstrap import MIN_STARTS, bootstrap_interval, resampling_units
from egraff_lmp.score.clusters import effective_starts
from egraff_lmp.score.metric import Metric, Sample, Sums
from egraff_lmp.score.options import Options
from egraff_lmp.score.records import Fact, Resampled, Score


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
    between = interval(sample, options, metric.bounds) if sample.spread else None
    if between is not None:  # sums in another order may put the value beyond its own interval
        between = (min(between[0], value), max(between[1], value))
    return replace(
        score,
        value=value,
        interval=between,
        resampled=None if between is None else _resampled(sample),
        floor=_finite(sample.floor),
        floor_high=_finite(sample.floor_high),
        facts=sample.facts if between is None else (*sample.facts, *_shared(sample)),
        per_start=tuple(_finite(sample.value(one.sum(axis=0), own)) for one in sample.rollouts),
    )


def interval(
    sample: Sample, options: Options, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> tuple[float, float] | None:
    """Confidence interval of the value of a sample, within its bounds; see `bootstrap`."""
    blocks = [len(one) for one in sample.rollouts]
    if sample.draws_starts and len(blocks) < MIN_STARTS:
        return None
    joined, reference = np.concatenate(sample.rollouts), sample.reference
    own, units = reference.sum(axis=0), [resampling_units(blocks, sample.clusters)]
    if len(reference) and sample.draws_reference:
        units.append(resampling_units([len(reference)]))

    def statistic(w: Sums, v: Sums | None = None) -> float:
        return sample.value(w @ joined, own if v is None else v @ reference)

    return bootstrap_interval(
        statistic,
        units,
        bounds=bounds,
        n_resamples=options.n_resamples,
        confidence=options.confidence,
        seed=options.seed,
    )


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None


def _resampled(sample: Sample) -> Resampled:
    """What `resampling_units` draws."""
    blocks, clusters = [len(one) for one in sample.rollouts], len(set(sample.clusters))
    if clusters >= MIN_STARTS:
        return Resampled(clusters, "clusters")
    if len(blocks) >= MIN_STARTS or sum(blocks) == len(blocks):
        return Resampled(len(blocks), "starts")
    return Resampled(sum(blocks), "blocks")


def _shared(sample: Sample) -> Iterator[Fact]:
    """That rollouts share their starts, where they do."""
    labels = sample.clusters
    if len(set(labels)) < len(labels):
        numbers = {"rollouts": len(labels), "starts": len(set(labels))}
        yield Fact("shared-starts", {**numbers, "effective": effective_starts(labels)})
