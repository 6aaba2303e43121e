"""Sentences of a page: values with their context, verdicts on negative controls, troubles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from egraff_lmp.results.controls import ControlVerdict, uninformative
from egraff_lmp.results.ranking import (
    CANNOT,
    NO_INFORMATION,
    NOT_AVAILABLE,
    NOT_BEYOND,
    NOT_LAST,
    TELLS,
)
from egraff_lmp.results.record import ModelResult, Results, System, Trouble
from egraff_lmp.score.records import (
    RERUN_COMMITTEE,
    RERUN_ORACLE,
    RERUN_REFERENCE,
    STRUCTURE,
    TOTAL,
    TRAJECTORY,
    TRANSPORT,
    Fact,
    Score,
)
from egraff_lmp.score.table import METRICS
from egraff_lmp.score.words import counted, explain, listed, say_resampled

UNITS = {
    "1": "", "A": "Å", "1/A": "1/Å", "A^2": "Å²", "A^2/ps": "Å²/ps", "eV rad": "eV·rad",
    "meV/A": "meV/Å", "us/atom/step": "µs/atom/step",
}  # fmt: skip
# What stands behind a metric's name.
COMPARED = {
    RERUN_REFERENCE: "on reference frames",
    RERUN_ORACLE: "by an oracle on its own frames",
    RERUN_COMMITTEE: "by a committee on its own frames",
    TRAJECTORY: "at equal times",
}
# Verdict to its mark and its words.
VERDICTS = {
    TELLS: ("✓", "tells"),
    NOT_BEYOND: ("≈", "last, not beyond the intervals"),
    NOT_LAST: ("✓!", "tells, but a model is no better"),
    CANNOT: ("✗", "cannot tell"),
    NO_INFORMATION: ("∅", "carries no information"),
    NOT_AVAILABLE: ("–", "not available"),
}
# What a score does not tell of a control.
_SHORTCOMINGS = {
    CANNOT: "cannot tell {control} in {where} ({why})",
    NOT_LAST: "sees that {control} is wrong in {where}, where {who} {are} no better",
    NOT_BEYOND: "has {control} last in {where}, but not beyond the intervals ({why})",
}
_AGAINST = "{control} {value:.3g}, best model {best} {best_value:.3g}"
REASONS = {
    "control-without-score": "{control} has no score",
    "no-model-with-score": "no model has a score",
    "unrelated": "no rollout follows the reference: unrelated forces give 0.7071 for any model",
    "other-surface": "the reference is not of the surface of its forces: by the virial theorem "
    "{kelvin:.0f} +- {error:.0f} K, stated {stated:g} K",
    "survived": "rollouts of {control} were whole for {survived} of their time, those of {best} "
    "for {best_survived}",
    "no-score-left": "no score of the frames that are left",
    "at-floor": _AGAINST + ", and the floor is {floor:.3g}",
    "no-interval": _AGAINST + "; no interval",
    "beyond": _AGAINST,
    "overlap": _AGAINST + "; not told apart",
}


def title_of(result: ModelResult) -> str:
    """A model for a reader: its name, and its architecture where that is known and another."""
    name = result.model.name
    if result.card is None:
        return name
    known = "".join(filter(str.isalnum, result.card.architecture.lower()))
    same = known.startswith("".join(filter(str.isalnum, name.lower())))
    return result.card.architecture if same else f"{name}: {result.card.architecture}"


def unit_of(unit: str) -> str:
    """A unit for a reader, "" of pure numbers."""
    return UNITS.get(unit, unit)


def ranks_of(score: Score) -> int | None:
    """MPI ranks that a cost was measured on, None where that is not known."""
    machine = score.fact("machine")
    ranks = None if machine is None else machine.values.get("ranks")
    return ranks if isinstance(ranks, int) else None


def score_name(key: str, comparison: str, part: str = "") -> str:
    """A score for a reader: "FV at equal times", "RDF MAE Ge-Te"."""
    words = (METRICS[key].label, part.replace(TOTAL, ""), COMPARED.get(comparison, ""))
    return " ".join(filter(None, words))


def floor_name(comparison: str) -> str:
    """What reference against reference is in a comparison."""
    if comparison in (STRUCTURE, TRANSPORT):
        return "floor"
    return "unrelated" if comparison in COMPARED else "ref. vs ref."


def notes(score: Score) -> list[str]:
    """What a reader must know of a value, without full stops."""
    found = explain(score)
    if score.interval is not None and score.resampled is not None:
        found.append(f"interval over {say_resampled(score.resampled)}")
    if score.counts.zero:
        found.append(f"{counted(score.counts.zero, 'frame')} of exact agreement left out")
    if score.counts.failed:
        found.append(f"{counted(score.counts.failed, 'frame')} not finite")
    return found


def trouble_words(trouble: Trouble) -> str:
    """What failed or broke down."""
    reason = trouble.reason
    if trouble.steps is not None:
        reason = f"{reason} after {trouble.steps} steps."
    return f"{trouble.stage}: {reason}" if trouble.stage else reason


def troubles_words(troubles: Iterable[Trouble]) -> str:
    """All of them, one after the other."""
    return " ".join(map(trouble_words, troubles))


def reason_words(reason: Fact) -> str:
    """What decided a verdict."""
    values = {
        name: percent(value) if name.endswith("survived") and isinstance(value, float) else value
        for name, value in reason.values.items()
    }
    return REASONS[reason.code].format(**values)


def percent(part: float) -> str:
    """A part of the time."""
    # 100 % is for what reached its end alone.
    return "100 %" if part >= 1 else f"{min(100 * part, 99):.2g} %"


def verdict_name(verdict: ControlVerdict) -> str:
    """Name of the score that is judged."""
    return score_name(verdict.key, verdict.comparison, verdict.part)


def verdict_sentences(found: Sequence[ControlVerdict]) -> list[str]:
    """One for each score and control that it does not tell on some system."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for verdict in found:
        sentence = _SHORTCOMINGS.get(verdict.ranking.verdict)
        if sentence is None:
            continue
        who = listed(verdict.ranking.no_better) if verdict.ranking.no_better else ""
        told = sentence.format(
            who=who,
            are="is" if len(verdict.ranking.no_better) == 1 else "are",
            control=verdict.control,
            where=f"{verdict.system}, {verdict.temperature_kelvin:g} K",
            why=(f"{who} at or behind it; " if who else "") + reason_words(verdict.ranking.reason),
        )
        grouped.setdefault((verdict_name(verdict), verdict.control), []).append(told)
    return [f"{name} {'; it '.join(parts)}." for (name, _), parts in grouped.items()]


def no_information(results: Results) -> str:
    """The sentence on FV at equal times, "" where it does not apply."""
    places = tuple(_with_floor(system) for system in results.systems if uninformative(system))
    if not places:
        return ""
    return (
        f"FV at equal times (“trajectory”) carries no information in {listed(places)}: no rollout "
        "follows the reference there, and any two unrelated sets of forces read 0.70 to 0.71 "
        "(1/√2 = 0.7071), so that a value near it says nothing about a model, and one above it "
        "only that forces are too large or too small. Neither does EV at equal times, which pairs "
        "the same frames."
    )


def _with_floor(system: System) -> str:
    found = (result.find("fv", TRAJECTORY) for result in system.models)
    floor = next((v.floor for v in found if v is not None and v.floor is not None), None)
    aside = "" if floor is None else f" (the reference against itself: {floor:.3f})"
    return system.label + aside
