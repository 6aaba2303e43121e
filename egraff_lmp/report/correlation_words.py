"""Words of the correlations of force error with scores of simulations."""

from __future__ import annotations

from collections.abc import Sequence

from egraff_lmp.report.words import REASONS as OF_NO_INFORMATION
from egraff_lmp.report.words import score_name
from egraff_lmp.results.correlation import (
    FORETELLS,
    MISLEADS,
    NOT_ENOUGH,
    NOT_SHOWN,
    NOTHING,
    Correlation,
    PooledCorrelation,
)
from egraff_lmp.score.words import counted, listed

# Verdict to its mark and its words.
VERDICTS = {
    FORETELLS: ("✓", "foretells: the interval lies above 0"),
    MISLEADS: ("✗", "the other way round: the interval lies below 0"),
    NOT_SHOWN: ("≈", "not beyond chance: 0 lies within the interval"),
    NOT_ENOUGH: ("–", "too few models or sets of them"),
    NOTHING: ("∅", "no correlation is defined, or the score says nothing there"),
}
REASONS = {
    "few-models": "{models} ordinary models have both values, and {least} are needed",
    "constant-errors": "all {models} models have the same force error",
    "constant-scores": "all {models} models have the same value",
    "at-floor": "all {models} models are at or below the floor, {floor:.3g}",
    "few-groups": "an interval needs systems of at least {least} sets of trained models, not of "
    "{groups}",
    "no-system": "none of the systems has a correlation",
    **{code: OF_NO_INFORMATION[code] for code in ("unrelated", "other-surface")},
}
# The same in a field of a table.
SHORT = {
    "few-models": "{models} of at least {least} models",
    "constant-errors": "equal errors",
    "constant-scores": "all equal",
    "at-floor": "all at the floor",
    "no-system": "no system",
    "unrelated": "unrelated frames",
    "other-surface": "other surface",
}
_CLAIMS = {
    FORETELLS: "A smaller force error foretells a better value of “{name}”",
    MISLEADS: "A smaller force error goes with a worse value of “{name}”",
    NOT_SHOWN: "The force error does not foretell “{name}” beyond chance",
}
_SIGNS = str.maketrans("-", "−")


def correlation_name(one: Correlation | PooledCorrelation) -> str:
    """Name of the score."""
    return score_name(one.key, one.comparison, one.part)


def rho_words(rho: float) -> str:
    """A correlation with its sign and two digits."""
    return f"{rho:+.2f}".translate(_SIGNS)


def interval_words(interval: tuple[float, float]) -> str:
    """The ends of an interval of a correlation."""
    return f"{rho_words(interval[0])} to {rho_words(interval[1])}"


def reason_words(one: Correlation | PooledCorrelation) -> str:
    """Why there is no correlation or no interval, "" where there is."""
    return "" if one.reason is None else REASONS[one.reason.code].format(**one.reason.values)


def field_words(one: Correlation | PooledCorrelation) -> str:
    """The correlation, or in short why there is none."""
    if one.rho is not None or one.reason is None:
        return "" if one.rho is None else rho_words(one.rho)
    return SHORT[one.reason.code].format(**one.reason.values)


def number_words(one: Correlation | PooledCorrelation) -> str:
    """How many pairs, or correlations, are behind it."""
    if isinstance(one, PooledCorrelation):
        systems = counted(sum(map(len, one.groups)), "system")
        return f"{systems} with {counted(len(one.groups), 'set')} of trained models"
    return counted(len(one.models), "model")


def hint_words(one: Correlation | PooledCorrelation) -> str:
    """What stands behind a correlation."""
    parts = [reason_words(one)]
    if isinstance(one, Correlation):
        if one.noise is not None:
            parts.append(f"by the noise of the values alone {interval_words(one.noise)}")
        if one.broke:
            parts.append(f"rollouts of {listed(one.broke)} broke")
    return "; ".join(filter(None, parts))


def correlation_sentences(found: Sequence[Correlation | PooledCorrelation]) -> list[str]:
    """One for each score; those without an answer together, with the reason that they share."""
    sentences: list[str] = []
    lacking: dict[str, list[str]] = {}
    for one in found:
        name = correlation_name(one)
        if one.verdict in _CLAIMS and one.rho is not None and one.interval is not None:
            mean = "mean " if isinstance(one, PooledCorrelation) else ""
            sentences.append(
                f"{_CLAIMS[one.verdict].format(name=name)}: {mean}ρ = {rho_words(one.rho)} "
                f"({interval_words(one.interval)}) over {number_words(one)}."
            )
        else:
            lacking.setdefault(reason_words(one), []).append(name)
    return sentences + [
        f"There is no answer for {listed(tuple(names))}: {reason}."
        for reason, names in lacking.items()
    ]
