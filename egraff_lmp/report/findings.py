"""What the headline numbers of one system mean, in sentences made from the numbers themselves."""

from __future__ import annotations

from collections.abc import Sequence

from egraff_lmp.report.numbers import NBSP, number
from egraff_lmp.report.words import ranks_of
from egraff_lmp.results.record import ModelResult
from egraff_lmp.score.records import (
    COST,
    OTHER_SURFACE,
    RERUN_COMMITTEE,
    RERUN_ORACLE,
    RERUN_REFERENCE,
    STABILITY,
    STRUCTURE,
    TRAJECTORY,
    Score,
)
from egraff_lmp.score.table import METRICS
from egraff_lmp.score.words import counted, say, say_end

DRIFT_FACTOR = 1.5  # less growth of FV along the rollouts is fluctuation


def findings(models: Sequence[ModelResult], names: Sequence[str]) -> list[str]:
    """Sentences for the summary, those that the numbers at hand support and no others.

    Args:
        models: of one system.
        names: of the models, for a reader.
    """
    sentences, timed = [], []
    for model, name in zip(models, names, strict=True):
        parts = [
            make(score, score.value, model)
            for key, comparison, make in _SENTENCES
            if (score := model.find(key, comparison)) is not None and score.value is not None
        ]
        if any(parts):
            sentences.append(f"{name}: " + " ".join(filter(None, parts)))
        cost = model.find("us_per_atom_step", COST)
        if cost is not None and cost.value is not None:
            ranks = ranks_of(cost)
            aside = "" if ranks is None else f" on {counted(ranks, 'rank')}"
            timed.append((cost.value, f"{name} {number(cost.value)} µs per atom and step{aside}"))
    if len(timed) > 1:
        fastest_first = sorted(timed, key=lambda one: one[0])
        sentences.append(f"Speed: {', '.join(words for _, words in fastest_first)}.")
    return sentences or ["No model gave a result that could be summed up; the reasons stand below."]


def _value(model: ModelResult, key: str, comparison: str) -> float | None:
    score = model.find(key, comparison)
    return None if score is None else score.value


def _structure(score: Score, value: float, model: ModelResult) -> str:
    surface = score.fact(OTHER_SURFACE)
    if surface is not None:
        sentence = say(surface)
        return f"its structure has no verdict: {sentence}."
    limit = METRICS["wf"].accepted_below or 0.0
    text = (
        f"its {score.distribution or 'g'}(r) differs from the reference by a Wright's factor of "
        f"{number(value)}{NBSP}%"
    )
    if score.distribution != "h":  # the criterion is one of g(r), of bulk
        verdict = "passes" if value < limit else "fails"
        text += f" and {verdict} the {limit:.0f}{NBSP}% criterion"
    if score.floor:
        ratio = value / score.floor
        text += f"; a perfect model would read {number(score.floor)} % with as many frames, so "
        text += (
            "it is not told apart from a perfect model on this much data"
            if ratio <= 1 or score.like_perfect
            else f"it lies {number(ratio, 2)} times above what sampling alone gives"
        )
    return text + "."


def _endurance(score: Score, value: float, model: ModelResult) -> str:
    """How long the rollouts stayed physical, and what the first violation was."""
    ended = [
        (life.time_fs, say_end(k, life))
        for k, life in enumerate(score.lifetimes, 1)
        if life.end is not None
    ]
    if not ended:
        return f"None of its rollouts violated a criterion of stability in {number(value)} fs."
    return (
        f"Its rollouts stayed within the criteria of stability for {number(value)} fs on average; "
        f"{min(ended)[1]}."
    )


def _accuracy(score: Score, value: float, model: ModelResult) -> str:
    text = f"On held-out frames its forces are wrong by {number(value)} meV/\u2060Å on average"
    rmse = _value(model, "force_rmse", RERUN_REFERENCE)
    scale = _value(model, "force_rms_reference", RERUN_REFERENCE)
    if rmse is not None and scale:
        share = number(100 * rmse / scale, 2)
        text += f" (the root mean square error is {share}{NBSP}% of the force itself)"
    return text + "."


def _oracle(score: Score, value: float, model: ModelResult) -> str:
    return (
        f"Along its own trajectories, checked against the exact reference, the force violation is "
        f"{number(value)} (0 is exact, 0.7071 is no relation at all)." + _drift(score, model)
    )


def _committee(score: Score, value: float, model: ModelResult) -> str:
    """What the other models say of its trajectories, and how far they are from each other."""
    judge = score.judge
    among = f"; among each other these give {number(judge.disagreement)}" if judge else ""
    return (
        f"Along its own trajectories, the force violation by the mean of the other models is "
        f"{number(value)}{among}." + _drift(score, model)
    )


def _drift(score: Score, model: ModelResult) -> str:
    """Whether the force violation grows along the rollouts, "" where it does not."""
    growth = _value(model, "fv_growth", score.comparison)
    if growth is None or growth < DRIFT_FACTOR:
        return ""
    return (
        f" It grows along them, to {number(growth, 2)} times what it was at their "
        "beginning: the rollouts leave the configurations that the model was trained on, which no "
        "error on held-out frames shows."
    )


def _trajectory(score: Score, value: float, model: ModelResult) -> str:
    """That FV at equal times says nothing, where it does not."""
    fact = score.fact("no-information")
    if fact is None:
        return ""
    aside = "" if score.floor is None else f" (two halves of the reference: {score.floor:.4f})"
    sentence = say(fact)
    return f"{sentence[:1].upper()}{sentence[1:]}{aside}."


# Which values there are sentences on, in the order of the summary.
_SENTENCES = (
    ("wf", STRUCTURE, _structure),
    ("stability", STABILITY, _endurance),
    ("force_mae", RERUN_REFERENCE, _accuracy),
    ("fv", RERUN_ORACLE, _oracle),
    ("fv", RERUN_COMMITTEE, _committee),
    ("fv", TRAJECTORY, _trajectory),
)
