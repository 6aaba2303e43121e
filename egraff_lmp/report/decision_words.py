"""Words of the first screen: which force field for which purpose, and what that rests on."""

from __future__ import annotations

from collections.abc import Sequence

from egraff_lmp.report.numbers import DASH, number, span
from egraff_lmp.report.words import percent, unit_of
from egraff_lmp.results.decision import (
    COMPOSITE,
    ENDURANCE,
    FORCES,
    MOTION,
    STRUCTURAL,
    Caveat,
    Choice,
    Composite,
    Decision,
    Part,
)
from egraff_lmp.score.table import METRICS
from egraff_lmp.score.words import counted, listed, say

# Purpose to its name in a table, and what the caveats say of it.
PURPOSES = {
    STRUCTURAL: ("structure", "has the right structure"),
    MOTION: ("motion", "moves as the reference does"),
    FORCES: ("forces", "has the right forces"),
    ENDURANCE: ("endurance", "runs for how long"),
    COMPOSITE: ("all together: composite", "is the best one for all purposes together"),
}
FASTEST = "fastest of the best by composite"
# What the evidence does not allow to say, and why.
CAVEATS = {
    "few-models": "which force field is the best of all there are: only {fields} {were} compared "
    "here, each as one training left it",
    "other-surface": "which model {purpose}: the reference frames are not of the surface that "
    "their forces are of",
    "left-out": "which model {purpose}: no model has a value of it",
    "left-out-of-some": "how the composite would be with “{short}”: {models} {have} no value of it",
    "short-reference": "how far the models are from a perfect one: the reference is short",
    "shared-starts": "what other starts would change: rollouts share their starts",
    "no-diffusion": "which model diffuses at the right speed: there is no lag at which atoms "
    "diffuse",
    "few-starts": "how much the scores vary from start to start: there {are} only {rollouts}",
    "no-cost": "which model is the fastest: no time of a step was measured",
    "timed-beside-unknown": "which of two models of nearly the same speed is the faster one: it is "
    "not recorded whether the machine had other work while steps were timed",
    "timed-elsewhere": "how fast the models are beside each other: they were timed on different "
    "hardware or numbers of ranks",
    "trained-before": "how good {models} would be after the same training as the others: {models} "
    "had been trained before, elsewhere or for another benchmark",
    "without-results": "anything of {models}, without results here",
}
# Why a part has no value; other codes are sentences of `score.words`.
REASONS = {
    "no-score": "there is no such score",
    "not-finite": "the score is not finite",
    "no-floor": "the reference is too short to tell what a perfect model would read",
    "no-baseline": "there is no curve or force of the reference to make the baseline from",
    "floor-above-baseline": "a perfect model would read no less than one that knows nothing",
}


def reason_of(part: Part) -> str:
    """Why a part has no value, "" where it has one."""
    if part.absence is None:
        return ""
    return REASONS.get(part.absence.code) or say(part.absence)


def choice_words(choice: Choice) -> str:
    """The models of a choice, as they stand in a table."""
    if not choice.models:
        return DASH
    if choice.of == 1:
        return f"{choice.models[0]} alone"
    if not choice.told:
        return "not told apart"
    return choice.models[0] if len(choice.models) == 1 else f"tied: {', '.join(choice.models)}"


def value_words(of: Part | Composite) -> str:
    """A value with its interval."""
    if of.value is None:
        return DASH
    spread = of.interval is not None and of.interval[0] < of.interval[1]
    return number(of.value) + (f" ({span(of.interval)})" if spread else "")


def cost_words(one: Composite) -> str:
    """The time of an atom and step."""
    cost = one.us_per_atom_step
    return DASH if cost is None else f"{number(cost)} µs/atom/step"


def scale_words(parts: Sequence[Part]) -> str:
    """The score of a purpose, and where its 0 and its 1 lie; `parts` are those of all models."""
    first = parts[0]
    if first.purpose == ENDURANCE:
        return f"rollouts: 0 at {percent(first.floor)} of their time whole, 1 at 0 %"
    label, unit = METRICS[first.key].label, unit_of(first.unit)
    known = [part for part in parts if part.read is not None]
    baselines = [part.baseline for part in known if part.baseline is not None]
    if not baselines:
        return label
    ends = (
        f"{k} at {_between(of)}{f' {unit}' if unit else ''}"
        for k, of in enumerate(([part.floor for part in known], baselines))
    )
    return f"{label}: {', '.join(ends)}"


def _between(values: Sequence[float]) -> str:
    """A number that all models share, else the smallest and the largest."""
    ends = number(min(values)), number(max(values))
    return ends[0] if ends[0] == ends[1] else span((min(values), max(values)))


def sentences(decision: Decision) -> list[str]:
    """What is decided on one system: the best by composite, ties, the front, broken rollouts."""
    best, *others = decision.choice(COMPOSITE).models or ("",)
    if not best:
        return ["There is no composite: no purpose has a value of every model."]
    words = value_words(decision.composite(best))
    of = decision.choice(COMPOSITE).of
    if of == 1:
        found = [f"{best} alone has results; its composite is {words}."]
    elif not decision.choice(COMPOSITE).told:
        found = [
            f"No model is told apart from the best one by the composite. That of {best} is the "
            f"smallest, {words}; what decides between the models is the cost." + _fastest(decision)
        ]
    elif others:
        found = [
            f"{best} has the smallest composite, {words}, and {listed(tuple(others))} "
            f"{'is' if len(others) == 1 else 'are'} not told apart from it." + _fastest(decision)
        ]
    else:
        found = [f"{best} has the smallest composite, {words}, told apart from all other models."]
    told = tuple(one for one in decision.purposes if decision.choice(one).told)
    silent = tuple(one for one in decision.purposes if one not in told)
    if silent and of > 1:
        parts = [
            f"{_verb(names, 'that', 'those')} of {listed(names)} {_verb(names, *verbs)}"
            for names, verbs in (
                (told, ("tells models apart", "tell models apart")),
                (silent, ("does not", "do not")),
            )
            if names
        ]
        found.append(
            f"Of its parts, {', '.join(parts)}."
            if told
            else "None of its parts tells models apart."
        )
    if len(decision.front) > 1:
        found.append(
            f"On the Pareto front, from the fastest to the best: {listed(decision.front)}."
        )
    elif decision.front and of > 1:
        found.append(f"{decision.front[0]} alone is on the Pareto front: it is the fastest, too.")
    broke = [
        f"{one.model} {percent(one.part(ENDURANCE).survived)}"
        for one in decision.composites
        if one.part(ENDURANCE).survived < 1
    ]
    if broke:
        found.append(
            f"Rollouts broke, and were whole for this part of their time: {', '.join(broke)}."
        )
    return found


def _verb(names: Sequence[str], one: str, several: str) -> str:
    return one if len(names) == 1 else several


def _fastest(decision: Decision) -> str:
    if decision.fastest is None:
        return ""
    cost = decision.composite(decision.fastest).us_per_atom_step
    return f" The fastest of these is {decision.fastest}: {number(cost)} µs per atom and step."


def caveat_words(caveat: Caveat) -> str:
    """One caveat, without what a score says of it."""
    short, purpose = PURPOSES.get(caveat.purpose, ("", ""))
    number, models = caveat.number or 0, caveat.models
    text = CAVEATS[caveat.code].format(
        purpose=purpose,
        short=short,
        models=listed(models) if models else "",
        have=_verb(models, "has", "have"),
        fields=counted(number, "force field"),
        rollouts=counted(number, "rollout"),
        were="was" if number == 1 else "were",
        are="is" if number == 1 else "are",
    )
    return text[:1].upper() + text[1:]


def why_words(caveat: Caveat) -> str:
    """What a score says of it, "" where it says nothing more."""
    if caveat.why is None:
        return ""
    return REASONS.get(caveat.why.code) or say(caveat.why)


def caveat_sentences(found: Sequence[tuple[str, Decision]]) -> list[str]:
    """What the evidence does not allow to say; of several systems each once, with their labels.

    Args:
        found: label of a system and its decision.
    """
    places: dict[str, list[tuple[str, str]]] = {}
    for label, decision in found:
        for caveat in decision.caveats:
            places.setdefault(caveat_words(caveat), []).append((label, why_words(caveat)))
    said = []
    for text, where in places.items():
        if len(found) == 1:
            said.append(text + (f" ({where[0][1]})." if where[0][1] else "."))
        elif len(where) == len(found):
            said.append(f"{text}.")
        else:
            said.append(
                f"{listed(tuple(label for label, _ in where))}: {text[:1].lower()}{text[1:]}."
            )
    return said
