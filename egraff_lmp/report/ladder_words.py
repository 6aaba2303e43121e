"""Words of the ladder of negative controls: rungs, verdicts on them, and what a score resolves."""

from __future__ import annotations

from collections.abc import Sequence

from egraff_lmp.report.words import REASONS as OF_NO_INFORMATION
from egraff_lmp.report.words import percent, score_name
from egraff_lmp.results.ladder import (
    BY_SURVIVAL,
    NO_VALUE,
    NOT_TOLD,
    TOLD,
    Resolution,
    RungVerdict,
)
from egraff_lmp.results.record import FEWER_FRAMES, NOISE, R_MAX, SHUFFLED
from egraff_lmp.score.words import listed

# Verdict to its mark and its words.
VERDICTS = {
    TOLD: ("✓", "told"),
    BY_SURVIVAL: ("✂", "told by survival only"),
    NOT_TOLD: ("✗", "not told"),
    NO_VALUE: ("–", "no value"),
}
REASONS = {
    "worse": "worse, beyond the noise",
    "better": "better for the control, beyond the noise",
    "not-apart": "not told apart",
    "at-floor": "both at or below the floor, {floor:.3g}",
    "few-starts": "fewer than two rollouts of one of them have a value, and the noise of starts is "
    "not known",
    "no-interval": "no interval",
    "base-without-value": "the model that it is made of has no value",
    "control-without-value": "the control has no value",
    **{code: OF_NO_INFORMATION[code] for code in ("unrelated", "other-surface")},
}
KINDS = {
    FEWER_FRAMES: "fewer training frames",
    NOISE: "weight noise",
    R_MAX: "a shorter cutoff",
    SHUFFLED: "shuffled weights",
}


def rung_words(kind: str, strength: float | None) -> str:
    """A rung: "3 % noise"."""
    if strength is None:
        return KINDS[kind]
    if kind == R_MAX:
        return f"cutoff {strength:g} Å"
    return f"{100 * strength:g} % {'frames' if kind == FEWER_FRAMES else 'noise'}"


def hint_words(verdict: RungVerdict) -> str:
    """What decided, by value and by survival."""
    reason = REASONS[verdict.reason.code].format(**verdict.reason.values)
    parts = []
    apart = verdict.difference
    if verdict.value is not None and verdict.base_value is not None:
        parts.append(
            f"{verdict.control} {verdict.value:.3g}, {verdict.base} {verdict.base_value:.3g}"
        )
    if apart is not None and apart.interval is not None:
        low, high = apart.interval
        parts.append(f"worse by {apart.value:.3g} ({low:.3g} to {high:.3g})")
    parts.append(f"by value: {reason}")
    if verdict.survived != verdict.base_survived:
        told = "told" if verdict.by_survival else "not told"
        parts.append(
            f"by survival: {told}, whole for {percent(verdict.survived)} and "
            f"{percent(verdict.base_survived)} of the time"
        )
    return "; ".join(parts)


def cell_words(verdict: RungVerdict) -> str:
    """The text of a field."""
    text = VERDICTS[verdict.verdict][1]
    return f"{text}; it broke, too" if verdict.by_value and verdict.by_survival else text


def resolution_words(resolution: Resolution) -> str:
    """What is resolved of one kind: "1 % noise", "no noise"."""
    kind = resolution.kind
    if resolution.weakest is None:
        text = f"no {KINDS[kind]}"
        if resolution.weakest_seen is not None and kind != SHUFFLED:
            text += f" ({rung_words(kind, resolution.strength_seen)} by survival)"
        elif resolution.weakest_seen is not None:
            text += " (by survival)"
        return text
    text = rung_words(kind, resolution.strength)
    return f"{text}, not {listed(resolution.missed)}" if resolution.missed else text


def resolution_name(resolution: Resolution | RungVerdict) -> str:
    """Name of the score."""
    return score_name(resolution.key, resolution.comparison, resolution.part)


def ladder_sentences(
    verdicts: Sequence[RungVerdict], resolutions: Sequence[Resolution]
) -> list[str]:
    """What the scores of one model on one system resolve, kind by kind; and what misleads."""
    sentences = []
    for kind in dict.fromkeys(one.kind for one in resolutions):
        known = [one for one in resolutions if one.kind == kind and _has_value(verdicts, one)]
        for weakest in dict.fromkeys(one.weakest for one in known if one.weakest is not None):
            told = [one for one in known if one.weakest == weakest]
            names, tell = _subject(told, "tells", "tell")
            text = f"By value, {names} {tell} {rung_words(kind, told[0].strength)}"
            first = told[0].rungs[0] == weakest
            sentences.append(f"{text}." if first else f"{text}, but nothing weaker.")
        nothing = [one for one in known if one.weakest is None]
        if nothing:
            names, tell = _subject(nothing, "tells", "tell")
            sentences.append(f"By value, {names} {tell} no {KINDS[kind]}.")
    misled: dict[str, list[str]] = {}
    for one in verdicts:
        if one.reason.code == "better":
            rung = rung_words(one.kind, one.strength)
            misled.setdefault(resolution_name(one), []).append(rung)
    sentences += [
        f"{name} is better for {listed(tuple(rungs))} than for {verdicts[0].base}, beyond the "
        "noise: it misleads here."
        for name, rungs in misled.items()
    ]
    return sentences


def _subject(scores: Sequence[Resolution], one: str, several: str) -> tuple[str, str]:
    """Names of scores and the form of the verb behind them."""
    return listed(tuple(map(resolution_name, scores))), one if len(scores) == 1 else several


def _has_value(verdicts: Sequence[RungVerdict], resolution: Resolution) -> bool:
    """Whether the score has a value of some rung and of the model."""
    place = (resolution.key, resolution.comparison, resolution.part, resolution.kind)
    mine = [v for v in verdicts if (v.key, v.comparison, v.part, v.kind) == place]
    return any(v.verdict in (TOLD, NOT_TOLD) for v in mine)
