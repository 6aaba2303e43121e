"""What the headline numbers mean, in sentences made from the numbers themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import fmean

from egraff_lmp.report.numbers import NBSP, counted, number
from egraff_lmp.report.record import COMMITTEE, ModelReport, Report, Score
from egraff_lmp.score.records import RERUN_ORACLE
from egraff_lmp.score.violation import UNCORRELATED, without_information

# Wright's criterion for agreement of two g(r), valid for the rooted form only.
WRIGHT_LIMIT_PERCENT = 9.0
# The first and the last fifth of the rollouts are compared; less than this is fluctuation.
DRIFT_PARTS = 5
DRIFT_FACTOR = 1.5
# "rollout 2 at 400 fs: 60 of 64 atoms left", in the note of a stability
_ENDED = re.compile(r"rollout \d+ at (\S+) fs: ")
# "whose FV against each other is 0.123", in the note of a committee's score
_DISAGREEMENT = re.compile(r"FV against each other is ([\d.]+(?:e[+-]?\d+)?)")


def headline(model: ModelReport, metric: str, subjects: Sequence[str]) -> Score | None:
    """The score in `egraff` form that the summary shows: the first subject that has a value."""
    for subject in subjects:
        for score in model.scores:
            key = (score.metric, score.subject, score.mode)
            if key == (metric, subject, "egraff") and score.value is not None:
                return score
    return None


def findings(report: Report) -> list[str]:
    """Sentences for the summary, those that the numbers at hand support and no others."""
    sentences = [s for model in report.models for s in _of_model(model)]
    if any(m.cost and m.cost.ms_per_step for m in report.models) and len(report.models) > 1:
        sentences += _cost(report.models)
    return sentences or ["No model gave a result that could be summed up; the reasons stand below."]


def _of_model(model: ModelReport) -> list[str]:
    parts = [
        sentence
        for sentence in (
            _structure(model),
            _endurance(model),
            _accuracy(model),
            _oracle(model),
            _committee(model),
            _trajectory(model),
        )
        if sentence is not None
    ]
    if not parts:
        return []
    return [f"{model.architecture}: " + " ".join(parts)]


def _structure(model: ModelReport) -> str | None:
    score = headline(model, "WF", ("total",))
    if score is None or score.value is None:
        return None
    verdict = "passes" if score.value < WRIGHT_LIMIT_PERCENT else "fails"
    percent = f"{number(score.value)}{NBSP}%"
    curve = "h(r)" if "on h(r)" in score.note else "g(r)"
    text = (
        f"its {curve} differs from the reference by a Wright's factor of {percent} and {verdict} "
        f"the {WRIGHT_LIMIT_PERCENT:.0f}{NBSP}% criterion"
    )
    if score.floor:
        ratio = score.value / score.floor
        text += (
            f"; reference against reference gives {number(score.floor)} %, so "
            + ("no error of structure can be seen on this much data" if ratio <= 1 else
               f"it lies {number(ratio, 2)} times above what sampling alone gives")
        )  # fmt: skip
    return text + "."


def _accuracy(model: ModelReport) -> str | None:
    if model.accuracy is None:
        return None
    share = (
        100
        * model.accuracy.force_rmse_mev_per_angstrom
        / model.accuracy.force_scale_mev_per_angstrom
    )
    return (
        f"On held-out frames its forces are wrong by "
        f"{number(model.accuracy.force_mae_mev_per_angstrom)} meV/\u2060Å on average "
        f"(the root mean square error is {number(share, 2)}{NBSP}% of the force itself)."
    )


def _oracle(model: ModelReport) -> str | None:
    score = headline(model, "FV", ("rerun-oracle",))
    if score is None or score.value is None:
        return None
    return (
        f"Along its own trajectories, checked against the exact reference, the force violation is "
        f"{number(score.value)} (0 is exact, 0.7071 is no relation at all)."
        + _drift(model, RERUN_ORACLE)
    )


def _committee(model: ModelReport) -> str | None:
    """What the other models say of its trajectories, and how far they are from each other."""
    score = headline(model, "FV", (COMMITTEE,))
    if score is None or score.value is None:
        return None
    found = _DISAGREEMENT.search(score.note)
    among = f"; among each other these give {found[1]}" if found else ""
    return (
        f"Along its own trajectories, the force violation by the mean of the other models is "
        f"{number(score.value)}{among}." + _drift(model, COMMITTEE)
    )


def _endurance(model: ModelReport) -> str | None:
    """How long the rollouts stayed physical, and what the first violation was."""
    score = headline(model, "stable for", ("stability",))
    if score is None or score.value is None:
        return None
    parts = score.note.split("; ")
    ended = [part for part in parts if _ENDED.match(part)]
    if not ended:
        return (
            f"None of its rollouts violated a criterion of stability in {number(score.value)} fs."
        )
    return (
        f"Its rollouts stayed within the criteria of stability for {number(score.value)} fs on "
        f"average; {min(ended, key=_time_of)}."
    )


def _time_of(ended: str) -> float:
    found = _ENDED.match(ended)
    return float(found[1]) if found else float("inf")


def _trajectory(model: ModelReport) -> str | None:
    """That FV at equal times says nothing, where it does not."""
    score = headline(model, "FV", ("trajectory",))
    if score is None:
        return None
    sentence = without_information("FV at equal times", score.value, UNCORRELATED)
    if sentence and score.floor is not None:
        sentence += f" (two halves of the reference: {score.floor:.4f})"
    return f"{sentence}." if sentence else None


def _drift(model: ModelReport, judge: str) -> str:
    """Whether the force violation by `judge` grows along the rollouts, "" where it does not."""
    curve = model.force_violation.get(judge)
    if curve is None or len(curve.y) < 2 * DRIFT_PARTS:
        return ""
    part = len(curve.y) // DRIFT_PARTS
    first, last = fmean(curve.y[:part]), fmean(curve.y[-part:])
    if last < DRIFT_FACTOR * first:
        return ""
    return (
        f" It grows along them, from {number(first, 2)} to {number(last, 2)}: the rollouts leave "
        "the configurations that the model was trained on, which no error on held-out frames shows."
    )


def _cost(models: Sequence[ModelReport]) -> list[str]:
    timed = [
        (m.cost.us_per_atom_step, m.architecture, m.cost)
        for m in models
        if m.cost and m.cost.us_per_atom_step
    ]
    if len(timed) < 2:
        return []
    timed.sort(key=lambda item: item[0])
    words = ", ".join(
        f"{name} {number(us)} µs per atom and step on {counted(cost.ranks, 'rank')}"
        for us, name, cost in timed
    )
    return [f"Speed: {words}."]
