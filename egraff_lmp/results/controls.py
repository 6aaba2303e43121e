"""Which scores can tell negative controls: every score in `egraff` form, ranked by `ranking`.

Controls with a strength are not ranked among the models, but compared with the one that they are
made of: see `ladder`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite

from egraff_lmp.results.ranking import (
    NO_INFORMATION,
    Entry,
    Ranking,
    decorrelated,
    leaders,
    rank_control,
)
from egraff_lmp.results.record import HALF_CUTOFF, SHUFFLED, ModelResult, Results, System
from egraff_lmp.score.metric import SEES_ENERGIES
from egraff_lmp.score.options import EGRAFF
from egraff_lmp.score.records import (
    AFTER_LOSS,
    NO_STABLE_FRAME,
    OTHER_SURFACE,
    RERUN_REFERENCE,
    RERUNS,
    STABILITY,
    STRUCTURE,
    SURVIVAL,
    TOTAL,
    TRAJECTORY,
    TRANSPORT,
    Fact,
    Score,
)
from egraff_lmp.score.table import METRICS

# Nothing that a model may be is as wrong as these.
_RANKED_KINDS = (SHUFFLED, HALF_CUTOFF)
# In the order of the rows.
RANKED = (STRUCTURE, TRANSPORT, STABILITY, *RERUNS, TRAJECTORY)
# Where the floor is noise, below which nothing can be ranked. Elsewhere it is what unrelated frames
# give, or another length of time.
FLOOR_IS_NOISE = {STRUCTURE, TRANSPORT}
# Of all atoms or pairs; those of single elements are in scores.json.
PARTS = ("", TOTAL, "phi", "psi")


@dataclass(frozen=True)
class ControlVerdict:
    """One score of one negative control on one system.

    Attributes:
        cell: name of the folder of the system at its temperature.
        system, temperature_kelvin: of it.
        control: name of the model.
        kind: "shuffled" or "half-cutoff".
        key, comparison, part: the score.
        sees: what it claims to see: "structure", "dynamics", "energies" or "forces".
        value: of the control.
        floor: reference against reference; of FV and EV, what unrelated frames give.
        ranking: where the control stands.
        alone: the verdict of the score of whatever frames there are, broken rollouts or not.
    """

    cell: str
    system: str
    temperature_kelvin: float
    control: str
    kind: str
    key: str
    comparison: str
    part: str
    sees: str
    value: float | None
    floor: float | None
    ranking: Ranking
    alone: str


def verdicts(results: Results) -> tuple[ControlVerdict, ...]:
    """On all scores of the negative controls without a strength; none where there is no such."""
    return tuple(
        _verdict(system, result, *place)
        for system, result in results
        if result.model.control is not None and result.model.control.kind in _RANKED_KINDS
        for place in ranked_scores([result, *system.ordinary])
    )


def uninformative(system: System) -> bool:
    """Whether FV at equal times carries no information there: no rollout follows the reference."""
    found = ((one, one.find("fv", TRAJECTORY)) for one in system.ordinary)
    return decorrelated([entry_of(result, score, TRAJECTORY) for result, score in found])


def largest_floor(values: Iterable[Score | None]) -> float | None:
    """The largest floor of several models, which have it of the rollouts that each of them has.

    Below it, one of the values that are compared may be noise.
    """
    floors = [one.floor for one in values if one is not None and one.floor is not None]
    return max(floors, default=None)


def is_noise(score: Score) -> bool:
    """Whether a score has a floor that is noise.

    That of a diffusivity is what the halves of the reference happen to differ by.
    """
    if score.floor is None:
        return False
    return score.comparison == STRUCTURE or score.floor_high is not None


def noise_floor(found: Sequence[tuple[ModelResult, Score | None]], comparison: str) -> float | None:
    """What several models are ranked down to: the largest floor of those that lasted longest.

    A model that broke early has few frames and a high floor, which hides no difference between the
    others. None where the floor is no noise.
    """
    if comparison not in FLOOR_IS_NOISE:
        return None
    lasted = [(entry_of(*pair, comparison).survived, pair[1]) for pair in found]
    known = [(part, score) for part, score in lasted if score is not None and is_noise(score)]
    longest = max((part for part, _ in known), default=0.0)
    return largest_floor(score for part, score in known if part == longest)


def says_nothing(
    system: System, key: str, comparison: str, values: Sequence[Score | None]
) -> Fact | None:
    """Why a score says nothing of any model there, None where it does."""
    metric = METRICS[key]
    # Of paired energies there is no more to be had than of the forces of the same frames.
    paired = metric.uncorrelated is not None or metric.sees == SEES_ENERGIES
    if comparison == TRAJECTORY and paired and uninformative(system):
        return Fact("unrelated")
    facts = (value.fact(OTHER_SURFACE) for value in values if value is not None)
    return next((fact for fact in facts if fact is not None), None)


def leading(system: System, key: str, comparison: str, mode: str, part: str) -> tuple[str, ...]:
    """Ordinary models that are not told apart from the best by one score; see `ranking.leaders`.

    None for what has no better and worse, and where the score says nothing of a model.
    """
    metric = METRICS[key]
    found = [(one, one.find(key, comparison, mode, part)) for one in system.ordinary]
    known = [score for _, score in found if score is not None]
    if not metric.better or any(score.fact(OTHER_SURFACE) for score in known):
        return ()
    noise = noise_floor(found, comparison)
    entries = [entry_of(result, score, comparison) for result, score in found]
    return leaders(entries, better=metric.better, floor=noise)


def ranked_scores(models: Sequence[ModelResult]) -> list[tuple[str, str, str]]:
    """Key, comparison and part of all scores that one of the models has, and that are ranked."""
    known = {
        (score.key, score.comparison, score.part)
        for model in models
        for score in model.values
        if score.mode == EGRAFF and score.value is not None and score.part in PARTS
        and score.comparison in RANKED and score.key in METRICS and METRICS[score.key].sees
    }  # fmt: skip
    order = list(METRICS)
    return sorted(known, key=lambda one: (RANKED.index(one[1]), order.index(one[0]), one[2]))


def _verdict(
    system: System, control: ModelResult, key: str, comparison: str, part: str
) -> ControlVerdict:
    metric, models = METRICS[key], (control, *system.ordinary)
    values = [model.find(key, comparison, part=part) for model in models]
    # That of the control, which may have broken after a few frames, says nothing of the others.
    ordinary = tuple(zip(models, values, strict=True))[1:]
    noise = noise_floor(ordinary, comparison)
    floor = largest_floor(values[1:]) if noise is None else noise
    entry, *others = (entry_of(*pair, comparison) for pair in zip(models, values, strict=True))
    nothing = says_nothing(system, key, comparison, values)
    if nothing is not None:
        ranking = alone = Ranking(NO_INFORMATION, None, len(models), (), nothing)
    else:
        rank = partial(rank_control, better=metric.better, floor=noise)
        ranking = rank(entry, others)
        alone = rank(replace(entry, survived=1.0), [replace(o, survived=1.0) for o in others])
    return ControlVerdict(
        cell=system.name,
        system=system.system,
        temperature_kelvin=system.temperature_kelvin,
        control=control.model.name,
        kind=control.model.control.kind if control.model.control is not None else "",
        key=key,
        comparison=comparison,
        part=part,
        sees=metric.sees,
        value=entry.value,
        floor=floor,
        ranking=ranking,
        alone=alone.verdict,
    )


def _stable_part(score: Score) -> float:
    """Part of the frames before the loss of stability, for scores that leave out the others."""
    if score.absence is not None and score.absence.code == NO_STABLE_FRAME:
        return 0.0
    lost = score.fact(AFTER_LOSS)
    if lost is None:
        return 1.0
    left_out, of = (float(lost.values[name] or 0) for name in ("left_out", "of"))
    return 1 - left_out / of


def entry_of(result: ModelResult, score: Score | None, comparison: str) -> Entry:
    """A score with the part of the time that the rollouts that enter it were whole."""
    survived, span = 1.0, None  # for errors on reference frames, which no rollout enters
    whole = None if comparison == RERUN_REFERENCE else result.find("survived", SURVIVAL)
    if whole is not None and whole.value is not None:
        survived, span = whole.value, whole.interval
    stable = 1.0 if score is None else _stable_part(score)
    if stable < survived:  # of the structure, only frames before the loss of stability are scored
        survived, span = stable, None
    if score is None or score.value is None or not isfinite(score.value):
        return Entry(result.model.name, None, None, survived, span)
    return Entry(result.model.name, score.value, score.interval, survived, span)
