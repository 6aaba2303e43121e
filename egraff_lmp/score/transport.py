"""Diffusivities of rollouts against the reference's, for all atoms and for each element.

Intervals are drawn over starts where there are enough, else over blocks of time origins. Those of
neighbouring blocks overlap by the lag, so such an interval is too narrow rather than too wide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.score.bootstrap import bootstrap_interval, resampling_units
from egraff_lmp.score.diffusivity import (
    EXPONENT_TOLERANCE,
    diffusivity,
    diffusivity_eq4,
    exponent,
    fit_lags,
)
from egraff_lmp.score.msd import mean_squared_displacement, squared_displacements
from egraff_lmp.score.options import Options
from egraff_lmp.score.rdf import TOTAL
from egraff_lmp.score.records import TRANSPORT, Score, Series
from egraff_lmp.score.structure import resampled_over
from egraff_lmp.score.table import TRANSPORT_INPUTS, Metric, metrics_for, modes_of, system_of
from egraff_lmp.score.unwrap import finite_start, masses_of, unwrapped, without_drift


@dataclass(frozen=True)
class Motion:
    """Squared displacements of the atoms of one or more trajectories at the lags of the fit.

    Attributes:
        sums: (K, L) in A^2 by block of time origins, see `msd.squared_displacements`.
        numbers: (K, L) origins.
        time_fs: (L,) lags in fs.
        eq4: (S,) D of eq. 4 of Fu et al. of each trajectory, in A^2/ps.
        blocks: blocks of each trajectory; their sum is K.
        n_frames: frames of all trajectories.
    """

    sums: NDArray[np.float64]
    numbers: NDArray[np.float64]
    time_fs: NDArray[np.float64]
    eq4: NDArray[np.float64]
    blocks: tuple[int, ...]
    n_frames: int

    def value(self, kind: str, weights: NDArray[np.float64] | None = None) -> float:
        """D in A^2/ps, "msd" from the fit or "displacement" by eq. 4; blocks weighted (K,)."""
        if weights is None:
            weights = np.ones(len(self.sums) if kind == "msd" else len(self.eq4))
        if kind == "displacement":
            return float(weights @ self.eq4 / weights.sum())
        if not (weights @ self.numbers).all():
            return float("nan")
        return diffusivity(weights @ self.sums / (weights @ self.numbers), self.time_fs)

    def exponent(self) -> float:
        """d log MSD / d log t over the window."""
        return exponent(self.sums.sum(axis=0) / self.numbers.sum(axis=0), self.time_fs)


def transport_scores(
    reference: Frames, trajectories: Sequence[Frames], options: Options
) -> tuple[list[Score], list[Series]]:
    """Errors of diffusivities, and the MSD of every rollout (series "msd", entry m at lag m).

    Args:
        reference: the ground truth, a time series, or there is nothing to compare with.
        trajectories: the rollouts, of the same elements.
        options: see `Options`; the window of the fit is a fraction of the shortest trajectory.
    """
    kept = [frames.select(slice(options.skip, None)) for frames in trajectories]
    wanted = [
        (mode, metric)
        for mode in modes_of(options.mode)
        for metric in metrics_for(mode, TRANSPORT_INPUTS, system_of(reference.pbc))
    ]
    if not wanted:
        return [], []
    scores: list[Score] = []
    series: list[Series] = []
    try:
        followed = [_followed(frames) for frames in (reference, *kept)]
        length_fs = min(
            (len(x) - 1) * float(f.timestep_fs or 0)
            for x, f in zip(followed, (reference, *kept), strict=True)
        )
        parts = {
            part: _motions(reference, kept, followed, length_fs, part, options)
            for part in (TOTAL, *sorted(set(reference.species)))
        }
    except EgraffError as error:
        # Without the file's name: a result says the same wherever its folder lies.
        reason = str(error)
        names = ["reference", *(f"rollout {k}" for k in range(1, len(kept) + 1))]
        for name, frames in zip(names, (reference, *kept), strict=True):
            if reason.startswith(f"{frames.source}: "):
                reason = name + reason.removeprefix(frames.source)
        note = f"not available: {reason}"
        return [_absent(metric, mode, kept, note) for mode, metric in wanted], []
    for mode, metric in wanted:
        scores += [
            _score(metric, mode, part, *motions, kept, options) for part, motions in parts.items()
        ]
    for number, (x, frames) in enumerate(zip(followed[1:], kept, strict=True)):
        values = mean_squared_displacement(x)
        series.append(Series("msd", wanted[0][0], TRANSPORT, number, frames.timestep_fs, values))
    return scores, series


def _followed(frames: Frames) -> NDArray[np.float64]:
    """Unwrapped positions without drift, up to the first frame that is not finite."""
    if not frames.timestep_fs:
        raise EgraffError(f"{frames.source}: expected a time between frames, got none.")
    until = finite_start(frames)
    try:
        x = unwrapped(frames.positions[:until], frames.cell[:until], frames.pbc)
        fit_lags(len(x))
    except EgraffError as error:
        raise EgraffError(f"{frames.source}: {error}") from None
    return without_drift(x, masses_of(frames.species))


def _motions(
    reference: Frames,
    kept: Sequence[Frames],
    followed: Sequence[NDArray[np.float64]],
    length_fs: float,
    part: str,
    options: Options,
) -> tuple[Motion, Motion, tuple[Motion, Motion]]:
    """Of the reference, of all rollouts, and of the halves of the reference."""

    def chosen(frames: Frames) -> NDArray[np.bool_]:
        symbols = np.array(frames.species)
        return np.ones(len(symbols), dtype=bool) if part == TOTAL else symbols == part

    def motion(x: NDArray[np.float64], step_fs: float, until_fs: float, n_blocks: int) -> Motion:
        # The same window in fs for all, so that curves that still bend are bent alike.
        lags = fit_lags(round(until_fs / step_fs) + 1, options.fit_window)
        sums, numbers = squared_displacements(x, lags, n_blocks)
        eq4 = np.full(1, diffusivity_eq4(x, step_fs))
        return Motion(sums, numbers, step_fs * lags.astype(np.float64), eq4, (n_blocks,), len(x))

    n_blocks = options.n_blocks
    x = followed[0][:, chosen(reference)]
    step = float(reference.timestep_fs or 0)
    half = len(x) // 2
    own = motion(x, step, length_fs, n_blocks)
    rollouts = [
        motion(y[:, chosen(frames)], float(frames.timestep_fs or 0), length_fs, n_blocks)
        for y, frames in zip(followed[1:], kept, strict=True)
    ]
    if len({tuple(np.round(one.time_fs, 6)) for one in rollouts}) > 1:
        raise EgraffError(
            "expected rollouts with frames at the same times, got different strides: score them "
            "in separate calls."
        )
    halves = []
    for which in (slice(0, half), slice(half, None)):
        short = min(length_fs, (half - 1) * step)
        try:
            halves.append(motion(x[which], step, short, 1))
        except EgraffError:  # too few frames for a floor
            halves = []
            break
    return own, _joined(rollouts), (halves[0], halves[1]) if halves else (own, own)


def _joined(motions: Sequence[Motion]) -> Motion:
    return Motion(
        np.concatenate([one.sums for one in motions]),
        np.concatenate([one.numbers for one in motions]),
        motions[0].time_fs,
        np.concatenate([one.eq4 for one in motions]),
        tuple(n for one in motions for n in one.blocks),
        sum(one.n_frames for one in motions),
    )


def _score(
    metric: Metric,
    mode: str,
    part: str,
    reference: Motion,
    rollouts: Motion,
    halves: tuple[Motion, Motion],
    kept: Sequence[Frames],
    options: Options,
) -> Score:
    kind = metric.input
    blocks = list(rollouts.blocks) if kind == "msd" else [1] * len(rollouts.eq4)
    units = [resampling_units(blocks)]
    if kind == "msd":
        units.append(resampling_units(reference.blocks))
    own, theirs = rollouts.value(kind), reference.value(kind)

    def error(w: NDArray[np.float64], v: NDArray[np.float64] | None = None) -> float:
        d_ref = theirs if v is None else reference.value(kind, v)
        return float(metric.function(rollouts.value(kind, w), d_ref))

    interval = bootstrap_interval(
        error,
        units,
        bounds=metric.bounds,
        n_resamples=options.n_resamples,
        confidence=options.confidence,
        seed=options.seed,
    )
    first, second = halves
    floor = None if first is second else metric.function(second.value(kind), first.value(kind))
    note = f"D = {_stated(rollouts, kind, options)} A^2/ps against "
    note += f"{_stated(reference, kind, options)} A^2/ps of the reference"
    window = "from the first frame to the last"
    if kind == "msd":
        window = f"lags of {rollouts.time_fs[0]:g} to {rollouts.time_fs[-1]:g} fs"
        for who, one in (("rollouts", rollouts), ("reference", reference)):
            if not abs(one.exponent() - 1) < EXPONENT_TOLERANCE:
                note += f"; {who} not diffusive there: MSD ~ t^{one.exponent():.2f}"
    per_start = _per_start(metric, rollouts, theirs)
    return Score(
        key=metric.key,
        mode=mode,
        comparison=TRANSPORT,
        pair=part,
        value=float(metric.function(own, theirs)),
        unit=metric.unit,
        interval=interval,
        resampled=resampled_over(blocks),
        floor=None if floor is None else float(floor),
        n_frames_reference=reference.n_frames,
        n_frames=rollouts.n_frames,
        n_starts=len(kept),
        per_start=per_start,
        n_zero=0,
        n_failed=sum(len(frames) for frames in kept) - rollouts.n_frames,
        window=window,
        note=note,
    )


def _stated(motion: Motion, kind: str, options: Options) -> str:
    """D with its confidence interval, "0.296 (0.28..0.31)"."""
    blocks = motion.blocks if kind == "msd" else (1,) * len(motion.eq4)
    interval = bootstrap_interval(
        lambda w: motion.value(kind, w),
        [resampling_units(blocks)],
        n_resamples=options.n_resamples,
        confidence=options.confidence,
        seed=options.seed,
    )
    spread = "" if interval is None else " ({:.3g}..{:.3g})".format(*interval)
    return f"{motion.value(kind):.3g}{spread}"


def _per_start(metric: Metric, rollouts: Motion, d_ref: float) -> tuple[float, ...]:
    if metric.input == "displacement":
        return tuple(float(metric.function(d, d_ref)) for d in rollouts.eq4)
    starts = np.repeat(np.arange(len(rollouts.blocks)), rollouts.blocks)
    return tuple(
        float(metric.function(rollouts.value("msd", (starts == start).astype(np.float64)), d_ref))
        for start in range(len(rollouts.blocks))
    )


def _absent(metric: Metric, mode: str, kept: Sequence[Frames], note: str) -> Score:
    return Score(
        key=metric.key,
        mode=mode,
        comparison=TRANSPORT,
        pair=TOTAL,
        value=None,
        unit=metric.unit,
        interval=None,
        resampled="",
        floor=None,
        n_frames_reference=0,
        n_frames=sum(len(frames) for frames in kept),
        n_starts=len(kept),
        per_start=(),
        n_zero=0,
        n_failed=0,
        window="",
        note=note,
    )
