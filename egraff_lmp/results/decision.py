"""Which force field for which purpose: a composite of scores, ties, and the front over the cost.

The composite of a model on a system has a part for each purpose of `PURPOSES`,

    part = max(0, (value - floor)/(baseline - floor)),

0 for what a perfect model reads, 1 for what a model reads that knows nothing of the system, and
more for what is worse than that. The floor is that of the score where that is noise (structure and
motion: what a perfect model reads with as many frames); errors of forces and the part of the time
that rollouts were whole have exact ones, 0 and 100 %. The baseline is

- of Wright's factor in bulk, that of a fluid without structure, g(r) = 1, against the reference;
- of Jensen-Shannon divergences, 1 bit: distributions that do not overlap;
- of the r.m.s. error of forces, the r.m.s. force of the reference: zero forces;
- of the part of the time that rollouts were whole, 0 %.

The composite is the mean of the parts that all ordinary models of the system have. Its interval
comes from those of the scores, scaled alike, whose half-widths are added in quadrature on either
side, as if the parts were independent; it covers neither the floor nor the baseline. The
structure has no part where the reference is not of the surface of its forces. A model without a
single stable frame has the structure of the baseline.

Models are not told apart by the rules of `ranking`: where intervals overlap, and rollouts that
broke are behind those that survived. On the Pareto front stand models that no other one beats in
composite and in time an atom and step together, by their values; what broke before the rollouts of
the most enduring model is not on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from egraff_lmp.results.controls import FLOOR_IS_NOISE, entry_of
from egraff_lmp.results.curves import line
from egraff_lmp.results.ranking import Entry, best_and_tied, broke_before
from egraff_lmp.results.record import DONE, ModelResult, Results, System
from egraff_lmp.score.curves import wright_factor
from egraff_lmp.score.metric import BULK, MOLECULE
from egraff_lmp.score.records import (
    COST,
    NO_STABLE_FRAME,
    OTHER_SURFACE,
    REFERENCE,
    RERUN_REFERENCE,
    STRUCTURE,
    SURVIVAL,
    TOTAL,
    TRANSPORT,
    Fact,
)
from egraff_lmp.score.table import METRICS

COMPOSITE = "composite"
FEW_STARTS = 3  # below, the spread between starts is hardly known
Interval = tuple[float, float]


@dataclass(frozen=True)
class Purpose:
    """What a force field is wanted for, and the score that tells how good it is for that.

    Attributes:
        name: of it.
        metrics: kind of the system, BULK or MOLECULE, to the row of `METRICS`.
        comparison: of the score.
        perfect: what a perfect model reads where the score has no floor that is noise.
    """

    name: str
    metrics: Mapping[str, str]
    comparison: str
    perfect: float = 0.0


STRUCTURAL, MOTION, FORCES, ENDURANCE = "structure", "motion", "forces", "endurance"
_BOTH = (BULK, MOLECULE)
PURPOSES = (
    Purpose(STRUCTURAL, {BULK: "wf", MOLECULE: "jsd"}, STRUCTURE),
    Purpose(MOTION, dict.fromkeys(_BOTH, "vdos_jsd"), TRANSPORT),
    Purpose(FORCES, dict.fromkeys(_BOTH, "force_rmse"), RERUN_REFERENCE),
    Purpose(ENDURANCE, dict.fromkeys(_BOTH, "survived"), SURVIVAL, perfect=1.0),
)


@dataclass(frozen=True)
class Part:
    """How good a model is for one purpose.

    Attributes:
        purpose: its name.
        key, comparison: the score.
        unit: of `read`, `floor` and `baseline`.
        read: the value of the score.
        floor: what a perfect model reads.
        baseline: what a model reads that knows nothing; None where that is not known.
        value: (read - floor)/(baseline - floor), not below 0; None where there is none.
        interval: that of the score, scaled alike.
        absence: why there is no value.
        survived, survived_interval: as of `ranking.Entry`; 1 where no rollout enters.
    """

    purpose: str
    key: str
    comparison: str
    unit: str
    read: float | None = None
    floor: float = 0.0
    baseline: float | None = None
    value: float | None = None
    interval: Interval | None = None
    absence: Fact | None = None
    survived: float = 1.0
    survived_interval: Interval | None = None


@dataclass(frozen=True)
class Composite:
    """One ordinary model on a system.

    Attributes:
        model: its name.
        parts: one for each of `PURPOSES`, in this order.
        value, interval: the mean of the parts of `Decision.purposes`; None without such.
        us_per_atom_step: wall time of an atom and step in us, None where it was not measured.
    """

    model: str
    parts: tuple[Part, ...]
    value: float | None
    interval: Interval | None
    us_per_atom_step: float | None

    def part(self, purpose: str) -> Part:
        """Of a purpose by its name."""
        return next(part for part in self.parts if part.purpose == purpose)


@dataclass(frozen=True)
class Choice:
    """The best model for a purpose, or by the composite.

    Attributes:
        purpose: name of it, or COMPOSITE.
        models: the best one, then those that are not told apart from it; none without values.
        of: how many models have a value.
    """

    purpose: str
    models: tuple[str, ...]
    of: int

    @property
    def told(self) -> bool:
        """Whether some model is told apart from the best."""
        return 0 < len(self.models) < self.of


@dataclass(frozen=True)
class Caveat:
    """Something that the evidence does not allow to say.

    Attributes:
        code: which, a key of `report.decision_words.CAVEATS`.
        models: names of those that it is about; () for all.
        purpose: that it is about, "" for none.
        number: of models or of starts that there are, where that is what it is about.
        why: what a score says of it, in the words of `score.words`.
    """

    code: str
    models: tuple[str, ...] = ()
    purpose: str = ""
    number: int | None = None
    why: Fact | None = None


@dataclass(frozen=True)
class Decision:
    """Which force field on one system.

    Attributes:
        cell: name of the folder of the system at its temperature.
        system, temperature_kelvin: of it.
        purposes: names of those whose parts the composite is the mean of.
        composites: of the ordinary models with results.
        choices: for each of `PURPOSES`, then by the composite.
        front: models on the Pareto front, from the fastest on.
        fastest: the fastest of those that are not told apart from the best composite, None
            without a cost of all of them.
        caveats: what the evidence does not allow to say.
    """

    cell: str
    system: str
    temperature_kelvin: float
    purposes: tuple[str, ...]
    composites: tuple[Composite, ...]
    choices: tuple[Choice, ...]
    front: tuple[str, ...]
    fastest: str | None
    caveats: tuple[Caveat, ...]

    def choice(self, purpose: str) -> Choice:
        """For a purpose by its name, or COMPOSITE."""
        return next(choice for choice in self.choices if choice.purpose == purpose)

    def composite(self, model: str) -> Composite:
        """Of a model by its name."""
        return next(one for one in self.composites if one.model == model)


def decisions(results: Results) -> tuple[Decision, ...]:
    """One for each system on which an ordinary model has results."""
    return tuple(decide(system) for system in results.systems if _models(system))


def decide(system: System) -> Decision:
    """Which force field on one system; see the head of this file."""
    models = _models(system)
    kind = BULK if system.reference.periodic else MOLECULE
    parts = [tuple(part_of(one, purpose, kind) for purpose in PURPOSES) for one in models]
    shared = tuple(
        purpose.name
        for k, purpose in enumerate(PURPOSES)
        if parts and all(own[k].value is not None for own in parts)
    )
    composites = tuple(_composite(*pair, shared) for pair in zip(models, parts, strict=True))
    choices = tuple(_choice(purpose.name, composites) for purpose in PURPOSES)
    whole = _choice(COMPOSITE, composites)
    return Decision(
        cell=system.name,
        system=system.system,
        temperature_kelvin=system.temperature_kelvin,
        purposes=shared,
        composites=composites,
        choices=(*choices, whole),
        front=pareto_front(composites),
        fastest=_fastest(whole, composites),
        caveats=_caveats(system, models, composites, shared),
    )


def _models(system: System) -> tuple[ModelResult, ...]:
    return tuple(one for one in system.ordinary if one.state == DONE and one.scores is not None)


# --- parts


def part_of(result: ModelResult, purpose: Purpose, kind: str) -> Part:
    """What a model gave for a purpose; `kind` of system is BULK or MOLECULE."""
    key = purpose.metrics[kind]
    score = result.find(key, purpose.comparison)
    floor = purpose.perfect
    noise = purpose.comparison in FLOOR_IS_NOISE
    if score is not None and noise and score.floor is not None:
        floor = score.floor
    unit = METRICS[key].unit if score is None else score.unit
    baseline = _BASELINES[key](result)
    entry = entry_of(result, score, purpose.comparison)
    part = Part(
        purpose.name, key, purpose.comparison, unit, floor=floor, baseline=baseline,
        survived=entry.survived, survived_interval=entry.survived_interval,
    )  # fmt: skip
    surface = None if score is None else score.fact(OTHER_SURFACE)
    if score is None or surface is not None:
        return replace(part, absence=surface or Fact("no-score"))
    if score.absence is not None and score.absence.code == NO_STABLE_FRAME:
        return replace(part, value=1.0, interval=(1.0, 1.0), absence=score.absence)
    if entry.value is None:
        return replace(part, absence=score.absence or Fact("not-finite"))
    if noise and score.floor is None:
        return replace(part, read=entry.value, absence=Fact("no-floor"))
    if baseline is None or not math.isfinite(baseline):
        return replace(part, read=entry.value, absence=Fact("no-baseline"))
    if (baseline - floor) * (baseline - purpose.perfect) <= 0:
        return replace(part, read=entry.value, absence=Fact("floor-above-baseline"))
    return _scaled(replace(part, read=entry.value), entry.value, entry.interval, baseline)


def _scaled(part: Part, read: float, interval: Interval | None, baseline: float) -> Part:
    """The part with its value and interval; see the head of this file."""

    def scale(one: float) -> float:
        return max(0.0, (one - part.floor) / (baseline - part.floor))

    if interval is not None:
        low, high = sorted(map(scale, interval))
        return replace(part, value=scale(read), interval=(low, high))
    # Rollouts that are all whole have no spread, however few they are.
    whole = part.purpose == ENDURANCE and read >= part.floor
    return replace(part, value=scale(read), interval=(0.0, 0.0) if whole else None)


def _structureless(result: ModelResult) -> float | None:
    """Wright's factor of g(r) = 1 against the reference of a scoring, None without its g(r)."""
    g = None if result.scores is None else result.scores.drawn(REFERENCE, "g")
    curve = None if g is None else line(g, TOTAL, len(g.x))
    if curve is None:
        return None
    g_ref = np.asarray(curve.y)
    return wright_factor(np.ones_like(g_ref), g_ref)


def _zero_forces(result: ModelResult) -> float | None:
    """R.m.s. error of zero forces, that is the r.m.s. force of the reference."""
    score = result.find("force_rms_reference", RERUN_REFERENCE)
    return None if score is None else score.value


_BASELINES: Mapping[str, Callable[[ModelResult], float | None]] = {
    "wf": _structureless,
    "jsd": lambda result: METRICS["jsd"].bounds[1],
    "vdos_jsd": lambda result: METRICS["vdos_jsd"].bounds[1],
    "force_rmse": _zero_forces,
    "survived": lambda result: 0.0,
}


# --- the composite, ties, and the front


def _composite(result: ModelResult, parts: tuple[Part, ...], shared: Sequence[str]) -> Composite:
    cost = result.find("us_per_atom_step", COST)
    value, interval = mean_of([part for part in parts if part.purpose in shared])
    return Composite(
        result.model.name, parts, value, interval, None if cost is None else cost.value
    )


def mean_of(parts: Sequence[Part]) -> tuple[float | None, Interval | None]:
    """Mean of parts with values, and its interval, whose half-widths are those in quadrature.

    There is no interval where one of them has none; it does not go below 0.
    """
    known = [(part.value, part.interval) for part in parts if part.value is not None]
    if not known:
        return None, None
    value = sum(own for own, _ in known) / len(known)
    spans = [(own, span) for own, span in known if span is not None]
    if len(spans) < len(known):
        return value, None
    below = math.hypot(*(max(0.0, own - low) for own, (low, _) in spans)) / len(known)
    above = math.hypot(*(max(0.0, high - own) for own, (_, high) in spans)) / len(known)
    return value, (max(0.0, value - below), value + above)


def _entry(one: Composite, purpose: str) -> Entry:
    """A model in the ranking for a purpose, or by the composite, as the rollouts lasted.

    By the composite that is as long as the part lasted that broke first.
    """
    part = one.part(purpose) if purpose != COMPOSITE else min(one.parts, key=lambda p: p.survived)
    of = one if purpose == COMPOSITE else part
    return Entry(one.model, of.value, of.interval, part.survived, part.survived_interval)


def _choice(purpose: str, composites: Sequence[Composite]) -> Choice:
    entries = [_entry(one, purpose) for one in composites]
    known = [entry for entry in entries if entry.value is not None]
    return Choice(purpose, best_and_tied(known, floor=0.0), len(known))


def pareto_front(composites: Sequence[Composite]) -> tuple[str, ...]:
    """Models that no other one beats in composite and cost together, from the fastest on.

    Both are taken by their values. Models whose rollouts broke before those of another one are
    left out, see `ranking.broke_before`.
    """
    entries = {one.model: _entry(one, COMPOSITE) for one in composites}
    known = [
        (one.us_per_atom_step, one.value, one.model)
        for one in composites
        if one.us_per_atom_step is not None and one.value is not None
        and not any(broke_before(entries[one.model], other) for other in entries.values())
    ]  # fmt: skip
    return tuple(
        model
        for cost, value, model in sorted(known)
        if not any(
            other[0] <= cost and other[1] <= value and other[:2] != (cost, value) for other in known
        )
    )


def _fastest(whole: Choice, composites: Sequence[Composite]) -> str | None:
    costs = {one.model: one.us_per_atom_step for one in composites}
    timed = [(cost, model) for model in whole.models if (cost := costs[model]) is not None]
    return min(timed)[1] if timed and len(timed) == len(whole.models) else None


# --- what the evidence does not allow to say


def _caveats(
    system: System,
    models: Sequence[ModelResult],
    composites: Sequence[Composite],
    shared: Sequence[str],
) -> tuple[Caveat, ...]:
    """Those that hold, and no others."""
    found = [Caveat("few-models", number=len(models))]
    found += [
        _left_out(purpose.name, composites)
        for purpose in PURPOSES
        if purpose.name not in shared
    ]  # fmt: skip
    found += [*_of_scores(models), *_of_costs(models)]
    before = tuple(one.model.name for one in models if one.model.taken_from)
    if before:
        found.append(Caveat("trained-before", before))
    without = tuple(one.model.name for one in system.ordinary if one not in models)
    if without:
        found.append(Caveat("without-results", without))
    return tuple(found)


def _left_out(purpose: str, composites: Sequence[Composite]) -> Caveat:
    """Why a purpose does not enter the composite."""
    absent = [one for one in composites if one.part(purpose).value is None]
    why = next((part.absence for one in absent if (part := one.part(purpose)).absence), None)
    if why is not None and why.code == OTHER_SURFACE:
        return Caveat("other-surface", purpose=purpose, why=why)
    if len(absent) == len(composites):
        return Caveat("left-out", purpose=purpose, why=why)
    return Caveat("left-out-of-some", tuple(one.model for one in absent), purpose, why=why)


def _of_scores(models: Sequence[ModelResult]) -> Iterator[Caveat]:
    """What scores themselves say, each once: the first fact of a code is taken."""
    scores = [score for one in models for score in one.values]
    structure = [s for s in scores if s.comparison == STRUCTURE and s.part in ("", TOTAL)]
    for code, those in (("short-reference", structure), ("shared-starts", scores)):
        facts = (fact for score in those if (fact := score.fact(code)) is not None)
        yield from (Caveat(code, why=fact) for fact in islice(facts, 1))
    still = (
        absence
        for score in scores
        if score.key == "diffusivity_error" and (absence := score.absence) is not None
        and absence.code == "does-not-diffuse"
    )  # fmt: skip
    yield from (Caveat("no-diffusion", why=absence) for absence in islice(still, 1))
    starts = [score.counts.starts for score in structure if score.counts.starts is not None]
    if starts and min(starts) < FEW_STARTS:
        yield Caveat("few-starts", number=min(starts))


def _of_costs(models: Sequence[ModelResult]) -> Iterator[Caveat]:
    """What is not known of the times of a step."""
    found = (one.find("us_per_atom_step", COST) for one in models)
    costs = [cost for cost in found if cost is not None and cost.value is not None]
    if not costs:
        yield Caveat("no-cost")
        return
    yield Caveat("timed-beside-unknown")
    facts = [fact.values for cost in costs if (fact := cost.fact("machine")) is not None]
    if len({(values.get("hardware"), values.get("ranks")) for values in facts}) > 1:
        yield Caveat("timed-elsewhere")
