"""Whether a score can tell a negative control from the other models: a pure ranking.

The rules:

- A rollout that broke (it did not reach its end, lost atoms, exploded, its molecule fell apart)
  is behind all that survived, whatever its score reads: the few frames that it left lie near the
  start and look good. Of two that broke, the one that got further is better, and told apart where
  the intervals over the starts do not overlap.
- A score below its floor, what a perfect model would read, is as good as one at the floor: nothing
  below can be ranked.
- Two scores whose confidence intervals overlap are not told apart, nor are those without one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from egraff_lmp.score.records import Fact
from egraff_lmp.score.violation import UNCORRELATED

# Verdicts; `report.words` has them in words.
TELLS = "tells"  # the control is behind every model, and beyond the best one's interval
NOT_BEYOND = "not-beyond"  # behind every model, but not told apart from the best one
NOT_LAST = "not-last"  # beyond the best one's interval, but not behind every other
CANNOT = "cannot"  # neither
NO_INFORMATION = "no-information"
NOT_AVAILABLE = "not-available"
VERDICTS = (TELLS, NOT_BEYOND, NOT_LAST, CANNOT, NO_INFORMATION, NOT_AVAILABLE)
# How far below 0.7071 the FV of related forces must lie: that of two unrelated parts of the
# published GeTe, LiPS, 3BPA and acetylacetone trajectories is between 0.694 and 0.726.
DECORRELATED_WITHIN = 0.01


@dataclass(frozen=True)
class Entry:
    """One model's score, with its confidence interval.

    `survived` is the part of the time asked for that its rollouts were whole, in [0, 1], with its
    confidence interval over the starts; 1 for scores that no rollout enters.
    """

    model: str
    value: float | None
    interval: tuple[float, float] | None = None
    survived: float = 1.0
    survived_interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Ranking:
    """Where a control stands among the models.

    Attributes:
        verdict: out of `VERDICTS`.
        rank: 1 + the number of models that are better than the control, None where not ranked.
        of: models ranked, the control among them.
        no_better: models at or behind the control, in the order given.
        reason: what decided, a key of `report.words.REASONS`.
        broke: whether it was that rollouts broke, not the score of what is left of them.
    """

    verdict: str
    rank: int | None
    of: int
    no_better: tuple[str, ...]
    reason: Fact
    broke: bool = False


def decorrelated(models: Sequence[Entry]) -> bool:
    """Whether FV at equal times carries no information: no rollout follows the reference.

    Two unrelated sets of forces read 1/sqrt(2), whatever the model. So that is where there are
    models with a value and none lies below 1/sqrt(2) - `DECORRELATED_WITHIN` with its whole
    interval. Above, FV is no longer about directions: forces that are too large or too small by a
    factor read more.

    Args:
        models: FV of rollout against reference at equal times; no controls among them.
    """
    bound = UNCORRELATED - DECORRELATED_WITHIN
    known = [entry for entry in models if entry.value is not None]
    return bool(known) and not any(
        entry.interval is not None and entry.interval[1] < bound for entry in known
    )


def rank_control(
    control: Entry, models: Sequence[Entry], *, better: str = "lower", floor: float | None = None
) -> Ranking:
    """The verdict on one score, by the rules above.

    Args:
        control: the negative control.
        models: the ordinary ones; what has neither a score nor a broken rollout is left out.
        better: "lower" or "higher".
        floor: what reference against reference gives in the same unit, where that is the noise of
            the score.
    """
    ranked = [model for model in models if _known(model)]
    if not _known(control):
        reason = Fact("control-without-score", {"control": control.model})
        return Ranking(NOT_AVAILABLE, None, len(ranked), (), reason)
    if not ranked:
        return Ranking(NOT_AVAILABLE, None, 0, (), Fact("no-model-with-score"))
    sign, badness, place = _order(better, floor)
    ahead = [model for model in ranked if place(model) > place(control)]
    no_better = tuple(model.model for model in ranked if model not in ahead)
    best = max(ranked, key=place)
    beyond = _beyond(control, best, badness)
    last, behind = (TELLS, NOT_LAST) if beyond else (NOT_BEYOND, CANNOT)
    return Ranking(
        behind if no_better else last,
        1 + len(ahead),
        1 + len(ranked),
        no_better,
        _reason(control, best, beyond, floor, sign),
        broke=control.survived != best.survived,
    )


def leaders(
    models: Sequence[Entry], *, better: str = "lower", floor: float | None = None
) -> tuple[str, ...]:
    """The best model and those that are not told apart from it, by the rules above.

    Args:
        models: the ordinary ones; what has neither a score nor a broken rollout is left out.
        better, floor: as in `rank_control`.

    Returns:
        Their names in the order given; none where no model is told apart from the best.
    """
    tied = best_and_tied(models, better=better, floor=floor)
    names = tuple(model.model for model in models if _known(model))
    return tuple(name for name in names if name in tied) if len(tied) < len(names) else ()


def best_and_tied(
    models: Sequence[Entry], *, better: str = "lower", floor: float | None = None
) -> tuple[str, ...]:
    """The best model first, then those that are not told apart from it, be it all of them.

    Args:
        models, better, floor: as of `leaders`.
    """
    ranked = [model for model in models if _known(model)]
    if not ranked:
        return ()
    _, badness, place = _order(better, floor)
    best = max(ranked, key=place)
    others = (m.model for m in ranked if m is not best and not _beyond(m, best, badness))
    return (best.model, *others)


def _order(
    better: str, floor: float | None
) -> tuple[float, Callable[[float], float], Callable[[Entry], tuple[float, bool, float]]]:
    """Sign of what is worse; badness of a value (larger is worse); place of a model.

    A larger place is a better one, by however little.
    """
    sign = -1.0 if better == "higher" else 1.0

    def badness(value: float) -> float:
        """Nothing is better than the floor."""
        return sign * value if floor is None else max(sign * value, sign * floor)

    def place(entry: Entry) -> tuple[float, bool, float]:
        known = entry.value is not None
        return entry.survived, known, -badness(entry.value) if entry.value is not None else 0.0

    return sign, badness, place


def _known(entry: Entry) -> bool:
    return entry.value is not None or entry.survived < 1


def broke_before(one: Entry, other: Entry) -> bool:
    """Whether the rollouts of `one` broke and those of `other` did not, or surely later."""
    behind, ahead = one.survived_interval, other.survived_interval
    apart = behind is not None and ahead is not None and behind[1] < ahead[0]
    return one.survived < 1 == other.survived or apart


def _beyond(one: Entry, other: Entry, badness: Callable[[float], float]) -> bool:
    """Whether `one` is worse than `other` and told apart from it."""
    if one.survived != other.survived:
        return broke_before(one, other)
    if one.interval is None or other.interval is None:
        return False
    return min(map(badness, one.interval)) > max(map(badness, other.interval))


def _reason(control: Entry, best: Entry, beyond: bool, floor: float | None, sign: float) -> Fact:
    """What decided between the control and the best model."""
    who: dict[str, str | float | None] = {"control": control.model, "best": best.model}
    if control.survived != best.survived:
        survived = {"survived": control.survived, "best_survived": best.survived}
        return Fact("survived", {**who, **survived})
    if control.value is None or best.value is None:
        return Fact("no-score-left")
    who |= {"value": control.value, "best_value": best.value}
    if floor is not None and sign * control.value <= sign * floor:
        return Fact("at-floor", {**who, "floor": floor})
    if control.interval is None or best.interval is None:
        return Fact("no-interval", who)
    return Fact("beyond" if beyond else "overlap", who)
