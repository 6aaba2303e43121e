"""Rollouts beside the reference that they started from: RMSD(t) and divergence time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.score.align import SAME_FRAME_A, Pairing, pair_in_time
from egraff_lmp.score.bootstrap import MIN_STARTS, bootstrap_interval, resampling_units
from egraff_lmp.score.divergence import divergence_time
from egraff_lmp.score.options import Options
from egraff_lmp.score.records import TRAJECTORY, Score, Series
from egraff_lmp.score.rmsd import rmsd
from egraff_lmp.score.structure import resampled_over
from egraff_lmp.score.table import DEVIATION_INPUTS, Metric, metrics_for, modes_of
from egraff_lmp.score.unwrap import finite_start, masses_of, unwrapped

SHARED_VELOCITIES = (
    "frames hold no velocities: it is the model's only if the rollout started with those of the "
    "reference"
)


@dataclass(frozen=True)
class _Deviation:
    """RMSD(t) of one rollout, or the reason why there is none."""

    values: NDArray[np.float64] | None
    step_fs: float | None
    note: str
    shares_start: bool = False


def deviation_scores(
    reference: Frames, trajectories: Sequence[Frames], options: Options
) -> tuple[list[Score], list[Series]]:
    """RMSD and divergence time of rollouts at equal times, and RMSD(t).

    Args:
        reference: the time series that the rollouts started from.
        trajectories: the rollouts.
        options: see `Options`; `skip` does not apply, as the first frame is the shared one.
    """
    scores: list[Score] = []
    series: list[Series] = []
    for mode in modes_of(options.mode):
        metrics = metrics_for(mode, DEVIATION_INPUTS)
        if not metrics:
            continue
        found = [
            _deviation(pair_in_time(reference, frames, options.start_of(number), 0))
            for number, frames in enumerate(trajectories)
        ]
        baseline = _floor(reference)
        scores += [_score(metric, mode, found, baseline, options) for metric in metrics]
        series += [
            Series("rmsd", mode, TRAJECTORY, number, one.step_fs, one.values)
            for number, one in enumerate(found)
            if one.values is not None
        ]
    return scores, series


def _deviation(pairing: Pairing) -> _Deviation:
    truth, model = pairing.truth, pairing.model
    if truth is None or model is None:
        return _Deviation(None, None, pairing.note)
    try:
        x, y = _followed(model), _followed(truth)
    except EgraffError as error:
        return _Deviation(None, None, f"not available: {error}")
    if len(x) < len(y):
        y = y[: len(x)]
    if all(truth.pbc):
        # Images of the first frame: a dump may hold other ones than the reference.
        y = y + np.round((x[0] - y[0]) @ np.linalg.inv(truth.cell[0])) @ truth.cell[0]
    masses = masses_of(truth.species)
    values = np.full(len(model), np.nan)
    values[: len(x)] = rmsd(x, y, masses, superpose=not any(truth.pbc))
    return _Deviation(
        values, truth.timestep_fs, pairing.note, shares_start=bool(values[0] < SAME_FRAME_A)
    )


def _followed(frames: Frames) -> NDArray[np.float64]:
    """Unwrapped positions up to the first frame that is not finite, (T', N, 3)."""
    until = finite_start(frames)
    if not until:
        raise EgraffError(f"{frames.source}: expected finite positions in the first frame.")
    return unwrapped(frames.positions[:until], frames.cell[:until], frames.pbc)


def _floor(reference: Frames) -> _Deviation:
    """The second half of the reference against the first one, frame by frame."""
    half = len(reference) // 2
    if not half:
        return _Deviation(None, None, "")
    first, second = reference.select(slice(0, half)), reference.select(slice(half, 2 * half))
    return _deviation(Pairing(first, second, ""))


def _score(
    metric: Metric, mode: str, found: Sequence[_Deviation], floor: _Deviation, options: Options
) -> Score:
    mean = metric.input == "positions"
    series: list[NDArray[np.float64]] = []
    per_start: list[float] = []
    notes: list[str] = []
    censored = 0
    for one in found:
        reason = one.note
        if one.values is not None and mean and np.isfinite(one.values).any():
            per_start.append(float(np.nanmean(one.values)))
        elif one.values is not None and not mean and one.step_fs and one.shares_start:
            time, diverged = divergence_time(one.values, one.step_fs, options.rmsd_threshold)
            censored += not diverged
            per_start.append(time)
        else:
            if one.values is not None and not mean:
                reason = (
                    "not available: the rollout does not start at its reference frame"
                    if one.step_fs
                    else "not available: no time is stated between frames"
                )
            notes.append(reason)
            continue
        notes.append(reason)
        series.append(one.values)
    blocks = [min(options.n_blocks, len(values)) for values in series]
    if not mean and per_start:
        notes += [f"{censored} of {len(per_start)} rollouts never diverged (a lower bound)"] * (
            censored > 0
        ) + [SHARED_VELOCITIES]
    frames = sum(len(values) for values in series)
    available = bool(per_start)
    every = "" if not available else f"up to {max(len(v) for v in series)} frames"
    if available and found[0].step_fs and not mean:
        every += f", RMSD below {options.rmsd_threshold:g} A"
    value = None
    if available:
        value = float(np.nanmean(np.concatenate(series))) if mean else float(np.mean(per_start))
    return Score(
        key=metric.key,
        mode=mode,
        comparison=TRAJECTORY,
        pair="",
        value=value,
        unit=metric.unit,
        interval=_interval(metric, series, per_start, blocks, options),
        resampled=resampled_over(blocks) if mean and blocks else f"{len(per_start)} starts",
        floor=_floor_value(metric, floor, options) if available else None,
        n_frames_reference=frames,
        n_frames=frames,
        n_starts=len(found),
        per_start=tuple(per_start),
        n_zero=0,
        n_failed=sum(int((~np.isfinite(values)).sum()) for values in series),
        window=every,
        note="; ".join(dict.fromkeys(filter(None, notes))),
    )


def _interval(
    metric: Metric,
    series: Sequence[NDArray[np.float64]],
    per_start: Sequence[float],
    blocks: list[int],
    options: Options,
) -> tuple[float, float] | None:
    if metric.input == "positions":
        parts = [
            part
            for values, n in zip(series, blocks, strict=True)
            for part in np.array_split(values, n)
        ]
        sums = np.array([np.nansum(part) for part in parts])
        numbers = np.array([np.isfinite(part).sum() for part in parts])
    elif len(per_start) >= MIN_STARTS:
        sums, numbers, blocks = np.array(per_start), np.ones(len(per_start)), [1] * len(per_start)
    else:
        return None

    def statistic(w: NDArray[np.float64]) -> float:
        return float(w @ sums / (w @ numbers)) if w @ numbers else float("nan")

    if not len(sums):
        return None
    return bootstrap_interval(
        statistic,
        [resampling_units(blocks)],
        bounds=metric.bounds,
        n_resamples=options.n_resamples,
        confidence=options.confidence,
        seed=options.seed,
    )


def _floor_value(metric: Metric, floor: _Deviation, options: Options) -> float | None:
    if floor.values is None or not np.isfinite(floor.values).any():
        return None
    if metric.input == "positions":
        return float(np.nanmean(floor.values))
    if not floor.step_fs:
        return None
    return divergence_time(floor.values, floor.step_fs, options.rmsd_threshold)[0]
