"""What each score resolves: the weakest negative control of a kind that it tells from its model.

A control with one thing wrong, from weak to strong, is a rung. A score tells a rung where it is
worse for it than for the model that the rung is made of, by more than the noise of both
(`difference`). That is decided by the value of whatever frames there are. Rollouts that broke where
those of the model did not are another thing: anybody sees that, without any score, and it stands
beside the value in each verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from egraff_lmp.results.controls import (
    entry_of,
    is_noise,
    largest_floor,
    ranked_scores,
    says_nothing,
)
from egraff_lmp.results.difference import Difference, difference, of_rollouts
from egraff_lmp.results.ranking import broke_before
from egraff_lmp.results.record import (
    FEWER_FRAMES,
    NOISE,
    R_MAX,
    SHUFFLED,
    ModelResult,
    Results,
    System,
    weakest_first,
)
from egraff_lmp.score.records import Fact, Score
from egraff_lmp.score.table import METRICS

# Verdicts; `report.ladder_words` has them in words.
TOLD, BY_SURVIVAL, NOT_TOLD, NO_VALUE = "told", "told-by-survival", "not-told", "no-value"
RUNG_VERDICTS = (TOLD, BY_SURVIVAL, NOT_TOLD, NO_VALUE)
KINDS = (FEWER_FRAMES, NOISE, R_MAX, SHUFFLED)  # in the order of the columns


@dataclass(frozen=True)
class RungVerdict:
    """One score of one rung on one system, against the model that the rung is made of.

    Attributes:
        cell: name of the folder of the system at its temperature.
        system, temperature_kelvin: of it.
        base: name of the model that the rung is made of.
        control, kind, strength: the rung.
        key, comparison, part: the score.
        sees: what it claims to see: "structure", "dynamics" or "energies".
        value, base_value: of the rung and of the model.
        difference: how much worse the rung is; None where one of the two has no value.
        survived, base_survived: the part of the time asked for that the rollouts were whole; 1 for
            scores that no rollout enters.
        by_value: whether the value tells the rung.
        by_survival: whether its rollouts broke, and those of the model did not, or surely later.
        verdict: out of `RUNG_VERDICTS`: TOLD (by value, broken or not), BY_SURVIVAL (by that
            alone), NOT_TOLD, or NO_VALUE (or one that says nothing of any model there).
        reason: what decided, a key of `report.ladder_words.REASONS`.
    """

    cell: str
    system: str
    temperature_kelvin: float
    base: str
    control: str
    kind: str
    strength: float | None
    key: str
    comparison: str
    part: str
    sees: str
    value: float | None
    base_value: float | None
    difference: Difference | None
    survived: float
    base_survived: float
    by_value: bool
    by_survival: bool
    verdict: str
    reason: Fact


@dataclass(frozen=True)
class Resolution:
    """What one score resolves of one kind of rungs on one system.

    Attributes:
        cell, system, temperature_kelvin, base, key, comparison, part, sees, kind: as in
            `RungVerdict`.
        rungs: names of those of this kind, from weak to strong.
        weakest: the weakest that it tells by value, None where it tells none.
        strength: of that one.
        missed: stronger ones that it does not tell by value.
        weakest_seen: the weakest that is told by value or by survival.
        strength_seen: of that one.
    """

    cell: str
    system: str
    temperature_kelvin: float
    base: str
    key: str
    comparison: str
    part: str
    sees: str
    kind: str
    rungs: tuple[str, ...]
    weakest: str | None
    strength: float | None
    missed: tuple[str, ...]
    weakest_seen: str | None
    strength_seen: float | None


def rung_verdicts(results: Results) -> tuple[RungVerdict, ...]:
    """On every score of every control that is made of a model, score by score.

    In the order of systems, models and scores, then of `KINDS`, from weak to strong.
    """
    return tuple(
        verdict
        for system in results.systems
        for base in system.ordinary
        if (rungs := rungs_of(system, base))
        for place in ranked_scores([base, *rungs])
        if METRICS[place[0]].better
        for verdict in _of_score(system, base, rungs, place)
    )


def rungs_of(system: System, base: ModelResult) -> tuple[ModelResult, ...]:
    """The controls of a model, in the order of `KINDS`, each from weak to strong."""
    found = [
        (control.kind, control.strength, result)
        for result in system.models
        if (control := result.model.control) is not None and control.of == base.model.name
    ]
    rungs: list[ModelResult] = []
    for kind in KINDS:
        mine = [(strength, result) for its, strength, result in found if its == kind]
        order = weakest_first(kind, (strength for strength, _ in mine if strength is not None))
        rungs += [
            result
            for strength, result in sorted(
                mine, key=lambda one: order.index(one[0]) if one[0] is not None else 0
            )
        ]
    return tuple(rungs)


def resolutions(verdicts: Sequence[RungVerdict]) -> tuple[Resolution, ...]:
    """One for each kind of rungs of each score; in the order of `rung_verdicts`."""
    together = attrgetter("cell", "base", "key", "comparison", "part", "kind")
    return tuple(_resolution(list(group)) for _, group in groupby(verdicts, together))


def _of_score(
    system: System,
    base: ModelResult,
    rungs: Sequence[ModelResult],
    place: tuple[str, str, str],
) -> Iterator[RungVerdict]:
    key, comparison, part = place
    truth = base.find(key, comparison, part=part)
    for rung in rungs:
        score = rung.find(key, comparison, part=part)
        nothing = says_nothing(system, key, comparison, (truth, score))
        yield _verdict(system, (base, truth), (rung, score), place, nothing)


def _verdict(
    system: System,
    base: tuple[ModelResult, Score | None],
    rung: tuple[ModelResult, Score | None],
    place: tuple[str, str, str],
    nothing: Fact | None,
) -> RungVerdict:
    (model, truth), (control, score) = base, rung
    key, comparison, part = place
    metric, made = METRICS[key], control.model.control
    ours, theirs = (entry_of(*pair, comparison) for pair in (rung, base))
    floor, apart = None, None
    if truth is not None and score is not None:
        # A rung that broke has few frames, and a higher floor: what lies below it tells nothing.
        floor = largest_floor(one for one in (truth, score) if is_noise(one))
        apart = difference(score, truth, metric.better, floor)
    by_value = nothing is None and apart is not None and apart.worse
    by_survival = broke_before(ours, theirs)
    return RungVerdict(
        cell=system.name,
        system=system.system,
        temperature_kelvin=system.temperature_kelvin,
        base=model.model.name,
        control=control.model.name,
        kind=made.kind if made is not None else "",
        strength=made.strength if made is not None else None,
        key=key,
        comparison=comparison,
        part=part,
        sees=metric.sees,
        value=ours.value,
        base_value=theirs.value,
        difference=apart,
        survived=ours.survived,
        base_survived=theirs.survived,
        by_value=by_value,
        by_survival=by_survival,
        verdict=_decided(by_value, by_survival, apart is None or nothing is not None),
        reason=nothing or _reason(score, truth, apart, floor),
    )


def _decided(by_value: bool, by_survival: bool, unknown: bool) -> str:
    if by_value:
        return TOLD
    if by_survival:
        return BY_SURVIVAL
    return NO_VALUE if unknown else NOT_TOLD


def _reason(
    score: Score | None, truth: Score | None, apart: Difference | None, floor: float | None
) -> Fact:
    """What decided on the value."""
    if apart is None:
        lacks = "base" if truth is None or truth.value is None else "control"
        return Fact(f"{lacks}-without-value")
    if apart.interval is None:
        return Fact("few-starts" if score is not None and of_rollouts(score) else "no-interval")
    if apart.worse:
        return Fact("worse")
    if floor is not None and apart.value == 0:
        return Fact("at-floor", {"floor": floor})
    return Fact("better" if apart.better else "not-apart")


def _resolution(rungs: Sequence[RungVerdict]) -> Resolution:
    """Of the verdicts on the rungs of one kind, from weak to strong."""
    first = rungs[0]
    told = [rung for rung in rungs if rung.by_value]
    seen = [rung for rung in rungs if rung.by_value or rung.by_survival]
    stronger = rungs[rungs.index(told[0]) :] if told else []
    return Resolution(
        cell=first.cell,
        system=first.system,
        temperature_kelvin=first.temperature_kelvin,
        base=first.base,
        key=first.key,
        comparison=first.comparison,
        part=first.part,
        sees=first.sees,
        kind=first.kind,
        rungs=tuple(rung.control for rung in rungs),
        weakest=told[0].control if told else None,
        strength=told[0].strength if told else None,
        missed=tuple(rung.control for rung in stronger if not rung.by_value),
        weakest_seen=seen[0].control if seen else None,
        strength_seen=seen[0].strength if seen else None,
    )
