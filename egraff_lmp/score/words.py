"""Sentences for people, made of facts: the one place where scoring puts numbers into words.

The command line and the pages call `say` and `explain`; nothing reads a sentence back.
"""

from __future__ import annotations

from collections.abc import Callable

from egraff_lmp.score.records import Fact, Judge, Lifetime, Resampled, Score

FLOOR = (
    "the same formula on the first half of the reference frames against the second half; for EV, "
    "FV and RMSD, frame by frame at equal index; for a stability, the second half against the "
    "criteria from the first"
)
ON_H = "on h(r), not g(r)"  # a distribution "h"


def counted(number: int, noun: str) -> str:
    """The number with its noun: "1 rank", "2 ranks"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(names: tuple[str, ...]) -> str:
    """The names with commas and "and"."""
    return " and ".join([*filter(None, [", ".join(names[:-1])]), names[-1]])


def _frames(frames: int, fs: float | None, rollouts: int) -> str:
    text = f"{frames} frames" + ("" if fs is None else f" over {fs:g} fs")
    return text if rollouts == 1 else f"{text} (first rollout)"


def _equal_times(fs: float, reference: int, rollout: int) -> str:
    text = f"at equal times, every {fs:g} fs"
    if (reference, rollout) == (1, 1):
        return text
    return f"{text} (every {reference} reference frames, every {rollout} rollout frames)"


def _diffusivity(whose: str, value: float, low: float | None, high: float | None) -> str:
    spread = "" if low is None or high is None else f" ({low:.3g}..{high:.3g})"
    return f"D of the {whose} is {value:.3g}{spread} A^2/ps"


def _not_diffusive(whose: str, exponent: float | None) -> str:
    if exponent is None:
        return f"the {whose} not diffusive there: nothing moves"
    return f"the {whose} not diffusive there: MSD ~ t^{exponent:.2f}"


def _temperature(low: float, high: float, rollouts: int, of: int) -> str:
    whose = "temperature" if rollouts == of else f"temperature of {counted(rollouts, 'rollout')}"
    return f"{whose} within {low:.4g} to {high:.4g} K"


def _lost(left: int, of: int, step: int | None = None) -> str:
    told = "says the log" if step is None else f"step {step}"
    return f"{left} of {of} atoms left" + (f", {told}" if step is None else f" at {told}")


def _bond(bond: str, length: float, equilibrium: float) -> str:
    name = f" {bond}" if bond else ""
    return f"bond{name} at {length:.2f} A, {equilibrium:.2f} A at equilibrium"


def _machine(atoms: int, ranks: int, threads: int, hardware: str, precision: str) -> str:
    return (
        f"{counted(atoms, 'atom')} on {counted(ranks, 'MPI rank')} of "
        f"{counted(threads, 'thread')}, hardware {hardware}; precision {precision}"
    )


# Code of a fact to its sentence, without a full stop: a template that the values of the fact are
# put in, or a function of them.
SENTENCES: dict[str, str | Callable[..., str]] = {
    # Windows.
    "distances": "rollout frames from {skip} on, r < {r_max:.4g} A in bins of {bin_width:g} A",
    "frames": _frames,
    "longest": "up to {frames} frames",
    "longest-within": "up to {frames} frames, RMSD below {rmsd:g} A",
    "first-and-last": "the first and the last of {parts} parts of {rollouts} rollouts",
    "angle-bins": lambda bins, kelvin: f"{bins} bins of {360 // bins} degrees, {kelvin:g} K",
    "lags": "lags of {first_fs:g} to {last_fs:g} fs",
    "first-to-last": "from the first frame to the last",
    "asked-for": "{rollouts} rollouts of {fs:g} fs were asked for",
    "timed-steps": lambda steps: counted(steps, "step"),
    "epochs": lambda epochs: counted(epochs, "epoch"),
    # Why there is no value.
    "not-finite": "the value is not finite",
    "no-rollouts": "there is no rollout to score",
    "no-volume": "the reference states no cell, and the value scales with its volume",
    "no-finite-frame": "no frame of the rollouts is finite",
    "no-finite-values": "no frame is finite",
    "no-distances": "there are no {part} distances below r_max in reference or rollouts",
    "no-temperature": "the temperature of the ensemble is not given (--temperature)",
    "no-labels": "the {whose} holds no {what}",
    "no-rerun-reference": "the model was not re-evaluated on the reference frames (LAMMPS rerun)",
    "no-rerun-oracle": (
        "no reference potential was re-evaluated on the rollout's frames; where the ground truth "
        "is DFT there is none, and a committee may take its place"
    ),
    "no-violation-at-an-end": (
        "the first or the last frames of the rollouts are not finite, or agree exactly"
    ),
    "no-time-series": (
        "the reference is no time series, so its frames and the rollouts' have no times in common"
    ),
    "other-atoms": "the atoms of reference and rollout differ in number or order",
    "strides-do-not-fit": (
        "the reference has a frame every {reference_fs:g} fs, the rollout every {rollout_fs:g} fs, "
        "and no small multiples of these agree"
    ),
    "no-common-times": "there are no frames at common times",
    "starts-not-finite": "the first frame of the {whose} is not finite",
    "starts-elsewhere": "the rollout does not start at its reference frame",
    "no-time-between-frames": "no time is stated between frames",
    "no-time-of": "the {whose} states no time between its frames",
    "cannot-follow": (
        "the frames of the {whose} are too far apart in time to follow its atoms: frame {frame} is "
        "almost half a cell from the one before"
    ),
    "too-few-frames": (
        "the {whose} has {frames} frames, and a diffusivity is fitted to at least {needed}"
    ),
    "different-strides": (
        "the rollouts have frames at different times, and have to be scored in separate calls"
    ),
    # What else a reader must know.
    "equal-times": _equal_times,
    "frame-by-frame": "frame by frame: the {whose} states no time between its frames",
    "forces-turned-back": "forces turned back from LAMMPS' orientation of the cell",
    "rollouts-used": "only {used} of {of} rollouts could be used",
    "no-information": (
        "{metric} of {value:.4f} carries no information about the model: two unrelated frames give "
        "{uncorrelated:.4f}"
    ),
    "never-diverged": "{rollouts} of {of} rollouts never diverged (a lower bound)",
    "no-velocities": (
        "frames hold no velocities: it is the model's only if the rollout started with those of "
        "the reference"
    ),
    "bins-not-visited": "{bins} of {of} bins that the reference visits were not visited",
    "diffusivity": _diffusivity,
    "not-diffusive": _not_diffusive,
    "total-of-windows": (
        "total g(r) in windows of {fs:g} fs within {allowed:g} A, r < {r_max:.4g} A"
    ),
    "partials-of-windows": (
        "each partial g(r) in windows of {fs:g} fs within {allowed:g} A, r < {r_max:.4g} A"
    ),
    "bonds-within": "bonds within {allowed:g} A of their mean in the reference",
    "bond-not-watched": "bond {bond} not watched, as the reference breaks it, too",
    "noise-of-windows": (
        "g(r) of {frames} frames of the reference is up to {error:.2g} A from its mean"
    ),
    "temperature-within": _temperature,
    "temperature-without-target": "temperature not checked (no target)",
    "temperature-not-told": "temperature not checked (no temperature is told)",
    "machine": _machine,
    # What ended a rollout.
    "not-finite-value": "a value that is not finite",
    "lost-atoms": _lost,
    "lammps": "{message}",
    "broken-bond": _bond,
    "rdf-departure": "g(r) of a window {error:.2f} A from the reference, {allowed:g} A allowed",
    "temperature-out-of-bounds": "temperature {kelvin:.4g} K, {low:.4g} to {high:.4g} K allowed",
}


def say(fact: Fact) -> str:
    """The sentence of a fact, without a full stop.

    Raises:
        KeyError: a code without a sentence, or a value that the sentence needs is missing.
    """
    sentence = SENTENCES[fact.code]
    return sentence.format(**fact.values) if isinstance(sentence, str) else sentence(**fact.values)


def say_end(number: int, lifetime: Lifetime) -> str:
    """What ended rollout `number`, counted from 1, and when; "" where nothing did."""
    if lifetime.end is None:
        return ""
    return f"rollout {number} at {lifetime.time_fs:g} fs: {say(lifetime.end.cause)}"


def say_judge(judge: Judge) -> str:
    """Who judged in place of the ground truth."""
    return (
        f"judged by a committee, the mean of {listed(judge.members)}, whose FV against each other "
        f"is {judge.disagreement:.3g}"
    )


def say_resampled(resampled: Resampled) -> str:
    """What an interval was drawn over."""
    return f"{resampled.units} {resampled.of}"


def explain(score: Score) -> list[str]:
    """All that must be known to read a value, in sentences without a full stop."""
    lines = [] if score.window is None else [say(score.window)]
    if score.absence is not None:
        lines.append(f"not available: {say(score.absence)}")
    if score.distribution == "h" and score.absence is None:
        lines.append(ON_H)
    if score.lifetimes:
        whole = sum(life.end is None for life in score.lifetimes)
        lines.append(
            f"{whole} of {len(score.lifetimes)} rollouts reached their end (a lower bound)"
        )
        lines += filter(None, (say_end(k, life) for k, life in enumerate(score.lifetimes, 1)))
    lines += map(say, score.facts)
    if score.judge is not None:
        lines.append(say_judge(score.judge))
    return lines
