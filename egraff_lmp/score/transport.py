"""Diffusivities of rollouts against the reference's, for all atoms and for each element.

Intervals are drawn over starts where there are enough, else over blocks of time origins. Those of
neighbouring blocks overlap by the lag, so such an interval is too narrow rather than too wide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.score.arrays import Floats
from egraff_lmp.score.diffusivity import (
    EXPONENT_TOLERANCE,
    MIN_FRAMES,
    diffusivity,
    diffusivity_eq4,
    exponent,
    fit_lags,
)
from egraff_lmp.score.estimate import interval
from egraff_lmp.score.metric import Context, Metric, Sample, Samples, Sums, once
from egraff_lmp.score.msd import mean_squared_displacement, squared_displacements
from egraff_lmp.score.options import Options
from egraff_lmp.score.records import TOTAL, TRANSPORT, Fact, Series
from egraff_lmp.score.sums import absent, counts_of, mean, rows
from egraff_lmp.score.traces import present, reasons
from egraff_lmp.score.unwrap import followed, masses_of, without_drift

MSD, DISPLACEMENT = "msd", "displacement"


@dataclass(frozen=True)
class Path:
    """The way of the atoms of one trajectory.

    Attributes:
        x: (T, N, 3) in A, unwrapped, without drift.
        species: (N,) element of each atom.
        step_fs: time between frames.
    """

    x: Floats
    species: NDArray[np.str_]
    step_fs: float

    @property
    def length_fs(self) -> float:
        """Time from the first frame to the last."""
        return (len(self.x) - 1) * self.step_fs

    def n_lags(self, until_fs: float) -> int:
        """Frames within a time."""
        return round(until_fs / self.step_fs) + 1


@dataclass(frozen=True)
class Motion:
    """What a diffusivity is computed from, of one trajectory.

    Attributes:
        blocks: of a fit, (K, 2 L): by block of time origins the squared displacements in A^2 at L
            lags and the number of origins, see `msd.squared_displacements`; of eq. 4 of Fu et al.
            its D in A^2/ps and 1, (1, 2).
        time_fs: (L,) lags of a fit in fs, or None for eq. 4.
    """

    blocks: Sums
    time_fs: Floats | None

    @classmethod
    def of(
        cls, path: Path, kind: str, until_fs: float, window: tuple[float, float], n_blocks: int = 1
    ) -> Motion:
        """Of a path, by a fit at lags within a window of the time `until_fs`.

        The same window in fs for all trajectories, so that curves that still bend are bent alike.
        """
        if kind == DISPLACEMENT:
            return cls(rows([diffusivity_eq4(path.x, path.step_fs)])[0], None)
        lags = fit_lags(path.n_lags(until_fs), window)
        sums = np.hstack(squared_displacements(path.x, lags, n_blocks))
        return cls(sums, path.step_fs * lags.astype(np.float64))

    def diffusivity(self, sums: Sums) -> float:
        """D in A^2/ps of what blocks add up to."""
        if self.time_fs is None:
            return mean(sums)
        found, numbers = np.split(sums, 2)
        return diffusivity(found / numbers, self.time_fs) if numbers.all() else float("nan")


def diffusivity_errors(kind: str) -> Samples:
    """Samples of |D - D_ref|, in total and by element.

    Args:
        kind: "msd" for D of the fit, with the MSD of every rollout over the lag as a series, or
            "displacement" for D by eq. 4 of Fu et al.
    """

    def samples(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
        paths = _paths(context)
        if isinstance(paths, Fact):
            yield absent(context, TRANSPORT, [paths], TOTAL)
            return
        yield _sample(context, kind, TOTAL, paths, _series(paths[1:], mode) if kind == MSD else ())
        for part in sorted(set(context.reference.species)):
            chosen = [replace(path, x=path.x[:, path.species == part]) for path in paths]
            yield _sample(context, kind, part, chosen)

    return samples


@once
def _paths(context: Context) -> list[Path] | Fact:
    """Of the reference and of each rollout, or why they cannot be had."""
    if not context.rollouts:
        return Fact("no-rollouts")
    every = {"reference": context.reference}
    every |= {f"rollout {number}": frames for number, frames in enumerate(context.kept, 1)}
    found = [_path(frames, whose) for whose, frames in every.items()]
    if lacking := reasons(found):
        return lacking[0]
    paths = present(found)
    until_fs = min(path.length_fs for path in paths)
    for whose, path in zip(every, paths, strict=True):
        if path.n_lags(until_fs) < MIN_FRAMES:
            return _too_few(whose, path.n_lags(until_fs))
    window = context.options.fit_window
    steps = {
        tuple(np.round(path.step_fs * fit_lags(path.n_lags(until_fs), window), 6))
        for path in paths[1:]
    }
    return paths if len(steps) == 1 else Fact("different-strides")


def _path(frames: Frames, whose: str) -> Path | Fact:
    if not frames.timestep_fs:
        return Fact("no-time-of", {"whose": whose})
    x = followed(frames, whose)
    if isinstance(x, Fact):
        return x
    if len(x) < MIN_FRAMES:
        return _too_few(whose, len(x))
    x = without_drift(x, masses_of(frames.species))
    return Path(x, np.array(frames.species), frames.timestep_fs)


def _too_few(whose: str, frames: int) -> Fact:
    return Fact("too-few-frames", {"whose": whose, "frames": frames, "needed": MIN_FRAMES})


def _sample(
    context: Context, kind: str, part: str, paths: Sequence[Path], series: tuple[Series, ...] = ()
) -> Sample:
    options, until_fs = context.options, min(path.length_fs for path in paths)
    own, *theirs = (
        Motion.of(path, kind, until_fs, options.fit_window, options.n_blocks) for path in paths
    )
    first = theirs[0]

    def error(sums: Sums, reference: Sums) -> float:
        return abs(first.diffusivity(sums) - own.diffusivity(reference))

    window = Fact("first-to-last")
    if first.time_fs is not None:
        lags = {"first_fs": float(first.time_fs[0]), "last_fs": float(first.time_fs[-1])}
        window = Fact("lags", lags)
    return Sample(
        TRANSPORT,
        part,
        rollouts=[one.blocks for one in theirs],
        reference=own.blocks,
        value=error,
        floor=_floor(paths[0], kind, until_fs, options.fit_window),
        counts=counts_of(context, sum(len(path.x) for path in paths[1:]), len(paths[0].x)),
        window=window,
        facts=(*_facts("rollouts", theirs, options), *_facts("reference", [own], options)),
        draws_reference=kind == MSD,
        series=series,
    )


def _floor(path: Path, kind: str, until_fs: float, window: tuple[float, float]) -> float | None:
    """Of the halves of the reference, which may have too few frames."""
    half = len(path.x) // 2
    until_fs = min(until_fs, (half - 1) * path.step_fs)
    if path.n_lags(until_fs) < MIN_FRAMES:
        return None
    halves = (replace(path, x=x) for x in (path.x[:half], path.x[half:]))
    motions = [Motion.of(one, kind, until_fs, window) for one in halves]
    first, second = (one.diffusivity(one.blocks.sum(axis=0)) for one in motions)
    return abs(second - first)


def _facts(whose: str, motions: Sequence[Motion], options: Options) -> Iterator[Fact]:
    """D with its interval, and whether atoms diffuse at all in the window of the fit."""
    first = motions[0]
    sample = Sample(
        TRANSPORT,
        rollouts=[one.blocks for one in motions],
        value=lambda sums, own: first.diffusivity(sums),
    )
    low, high = interval(sample, options) or (None, None)
    total = np.concatenate(sample.rollouts).sum(axis=0)
    value = first.diffusivity(total)
    yield Fact("diffusivity", {"whose": whose, "value": value, "low": low, "high": high})
    if first.time_fs is not None:
        found, numbers = np.split(total, 2)
        power = exponent(found / numbers, first.time_fs)
        if not abs(power - 1) < EXPONENT_TOLERANCE:
            known = power if np.isfinite(power) else None
            yield Fact("not-diffusive", {"whose": whose, "exponent": known})


def _series(paths: Sequence[Path], mode: str) -> tuple[Series, ...]:
    return tuple(
        Series(MSD, mode, TRANSPORT, number, path.step_fs, mean_squared_displacement(path.x))
        for number, path in enumerate(paths)
    )
