"""What the headline numbers of one system mean, in sentences made from the numbers themselves."""

from __future__ import annotations

from collections.abc import Sequence

from egraff_lmp.report.numbers import NBSP, number
from egraff_lmp.results.record import ModelResult
from egraff_lmp.score.records import (
    COST,
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
    sentences = []
    for model, name in zip(models, names, strict=True):
        parts = list(filter(None, (make(model) for make in _OF_A_MODEL)))
        if parts:
            sentences.append(f"{name}: " + " ".join(parts))
    sentences += _speed(models, names)
    return sentences or ["No model gave a result that could be summed up; the reasons stand below."]


def _known(model: ModelResult, key: str, comparison: str) -> tuple[Score, float] | None:
    score = model.find(key, comparison)
    return None if score is None or score.value is None else (score, score.value)


def _structure(model: ModelResult) -> str:
    found = _known(model, "wf", STRUCTURE)
    if found is None:
        return ""
    score, value = found
    limit = METRICS["wf"].accepted_below or 0.0
    text = (
        f"its {score.distribution or 'g'}(r) differs from the reference by a Wright's factor of "
        f"{number(value)}{NBSP}% and {'passes' if value < limit else 'fails'} the "
        f"{limit:.0f}{NBSP}% criterion"
    )
    if score.floor:
        ratio = value / score.floor
        text += f"; reference against reference gives {number(score.floor)} %, so "
        text += (
            "no error of structure can be seen on this much data"
            if ratio <= 1
            else f"it lies {number(ratio, 2)} times above what sampling alone gives"
        )
    return text + "."


def _endurance(model: ModelResult) -> str:
    """How long the rollouts stayed physical, and what the first violation was."""
    found = _known(model, "stability", STABILITY)
    if found is None:
        return ""
    score, value = found
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


def _accuracy(model: ModelResult) -> str:
    found = _known(model, "force_mae", RERUN_REFERENCE)
    if found is None:
        return ""
    text = f"On held-out frames its forces are wrong by {number(found[1])} meV/\u2060Å on average"
    rmse = _known(model, "force_rmse", RERUN_REFERENCE)
    scale = _known(model, "force_rms_reference", RERUN_REFERENCE)
    if rmse is not None and scale is not None and scale[1] > 0:
        share = number(100 * rmse[1] / scale[1], 2)
        text += f" (the root mean square error is {share}{NBSP}% of the force itself)"
    return text + "."


def _oracle(model: ModelResult) -> str:
    found = _known(model, "fv", RERUN_ORACLE)
    if found is None:
        return ""
    return (
        f"Along its own trajectories, checked against the exact reference, the force violation is "
        f"{number(found[1])} (0 is exact, 0.7071 is no relation at all)."
        + _drift(model, RERUN_ORACLE)
    )


def _committee(model: ModelResult) -> str:
    """What the other models say of its trajectories, and how far they are from each other."""
    found = _known(model, "fv", RERUN_COMMITTEE)
    if found is None:
        return ""
    judge = found[0].judge
    among = f"; among each other these give {number(judge.disagreement)}" if judge else ""
    return (
        f"Along its own trajectories, the force violation by the mean of the other models is "
        f"{number(found[1])}{among}." + _drift(model, RERUN_COMMITTEE)
    )


def _drift(model: ModelResult, comparison: str) -> str:
    """Whether the force violation grows along the rollouts, "" where it does not."""
    found = _known(model, "fv_growth", comparison)
    if found is None or found[1] < DRIFT_FACTOR:
        return ""
    return (
        f" It grows along them, to {number(found[1], 2)} times what it was at their beginning: the "
        "rollouts leave the configurations that the model was trained on, which no error on "
        "held-out frames shows."
    )


def _trajectory(model: ModelResult) -> str:
    """That FV at equal times says nothing, where it does not."""
    found = _known(model, "fv", TRAJECTORY)
    fact = None if found is None else found[0].fact("no-information")
    if found is None or fact is None:
        return ""
    floor = found[0].floor
    aside = "" if floor is None else f" (two halves of the reference: {floor:.4f})"
    sentence = say(fact)
    return f"{sentence[:1].upper()}{sentence[1:]}{aside}."


def _speed(models: Sequence[ModelResult], names: Sequence[str]) -> list[str]:
    timed = []
    for model, name in zip(models, names, strict=True):
        found = _known(model, "us_per_atom_step", COST)
        if found is not None:
            machine = found[0].fact("machine")
            ranks = machine.values.get("ranks") if machine is not None else None
            timed.append((found[1], name, ranks))
    if len(timed) < 2:
        return []
    words = ", ".join(
        f"{name} {number(us)} µs per atom and step"
        + (f" on {counted(ranks, 'rank')}" if isinstance(ranks, int) else "")
        for us, name, ranks in sorted(timed, key=lambda one: one[0])
    )
    return [f"Speed: {words}."]


_OF_A_MODEL = (_structure, _endurance, _accuracy, _oracle, _committee, _trajectory)
