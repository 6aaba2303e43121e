"""Stability of rollouts: every row of the table that tells how long they stay physical.

`egraff` form: bonds of molecules or windowed g(r) of bulk, values that are not finite, temperature
out of bounds; a bond that the reference itself breaks (the enol proton of acetylacetone hops) is
not watched. `paper` form: the criterion of Fu et al. alone, on their normalisation of g(r). A run
that was ended by its engine (lost atoms) ends there in both. A rollout that reaches its end is
counted with its length, a lower bound, and their number is stated. Short windows of few atoms are
noisy; how far the reference's own windows are from its mean is stated as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.score.bonds import bond_lengths, watched_bonds
from egraff_lmp.score.bootstrap import MIN_STARTS, bootstrap_interval, resampling_units
from egraff_lmp.score.curve_error import curve_error
from egraff_lmp.score.distances import finite_frames
from egraff_lmp.score.options import Options
from egraff_lmp.score.rdf import TOTAL, PairHistogram
from egraff_lmp.score.records import STABILITY, Score
from egraff_lmp.score.stability import (
    BOND_THRESHOLD_A,
    WINDOW_FS,
    Violation,
    broken_bond,
    first_violation,
    not_finite,
    rdf_departure,
    rdf_threshold,
    temperature_out_of_bounds,
)
from egraff_lmp.score.structure import Sample, n_windows
from egraff_lmp.score.table import STABILITY_INPUTS, Metric, metrics_for


@dataclass(frozen=True)
class Life:
    """How long a rollout stayed physical.

    Attributes:
        time_fs: time of the first violation, or the length without one.
        violation: the first one, or None.
    """

    time_fs: float
    violation: Violation | None


@dataclass(frozen=True)
class Fate:
    """What is known of a rollout besides its frames.

    Attributes:
        end: what ended it before its time, or None.
        hot: where its temperature left the bounds, or None.
        checked: whether it has a temperature and bounds.
    """

    end: Violation | None = None
    hot: Violation | None = None
    checked: bool = False


def stability_scores(
    reference: Frames,
    trajectories: Sequence[Frames],
    counted: Mapping[str, Sample],
    options: Options,
    temperatures: Sequence[NDArray[np.float64] | None] | None = None,
    ends: Sequence[Violation | None] | None = None,
) -> list[Score]:
    """Stability of the rollouts in all modes.

    Args:
        reference: the ground truth; equilibrium bond lengths are its means.
        trajectories: the rollouts.
        counted: `structure.samples` of the same.
        options: see `Options`.
        temperatures: kinetic temperature of each rollout's frames in K, (T,) or None.
        ends: what ended each rollout before its time (lost atoms), frames counted from its first.
    """
    kept = [frames.select(slice(options.skip, None)) for frames in trajectories]
    hot: list[Violation | None] = [None] * len(kept)
    checked = [False] * len(kept)
    if options.temperature_kelvin is not None and temperatures is not None:
        for number, one in enumerate(temperatures):
            if one is not None:
                checked[number] = True
                hot[number] = temperature_out_of_bounds(
                    one[options.skip :], options.temperature_kelvin, options.temperature_bounds
                )
    ended = [
        None if end is None else replace(end, frame=max(0, end.frame - options.skip))
        for end in ends or [None] * len(kept)
    ]
    fates = [Fate(*one) for one in zip(ended, hot, checked, strict=True)]
    return [
        _score(metric, mode, reference, kept, sample, options, fates)
        for mode, sample in counted.items()
        for metric in metrics_for(mode, STABILITY_INPUTS)
    ]


def _score(
    metric: Metric,
    mode: str,
    reference: Frames,
    kept: Sequence[Frames],
    sample: Sample,
    options: Options,
    fates: Sequence[Fate],
) -> Score:
    timed = all(frames.timestep_fs for frames in kept)
    lives = []
    if timed:
        lives = [
            _life(mode, reference, frames, sample, sample.reference, fine, options.skip, fate)
            for frames, fine, fate in zip(kept, sample.fine_rollouts, fates, strict=True)
        ]
    times = np.array([life.time_fs for life in lives])
    return Score(
        key=metric.key,
        mode=mode,
        comparison=STABILITY,
        pair="",
        value=float(times.mean()) if timed else None,
        unit=metric.unit,
        interval=_interval(times, options),
        resampled=f"{len(times)} starts" if len(times) >= MIN_STARTS else "",
        floor=_floor(mode, reference, sample) if timed else None,
        n_frames_reference=int(sample.reference.n_frames.sum()),
        n_frames=sum(len(frames) for frames in kept),
        n_starts=len(kept),
        per_start=tuple(times.tolist()),
        n_zero=0,
        n_failed=sample.merged.n_failed,
        window=_window(kept, reference, sample, fates, options) if timed else "",
        note=_note(lives, reference, sample)
        if timed
        else "not available: a rollout states no time between its frames",
    )


def _life(
    mode: str,
    reference: Frames,
    frames: Frames,
    sample: Sample,
    equilibrium: PairHistogram,
    fine: PairHistogram,
    skipped: int = 0,
    fate: Fate | None = None,
) -> Life:
    fate = fate or Fate()
    violations = [fate.end, _structural(reference, frames, sample, equilibrium, fine)]
    if mode == "egraff":
        # First, so that it names what happened where a broken bond follows from it.
        finite = not_finite(frames.positions, frames.forces, _told_energies(frames))
        violations = [finite, fate.hot, *violations]
    violation = first_violation(violations)
    last = len(frames) - 1 if violation is None else violation.frame
    return Life((skipped + last) * float(frames.timestep_fs or 0.0), violation)


def _told_energies(frames: Frames) -> NDArray[np.float64] | None:
    """Energies (T,) without the NaN of steps that no thermo row tells of.

    A model whose energy is NaN has forces of NaN too: NaN beside finite forces is a missing row.
    """
    if frames.energy is None or frames.forces is None:
        return frames.energy
    fine = np.isfinite(frames.forces).all(axis=(1, 2))
    return np.where(np.isnan(frames.energy) & fine, 0.0, frames.energy)


def _structural(
    reference: Frames,
    frames: Frames,
    sample: Sample,
    equilibrium: PairHistogram,
    fine: PairHistogram,
) -> Violation | None:
    if not equilibrium.periodic:
        watched = watched_bonds(reference, sample.mode)
        lengths = bond_lengths(frames.positions, watched.pairs)
        return broken_bond(lengths, watched.equilibrium, BOND_THRESHOLD_A, watched.names)
    threshold, partials = rdf_threshold(reference.species)
    windows = fine.coarsened(n_windows(frames))
    # Windows are of finite frames; what is not finite has its own criterion.
    finite = np.flatnonzero(finite_frames(frames))
    if not finite.size:
        return Violation(0, "no finite frame")
    starts = np.concatenate(([0], np.cumsum(windows.n_frames)[:-1]))
    errors = window_errors(sample, windows, equilibrium, partials)
    return rdf_departure(errors, finite[np.minimum(starts, finite.size - 1)], threshold)


def window_errors(
    sample: Sample, windows: PairHistogram, reference: PairHistogram, partials: bool
) -> NDArray[np.float64]:
    """Integral of |g - g_ref| of each window in A, (W,); the largest partial one if `partials`."""
    paper = sample.mode == "paper"
    # The partial g of Fu et al. is normalised by the numbers of pairs, as ours.
    kind = "paper_rdf" if paper and not partials else "rdf"
    worst = np.zeros(len(windows.n_frames))
    for pair in windows.names if partials else (TOTAL,):
        mean = reference.curve_blocks(kind, pair).sum(axis=0) / reference.n_frames.sum()
        for window, (curve, number) in enumerate(
            zip(windows.curve_blocks(kind, pair), windows.n_frames, strict=True)
        ):
            error = curve_error(curve / max(1, number), mean, windows.bin_width)
            worst[window] = max(worst[window], error)
    return worst


def _floor(mode: str, reference: Frames, sample: Sample) -> float | None:
    """Stability of the second half of the reference by the criteria from the first one."""
    half = len(reference) // 2
    if not half or not reference.timestep_fs:
        return None
    first, second = reference.select(slice(0, half)), reference.select(slice(half, None))
    fine = len(sample.fine_reference.n_frames)
    if fine < 2:
        return None
    part, rest = sample.fine_reference.halves()
    if not (part.n_frames.sum() and finite_frames(first).any()):
        return None
    return _life(mode, first, second, sample, part, rest).time_fs


def _interval(times: NDArray[np.float64], options: Options) -> tuple[float, float] | None:
    """Of the mean over starts; blocks of a trajectory say nothing about when it ends."""
    if len(times) < MIN_STARTS:
        return None
    return bootstrap_interval(
        lambda w: float(w @ times / w.sum()),
        [resampling_units([1] * len(times))],
        bounds=(0.0, np.inf),
        n_resamples=options.n_resamples,
        confidence=options.confidence,
        seed=options.seed,
    )


def _window(
    kept: Sequence[Frames],
    reference: Frames,
    sample: Sample,
    fates: Sequence[Fate],
    options: Options,
) -> str:
    first = kept[0]
    length = (len(first) - 1) * float(first.timestep_fs or 0.0)
    text = f"{len(first)} frames over {length:g} fs"
    if sample.reference.periodic:
        threshold, partials = rdf_threshold(reference.species)
        which = "each partial" if partials else "total"
        text += f", {which} g(r) in windows of {WINDOW_FS:g} fs within {threshold:g} A"
        text += f", r < {sample.reference.r_max:.4g} A"
    else:
        text += f", bonds within {BOND_THRESHOLD_A:g} A of their mean in the reference"
    if sample.mode == "egraff":
        target = options.temperature_kelvin
        low, high = (bound * (target or 0.0) for bound in options.temperature_bounds)
        bounds = f"{low:.4g} to {high:.4g} K"
        number = sum(fate.checked for fate in fates)
        if number == len(fates):
            text += f", temperature within {bounds}"
        elif number:
            text += f", temperature of {number} rollouts within {bounds}"
        else:
            why = "no target" if target is None else "no temperature is told"
            text += f", temperature not checked ({why})"
    return text


def _note(lives: Sequence[Life], reference: Frames, sample: Sample) -> str:
    reached = sum(life.violation is None for life in lives)
    parts = [f"{reached} of {len(lives)} rollouts reached their end (a lower bound)"]
    for number, life in enumerate(lives, 1):
        if life.violation is not None:
            parts.append(f"rollout {number} at {life.time_fs:g} fs: {life.violation.reason}")
    if sample.reference.periodic:
        windows = sample.fine_reference.coarsened(n_windows(reference))
        if len(windows.n_frames) < 2:  # too short for windows: blocks of it
            windows = sample.reference
        _, partials = rdf_threshold(reference.species)
        errors = window_errors(sample, windows, sample.reference, partials)
        parts.append(
            f"g(r) of {int(windows.n_frames.max())} frames of the reference is up to "
            f"{errors.max():.2g} A from its mean"
        )
    elif unwatched := watched_bonds(reference, sample.mode).unwatched:
        parts.append(f"not watched, as the reference breaks it, too: {', '.join(unwatched)}")
    return "; ".join(parts)
