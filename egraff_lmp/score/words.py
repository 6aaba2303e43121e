"""Sentences for people, made of facts: the one place where scoring puts numbers into words.

The command line and the pages call `say` and `explain`; nothing reads a sentence back.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from egraff_lmp.score.records import TOTAL, Fact, Judge, Lifetime, Resampled, Score

FLOOR = (
    "of structure, what a perfect model would read on average with rollouts of this number and "
    "length, from the noise of the reference and of such rollouts; elsewhere the first half of the "
    "reference frames against the second half, for EV, FV and RMSD frame by frame at equal index, "
    "for a stability by the criteria from the first half"
)
LIKE_PERFECT = "not told apart from a perfect model"
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
    text = f"frames are compared at equal times, every {fs:g} fs"
    if (reference, rollout) == (1, 1):
        return text
    return f"{text} (every {reference} reference frames, every {rollout} rollout frames)"


def _diffusivity(
    whose: str,
    value: float | None,
    low: float | None,
    high: float | None,
    si: float | None = None,  # not in results of earlier versions
) -> str:
    if value is None:
        return f"D of the {whose} is not finite"
    si = 1e-8 * value if si is None else si
    spread = "" if low is None or high is None else f" ({low:.3g}..{high:.3g})"
    return f"D of the {whose} is {value:.3g}{spread} A^2/ps, {si:.3g} m^2/s"


def _not_diffusive(whose: str, exponent: float | None) -> str:
    """In results of earlier versions."""
    verb = "are" if whose == "rollouts" else "is"
    motion = "nothing moves" if exponent is None else f"MSD ~ t^{exponent:.2f}"
    return f"the {whose} {verb} not diffusive there: {motion}"


def _first_shells(skip: int, **within: float) -> str:
    ends = ", ".join(f"{pair} {end:.2f} A" for pair, end in within.items())
    return f"rollout frames from {skip} on, first shells of the reference: {ends}"


def _does_not_diffuse(
    whose: str, part: str, exponent: float | None, reach: float | None, needed: float,
    first_fs: float, last_fs: float,
) -> str:  # fmt: skip
    atoms = "the atoms" if part == TOTAL else f"the {part} atoms"
    moved = 0.0 if reach is None else reach
    motion = "nothing moves" if exponent is None else f"MSD ~ t^{exponent:.2f}"
    return (
        f"{atoms} of the {whose} do not diffuse within lags of {first_fs:.4g} to {last_fs:.4g} fs "
        f"({motion}, r.m.s. displacement {moved:.2g} A where {needed:.2g} A are needed)"
    )


def _temperature(low: float, high: float, rollouts: int, of: int) -> str:
    whose = "" if rollouts == of else f" of {rollouts} of {of} rollouts"
    return f"the temperature{whose} must stay within {low:.4g} to {high:.4g} K"


def _shared_starts(rollouts: int, starts: int, effective: float) -> str:
    if starts == 1:
        return (
            f"all {rollouts} rollouts begin at the same positions (effective starts: 1), and the "
            "interval does not tell what another start would change"
        )
    return (
        f"the {rollouts} rollouts begin at {starts} different positions (effective starts: "
        f"{effective:.2g})"
    )


def _lost(left: int, of: int, step: int | None = None) -> str:
    return f"{left} of {of} atoms left" + (", says the log" if step is None else f" at step {step}")


def _bond(bond: str, length: float | None, equilibrium: float) -> str:
    name = f" {bond}" if bond else ""
    long = math.nan if length is None else length
    return f"bond{name} is {long:.2f} A long, {equilibrium:.2f} A at equilibrium"


def _machine(atoms: int, ranks: int, threads: int, hardware: str, precision: str) -> str:
    return (
        f"{counted(atoms, 'atom')} on {counted(ranks, 'MPI rank')} of "
        f"{counted(threads, 'thread')}, hardware {hardware}; precision {precision}"
    )


# By which the command line is told the time.
_STEP_OPTIONS = {"reference": "--reference-timestep-fs", "rollout": "--timestep-fs"}
# Code of a fact to its sentence, without a full stop: a template that the values of the fact are
# put in, or a function of them.
SENTENCES: dict[str, str | Callable[..., str]] = {
    # Windows.
    "distances": "rollout frames from {skip} on, r < {r_max:.4g} A in bins of {bin_width:g} A",
    "frames": _frames,
    "longest": "up to {frames} frames",
    "longest-within": "up to {frames} frames, RMSD below {rmsd:g} A",
    "first-and-last": lambda parts, rollouts: (
        f"the first and the last of {parts} parts of {counted(rollouts, 'rollout')}"
    ),
    "angle-bins": lambda bins, kelvin: f"{bins} bins of {360 // bins} degrees, {kelvin:g} K",
    "lags": "lags of {first_fs:g} to {last_fs:g} fs",
    "first-to-last": "from the first frame to the last",
    "frequencies": (
        "up to {thz:.3g} THz, in segments of {fs:.4g} fs ({segments} of the reference), in which a "
        "line is {width:.2g} THz wide"
    ),
    "asked-for": lambda rollouts, fs: (
        f"of {counted(rollouts, 'rollout')} of {fs:g} fs that were asked for"
    ),
    "wave-vectors": lambda skip, every, q_max, width: (
        f"rollout frames from {skip} on{'' if every == 1 else f', one out of {every}'}, "
        f"|q| < {q_max:g} 1/A in shells of {width:g} 1/A"
    ),
    "first-shells": _first_shells,
    "four-nearest": (
        "rollout frames from {skip} on, four nearest neighbours of {elements}; tetrahedral are "
        "atoms with four bonds and q > {above:g}"
    ),
    "units": "rollout frames from {skip} on, bonds shorter than {bond:g} A",
    "timed-steps": lambda steps: counted(steps, "step"),
    "epochs": lambda epochs: counted(epochs, "epoch"),
    # Why there is no value.
    "not-finite": "the value is not finite",
    "no-rollouts": "there is no rollout to score",
    "no-volume": "the reference states no cell, and the value scales with its volume",
    "no-finite-frame": "no frame of the rollouts is finite",
    "no-stable-frame": (
        "the rollouts lost their stability from the first frame on, and none of their {of} frames "
        "is left"
    ),
    "no-finite-values": "no frame is finite",
    "no-distances": "there are no {part} distances below r_max in reference or rollouts",
    "no-wave-vectors": (
        "no wave vector with |q| < {q_max:g} 1/A is allowed in the cells of both reference and "
        "rollouts"
    ),
    "no-scattering-length": "no neutron scattering length is known for {elements}",
    "no-neighbours": "there is no {part} in first shells of the reference or of the rollouts",
    "no-group-14": "there is no C, Si or Ge, whose neighbours form tetrahedra",
    "no-units": "there are no phosphorus and sulphur atoms, which form PS4 and P2S6 units",
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
    "does-not-diffuse": _does_not_diffuse,
    "current-not-diffusive": (
        "the sum over all ions does not diffuse within these lags (its square ~ t^{exponent:.2f}): "
        "longer or more rollouts are needed"
    ),
    "no-current": "the sum over all ions does not move away",
    "too-short-for-vibrations": (
        "the shortest trajectory has {fs:.4g} fs, and a spectrum of vibrations needs {needed:g} fs"
    ),
    "too-far-apart-for-vibrations": (
        "the frames of the {whose} are {fs:g} fs apart, and vibrations of these elements are seen "
        "up to {most:g} fs"
    ),
    "no-motion": "there is no motion of {part} atoms in reference or rollouts",
    "no-thermostat": "no rollout has a thermostat: at constant energy nothing holds a temperature",
    "no-temperature-told": "no rollout tells its temperature (thermo.csv, a log, or velocities)",
    "not-at-constant-energy": (
        "no rollout is known to be at constant energy (rollout.json says ensemble nve)"
    ),
    "no-thermo": "no rollout has a thermo.csv with enough rows",
    "no-cell": "the rollouts have no volume",
    "different-strides": (
        "the rollouts have frames at different times, and have to be scored in separate calls"
    ),
    # What else a reader must know.
    "equal-times": _equal_times,
    "frame-by-frame": lambda whose: (
        f"frames are compared one by one, as the {whose} states no time between its frames "
        f"({_STEP_OPTIONS[whose]})"
    ),
    "forces-turned-back": "forces were turned back from LAMMPS' orientation of the cell",
    "rollouts-used": "only {used} of {of} rollouts could be used",
    "no-information": (
        "{metric} of {value:.4f} carries no information about the model: two unrelated frames give "
        "{uncorrelated:.4f}"
    ),
    "never-diverged": "{rollouts} of {of} rollouts never diverged (a lower bound)",
    "no-velocities": (
        "frames hold no velocities: the time is the model's only if the rollout started with those "
        "of the reference"
    ),
    "bins-not-visited": "{bins} of {of} bins that the reference visits were not visited",
    "diffusivity": _diffusivity,
    "velocities-of-differences": ("velocities are differences of positions where frames hold none"),
    "mean-temperature": "the mean is {kelvin:.4g} K, and {stated:.4g} K were asked for",
    "others-diffuse": (
        "atoms of {elements} diffuse, too: the charge that they carry is not counted apart"
    ),
    "ions": "{ion} with the charge +{charge} among the other atoms, at {kelvin:.4g} K",
    "total-of-windows": (
        "the total g(r) in windows of {fs:g} fs must stay within {allowed:g} A of the reference's, "
        "r < {r_max:.4g} A"
    ),
    "partials-of-windows": (
        "each partial g(r) in windows of {fs:g} fs must stay within {allowed:g} A of the "
        "reference's, r < {r_max:.4g} A"
    ),
    "bonds-within": "bonds must stay within {allowed:g} A of their mean in the reference",
    "bond-not-watched": "bond {bond} is not watched, as the reference breaks it, too",
    "noise-of-windows": (
        "g(r) of {frames} frames of the reference is up to {error:.2g} A from its mean"
    ),
    "temperature-within": _temperature,
    "temperature-without-target": "the temperature was not checked, as no target was given",
    "temperature-not-told": "the temperature was not checked, as no rollout tells it",
    "tetrahedral-order": "the mean of q is {value:.3f}, that of the reference {reference:.3f}",
    "tetrahedral-fraction": (
        "{value:.1f} % of the atoms are tetrahedral, of the reference {reference:.1f} %"
    ),
    "units-of-reference": "of the P atoms of the reference {percent:.1f} % keep their bonds",
    "rollouts-timed": "{rollouts} of {of} rollouts have a log that tells their cost",
    "machine": _machine,
    "other-surface": (
        "the reference frames were not drawn at {stated:g} K from the surface that their forces "
        "are of (the virial theorem gives {kelvin:.0f} +- {error:.0f} K): no model has their "
        "structure, however good it is"
    ),
    "after-loss-of-stability": (
        "{left_out} of {of} frames are left out, as they lie behind the loss of stability"
    ),
    "short-reference": (
        "the floor is uncertain, and rather too low: the reference has fewer than {few:g} "
        "independent stretches"
    ),
    "shared-starts": _shared_starts,
    "other-size": (
        "the rollout has {rollout} atoms and the reference {reference}: both are compared as "
        "distributions, each with the finite size of its own cell"
    ),
    "other-density": (
        "the rollout has {rollout:.4g} A^3 for each atom and the reference {reference:.4g}: a part "
        "of every difference is that of the cells, not of the model"
    ),
    "other-shape": (
        "the cells of rollout and reference have the same volume and other lengths or angles: a "
        "part of every difference is that of the cells, not of the model"
    ),
    # What ended a rollout.
    "not-finite-value": "a position, force or energy is not finite",
    "lost-atoms": _lost,
    "lammps": "{message}",
    "broken-bond": _bond,
    "rdf-departure": (
        "g(r) of a window is {error:.2f} A from the reference's, and {allowed:g} A are allowed"
    ),
    "temperature-out-of-bounds": (
        "the temperature is {kelvin:.4g} K, and {low:.4g} to {high:.4g} K are allowed"
    ),
}


# Of facts that are stated no longer, for results of earlier versions.
EARLIER: dict[str, Callable[..., str]] = {"not-diffusive": _not_diffusive}


def say(fact: Fact) -> str:
    """The sentence of a fact, without a full stop.

    Raises:
        KeyError: a code without a sentence, or a value that the sentence needs is missing.
    """
    sentence = EARLIER.get(fact.code) or SENTENCES[fact.code]
    if not isinstance(sentence, str):
        return sentence(**fact.values)
    # JSON has no NaN: a number that is not finite comes back as nothing.
    known = {name: math.nan if value is None else value for name, value in fact.values.items()}
    return sentence.format(**known)


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
    if resampled.of == "clusters":
        return f"{resampled.units} clusters of rollouts that share their start"
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
    if score.like_perfect:
        lines.append(LIKE_PERFECT)
    if score.judge is not None:
        lines.append(say_judge(score.judge))
    return lines
