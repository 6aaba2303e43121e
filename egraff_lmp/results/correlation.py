"""Whether a small force error foretells a good simulation: rank correlations over the models.

Within a system, the force MAE on frames of the reference stands against each score that rollouts
enter and that has a better and a worse. The sign is that +1 means "the model with the smaller force
error also has the better score". Negative controls are left out: they are wrong in everything, and
would make any two scores agree. Times of computing are left out: they are no scores of a
simulation. What lies below its floor counts as at the floor, as in `ranking`. Values are taken of
whatever frames there are, and which models had rollouts that broke stands beside them.

Over the systems of a benchmark, systems on which the same trained models ran are one group: their
errors are those of the same weights, and twelve compositions that share a training would make an
interval narrow that is not. What is given is the mean over groups of the mean in each, with an
interval over the groups. It speaks of other systems with these architectures, not of others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean

from egraff_lmp.results.controls import PARTS, noise_floor, says_nothing
from egraff_lmp.results.record import ModelResult, Results, System
from egraff_lmp.results.spearman import interval_of_mean, interval_over_pairs, redrawn, spearman
from egraff_lmp.score.options import EGRAFF
from egraff_lmp.score.records import (
    COMPARISONS,
    COST,
    RERUN_REFERENCE,
    SURVIVAL,
    Fact,
    Score,
)
from egraff_lmp.score.table import METRICS

MIN_MODELS = 4  # three have six orders: a perfect one is chance in one of six
MIN_GROUPS = 3  # two say next to nothing of the spread between them
ERROR = "force_mae"
# Verdicts; `report.correlation_words` has them in words.
FORETELLS = "foretells"  # the interval lies above 0
MISLEADS = "misleads"  # below 0
NOT_SHOWN = "not-shown"  # it has 0 inside
NOT_ENOUGH = "not-enough"  # too few models or groups of systems for an interval
NOTHING = "nothing"  # no correlation is defined, or it would say nothing
VERDICTS = (FORETELLS, MISLEADS, NOT_SHOWN, NOT_ENOUGH, NOTHING)
# No rollout enters the first, and the second is no score of a simulation.
_NOT_OF_ROLLOUTS = {RERUN_REFERENCE, COST}


@dataclass(frozen=True)
class Correlation:
    """Force error against one score on one system.

    Attributes:
        cell: name of the folder of the system at its temperature.
        system, temperature_kelvin: of it.
        key, comparison, part: the score.
        models: names of those that have both values.
        broke: those of them whose rollouts broke: what is left of these may look good.
        rho: Spearman's, +1 where a smaller force error goes with a better score; None has a reason.
        interval: over the models, see `spearman.interval_over_pairs`.
        noise: how far the noise of the values moves it for these very models, see
            `spearman.redrawn`; None where a value has no interval.
        verdict: out of `VERDICTS`.
        reason: why there is no correlation, a key of `report.correlation_words.REASONS`.
    """

    cell: str
    system: str
    temperature_kelvin: float
    key: str
    comparison: str
    part: str
    models: tuple[str, ...]
    broke: tuple[str, ...]
    rho: float | None
    interval: tuple[float, float] | None
    noise: tuple[float, float] | None
    verdict: str
    reason: Fact | None


@dataclass(frozen=True)
class PooledCorrelation:
    """Force error against one score over the systems of a benchmark.

    Attributes:
        key, comparison, part: the score.
        groups: names of the systems that have a correlation, those of the same trained models
            together.
        rho: the mean over groups of the mean in each, None without any.
        interval: over the groups, None for fewer than `MIN_GROUPS`.
        verdict: out of `VERDICTS`.
        reason: why one of the two is missing.
    """

    key: str
    comparison: str
    part: str
    groups: tuple[tuple[str, ...], ...]
    rho: float | None
    interval: tuple[float, float] | None
    verdict: str
    reason: Fact | None


def correlations(results: Results) -> tuple[Correlation, ...]:
    """Of every score that an ordinary model of a system has; score by score, then by system."""
    found = [
        _of_score(system, *place) for system in results.systems for place in _scores_of(system)
    ]
    order = list(METRICS)
    return tuple(
        sorted(
            found,
            key=lambda one: (COMPARISONS.index(one.comparison), order.index(one.key), one.part),
        )
    )


def pooled(results: Results, found: Sequence[Correlation]) -> tuple[PooledCorrelation, ...]:
    """One for each score, in the order of `correlations`, which `found` are."""
    places = dict.fromkeys((one.key, one.comparison, one.part) for one in found)
    group = groups_of(results)
    return tuple(
        _pooled(
            place, [one for one in found if (one.key, one.comparison, one.part) == place], group
        )
        for place in places
    )


def groups_of(results: Results) -> dict[str, int]:
    """Number of the group of each system by its name; see the head of this module.

    Two systems are of one group where a deployed file of an ordinary model is the same, by its
    hash, or where both share one with a third. What has no such file is a group of its own.
    """
    groups: list[tuple[set[str], list[str]]] = []
    for system in results.systems:
        files = {one.card.sha256 for one in system.ordinary if one.card is not None}
        same = [one for one in groups if one[0] & files]
        groups = [one for one in groups if one not in same]
        cells = [cell for _, names in same for cell in names]
        groups.append((files.union(*(known for known, _ in same)), [*cells, system.name]))
    return {cell: number for number, (_, cells) in enumerate(groups) for cell in cells}


def _scores_of(system: System) -> list[tuple[str, str, str]]:
    """Key, comparison and part of what force errors are set against there."""
    return list(
        dict.fromkeys(
            (score.key, score.comparison, score.part)
            for result in system.ordinary
            for score in result.values
            if score.mode == EGRAFF and score.value is not None and score.part in PARTS
            and score.comparison not in _NOT_OF_ROLLOUTS
            and score.key in METRICS and METRICS[score.key].better
        )
    )  # fmt: skip


def _of_score(system: System, key: str, comparison: str, part: str) -> Correlation:
    pairs = [
        (result, error, score)
        for result in system.ordinary
        if _known(error := result.find(ERROR, RERUN_REFERENCE))
        and _known(score := result.find(key, comparison, part=part))
    ]
    scores = [score for _, _, score in pairs]
    sign = -1.0 if METRICS[key].better == "higher" else 1.0
    floor = noise_floor([(result, score) for result, _, score in pairs], comparison)
    noise = None if floor is None else sign * floor
    x, of_x = _oriented([error for _, error, _ in pairs], 1.0)
    raw, of_y = _oriented(scores, sign)
    y = raw if noise is None else [max(one, noise) for one in raw]
    reason = says_nothing(system, key, comparison, scores) or _missing(x, y, raw, floor)
    rho = interval = moved = None
    if reason is None:
        rho, interval = spearman(x, y), interval_over_pairs(x, y)
        if of_x is not None and of_y is not None:
            moved = redrawn(x, raw, of_x, of_y, floor=noise)
    return Correlation(
        cell=system.name,
        system=system.system,
        temperature_kelvin=system.temperature_kelvin,
        key=key,
        comparison=comparison,
        part=part,
        models=tuple(result.model.name for result, _, _ in pairs),
        broke=tuple(result.model.name for result, _, _ in pairs if _broke(result)),
        rho=rho,
        interval=interval,
        noise=moved,
        verdict=_verdict(interval, reason),
        reason=reason,
    )


def _known(score: Score | None) -> bool:
    return score is not None and score.value is not None and isfinite(score.value)


def _broke(result: ModelResult) -> bool:
    whole = result.find("survived", SURVIVAL)
    return whole is not None and whole.value is not None and whole.value < 1


def _oriented(
    scores: Sequence[Score | None], sign: float
) -> tuple[list[float], list[tuple[float, float]] | None]:
    """Values of which the smaller one is better, and their intervals where all have one."""
    values, ends = [], []
    for score in scores:
        if score is None or score.value is None:
            continue
        values.append(sign * score.value)
        if score.interval is not None:
            low, high = sorted(sign * end for end in score.interval)
            ends.append((low, high))
    return values, ends if len(ends) == len(values) else None


def _missing(
    x: Sequence[float], y: Sequence[float], raw: Sequence[float], floor: float | None
) -> Fact | None:
    """Why no correlation is defined, None where it is."""
    if len(x) < MIN_MODELS:
        return Fact("few-models", {"models": len(x), "least": MIN_MODELS})
    if len(set(x)) < 2:
        return Fact("constant-errors", {"models": len(x)})
    if len(set(y)) < 2 <= len(set(raw)):
        return Fact("at-floor", {"models": len(x), "floor": floor})
    return Fact("constant-scores", {"models": len(x)}) if len(set(y)) < 2 else None


def _verdict(interval: tuple[float, float] | None, reason: Fact | None) -> str:
    if reason is not None:
        return NOT_ENOUGH if reason.code in ("few-models", "few-groups") else NOTHING
    if interval is None or interval[0] <= 0 <= interval[1]:
        return NOT_SHOWN
    return FORETELLS if interval[0] > 0 else MISLEADS


def _pooled(
    place: tuple[str, str, str], found: Sequence[Correlation], group: Mapping[str, int]
) -> PooledCorrelation:
    together: dict[int, list[tuple[str, float]]] = {}
    for one in found:
        if one.rho is not None:
            together.setdefault(group[one.cell], []).append((one.cell, one.rho))
    means = [fmean(rho for _, rho in members) for members in together.values()]
    interval, reason = None, None
    if not means:
        reason = Fact("no-system", {"systems": len(found)})
    elif len(means) < MIN_GROUPS:
        reason = Fact("few-groups", {"groups": len(means), "least": MIN_GROUPS})
    else:
        interval = interval_of_mean(means)
    return PooledCorrelation(
        *place,
        groups=tuple(tuple(cell for cell, _ in members) for members in together.values()),
        rho=fmean(means) if means else None,
        interval=interval,
        verdict=_verdict(interval, reason),
        reason=reason,
    )
