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
from egraff_lmp.results.record import Results, Stage, System, Trouble
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
    "1": "", "A": "Å", "A^2/ps": "Å²/ps", "eV rad": "eV·rad", "meV/A": "meV/Å",
    "us/atom/step": "µs/atom/step",
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
_AGAINST = "{control} {value:.3g}, best model {best} {best_value:.3g}"
REASONS = {
    "control-without-score": "{control} has no score",
    "no-model-with-score": "no model has a score",
    "unrelated": "no rollout follows the reference: unrelated forces give 0.7071 for any model",
    "survived": "rollouts of {control} were whole for {survived} of their time, those of {best} "
    "for {best_survived}",
    "no-score-left": "no score of the frames that are left",
    "at-floor": _AGAINST + ", reference against reference {floor:.3g}",
    "no-interval": _AGAINST + "; no interval",
    "beyond": _AGAINST,
    "overlap": _AGAINST + "; not told apart",
}


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


def stage_words(stage: Stage) -> str:
    """The state of a stage."""
    state = stage.state if stage.fresh else f"{stage.state} earlier"
    return state if stage.attempts < 2 else f"{state}, {stage.attempts} attempts"


def reason_words(reason: Fact) -> str:
    """What decided a verdict."""
    values = {
        name: _percent(value) if name.endswith("survived") and isinstance(value, float) else value
        for name, value in reason.values.items()
    }
    return REASONS[reason.code].format(**values)


def _percent(part: float) -> str:
    # 100 % is for what reached its end alone.
    return "100 %" if part >= 1 else f"{min(100 * part, 99):.2g} %"


def verdict_name(verdict: ControlVerdict) -> str:
    """Name of the score that is judged."""
    return score_name(verdict.key, verdict.comparison, verdict.part)


def where(verdict: ControlVerdict) -> str:
    """The system of a verdict."""
    return f"{verdict.system}, {verdict.temperature_kelvin:g} K"


def verdict_sentences(found: Sequence[ControlVerdict]) -> list[str]:
    """One for each score and control that it does not tell on some system."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for verdict in found:
        told = _verdict_words(verdict)
        if told:
            grouped.setdefault((verdict_name(verdict), verdict.control), []).append(told)
    return [f"{name} {'; it '.join(parts)}." for (name, _), parts in grouped.items()]


def _verdict_words(verdict: ControlVerdict) -> str:
    who, place = verdict.ranking.no_better, f"{verdict.control} in {where(verdict)}"
    behind = f"{listed(who)} at or behind it; " if who else ""
    why = behind + reason_words(verdict.ranking.reason)
    if verdict.ranking.verdict == CANNOT:
        return f"cannot tell {place} ({why})"
    if verdict.ranking.verdict == NOT_LAST:
        are = "is" if len(who) == 1 else "are"
        return (
            f"sees that {verdict.control} is wrong in {where(verdict)}, where {listed(who)} {are} "
            "no better"
        )
    if verdict.ranking.verdict == NOT_BEYOND:
        last = f"{verdict.control} last in {where(verdict)}"
        return f"has {last}, but not beyond the intervals ({why})"
    return ""


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
