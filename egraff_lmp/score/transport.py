"""Diffusivities of rollouts against the reference's, for all atoms and for each element.

Intervals are drawn over starts where there are enough, else over blocks of time origins. Those of
neighbouring blocks overlap by the lag, so such an interval is too narrow rather than too wide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.score.bootstrap import bootstrap_interval, resampling_units
from egraff_lmp.score.diffusivity import (
    EXPONENT_TOLERANCE,
    MIN_FRAMES,
    difference,
    diffusivity,
    diffusivity_eq4,
    exponent,
    fit_lags,
)
from egraff_lmp.score.metric import Context, Metric, Sample, Sums
from egraff_lmp.score.msd import mean_squared_displacement, squared_displacements
from egraff_lmp.score.options import Options
from egraff_lmp.score.records import TOTAL, TRANSPORT, Counts, Fact, Series
from egraff_lmp.score.sums import absent, mean, rows
from egraff_lmp.score.unwrap import followed, masses_of, without_drift

MSD, DISPLACEMENT = "msd", "displacement"


@dataclass(frozen=True)
class Path:
    """The way of the atoms of one trajectory.

    Attributes:
        x: (T, N, 3) in A, unwrapped, without drift.
        species: element of each atom.
        step_fs: time between frames.
    """

    x: NDArray[np.float64]
    species: tuple[str, ...]
    step_fs: float

    @property
    def length_fs(self) -> float:
        """Time from the first frame to the last."""
        return (len(self.x) - 1) * self.step_fs

    def of(self, part: str) -> Path:
        """The same of the atoms of one element, or of all."""
        if part == TOTAL:
            return self
        chosen = np.array(self.species) == part
        return Path(self.x[:, chosen], (part,) * int(chosen.sum()), self.step_fs)

    def cut(self, which: slice) -> Path:
        """Some of its frames."""
        return Path(self.x[which], self.species, self.step_fs)

    def n_lags(self, until_fs: float) -> int:
        """Frames within a time."""
        return round(until_fs / self.step_fs) + 1


@dataclass(frozen=True)
class Motion:
    """What a diffusivity is computed from, of one trajectory.

    Attributes:
        sums: (K, 2 L): by block of time origins the squared displacements in A^2 at L lags, and
            the number of origins, see `msd.squared_displacements`.
        time_fs: (L,) lags in fs.
        eq4: D of eq. 4 of Fu et al. in A^2/ps.
        n_frames: of the trajectory.
    """

    sums: Sums
    time_fs: NDArray[np.float64]
    eq4: float
    n_frames: int

    @classmethod
    def of(cls, path: Path, until_fs: float, n_blocks: int, window: tuple[float, float]) -> Motion:
        """Of a path, at lags within a window of the time `until_fs`.

        The same window in fs for all trajectories, so that curves that still bend are bent alike.
        """
        lags = fit_lags(path.n_lags(until_fs), window)
        sums = np.hstack(squared_displacements(path.x, lags, n_blocks))
        eq4 = diffusivity_eq4(path.x, path.step_fs)
        return cls(sums, path.step_fs * lags.astype(np.float64), eq4, len(path.x))

    def blocks(self, kind: str) -> Sums:
        """Its blocks for a fit ("msd"), or its one value by eq. 4 ("displacement")."""
        return self.sums if kind == MSD else rows([self.eq4])[0]

    def diffusivity(self, kind: str, sums: Sums) -> float:
        """D in A^2/ps of what blocks add up to."""
        if kind == DISPLACEMENT:
            return mean(sums)
        found, numbers = np.split(sums, 2)
        return diffusivity(found / numbers, self.time_fs) if numbers.all() else float("nan")

    def exponent(self, sums: Sums) -> float:
        """d log MSD / d log t over the window of what blocks add up to."""
        found, numbers = np.split(sums, 2)
        return exponent(found / numbers, self.time_fs)


@dataclass(frozen=True)
class Motions:
    """Of all rollouts and of the reference, whose halves there may be too few frames for."""

    rollouts: tuple[Motion, ...]
    reference: Motion
    halves: tuple[Motion, Motion] | None


def diffusivity_errors(kind: str) -> Callable[[Context, Metric, str], Iterator[Sample]]:
    """Samples of |D - D_ref|, in total and by element.

    Args:
        kind: "msd" for D of the fit, with the MSD of every rollout over the lag as a series, or
            "displacement" for D by eq. 4 of Fu et al.
    """

    def samples(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
        paths = context.shared("paths", lambda: _paths(context))
        if isinstance(paths, Fact):
            yield absent(context, TRANSPORT, [paths], TOTAL)
            return
        found = context.shared("motions", lambda: _motions(context, paths))
        for part, motions in found.items():
            series = _series(paths[1:], mode) if (kind, part) == (MSD, TOTAL) else ()
            yield _sample(context, kind, part, motions, series)

    return samples


def _paths(context: Context) -> list[Path] | Fact:
    """Of the reference and of each rollout, or why they cannot be had."""
    if not context.rollouts:
        return Fact("no-rollouts")
    names = ["reference", *(f"rollout {k + 1}" for k in range(len(context.kept)))]
    paths = []
    for whose, frames in zip(names, (context.reference, *context.kept), strict=True):
        found = _path(frames, whose)
        if isinstance(found, Fact):
            return found
        paths.append(found)
    until_fs = min(path.length_fs for path in paths)
    for whose, path in zip(names, paths, strict=True):
        if path.n_lags(until_fs) < MIN_FRAMES:
            return _too_few(whose, path.n_lags(until_fs))
    steps = {
        tuple(np.round(path.step_fs * fit_lags(path.n_lags(until_fs), _window(context)), 6))
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
    return Path(without_drift(x, masses_of(frames.species)), frames.species, frames.timestep_fs)


def _too_few(whose: str, frames: int) -> Fact:
    return Fact("too-few-frames", {"whose": whose, "frames": frames, "needed": MIN_FRAMES})


def _window(context: Context) -> tuple[float, float]:
    return context.options.fit_window


def _motions(context: Context, paths: Sequence[Path]) -> Mapping[str, Motions]:
    until_fs, n_blocks = min(path.length_fs for path in paths), context.options.n_blocks

    def motions(part: str) -> Motions:
        own, *theirs = (
            Motion.of(path.of(part), until_fs, n_blocks, _window(context)) for path in paths
        )
        return Motions(tuple(theirs), own, _halves(paths[0].of(part), until_fs, _window(context)))

    return {part: motions(part) for part in (TOTAL, *sorted(set(context.reference.species)))}


def _halves(
    path: Path, until_fs: float, window: tuple[float, float]
) -> tuple[Motion, Motion] | None:
    half = len(path.x) // 2
    short = min(until_fs, (half - 1) * path.step_fs)
    if path.n_lags(short) < MIN_FRAMES:
        return None
    first, second = (path.cut(which) for which in (slice(0, half), slice(half, None)))
    return Motion.of(first, short, 1, window), Motion.of(second, short, 1, window)


def _sample(
    context: Context, kind: str, part: str, motions: Motions, series: tuple[Series, ...]
) -> Sample:
    own, theirs, first = motions.reference, motions.rollouts, motions.rollouts[0]

    def error(sums: Sums, reference: Sums | None) -> float:
        if reference is None:
            return float("nan")
        return difference(first.diffusivity(kind, sums), own.diffusivity(kind, reference))

    floor = None
    if motions.halves is not None:
        values = [one.diffusivity(kind, one.blocks(kind).sum(axis=0)) for one in motions.halves]
        floor = difference(values[1], values[0])
    n_frames = sum(one.n_frames for one in theirs)
    lags = {"first_fs": float(first.time_fs[0]), "last_fs": float(first.time_fs[-1])}
    return Sample(
        TRANSPORT,
        part,
        rollouts=[one.blocks(kind) for one in theirs],
        reference=own.blocks(kind),
        value=error,
        floor=floor,
        counts=Counts(
            frames=n_frames,
            frames_reference=own.n_frames,
            starts=len(theirs),
            failed=sum(map(len, context.kept)) - n_frames,
        ),
        window=Fact("lags", lags) if kind == MSD else Fact("first-to-last"),
        facts=(
            *_facts("rollouts", theirs, kind, context.options),
            *_facts("reference", [own], kind, context.options),
        ),
        draws_reference=kind == MSD,
        series=series,
    )


def _facts(whose: str, motions: Sequence[Motion], kind: str, options: Options) -> Iterator[Fact]:
    """D with its interval, and whether atoms diffuse at all in the window of the fit."""
    blocks = [one.blocks(kind) for one in motions]
    joined, first = np.concatenate(blocks), motions[0]
    interval = bootstrap_interval(
        lambda weights: first.diffusivity(kind, weights @ joined),
        [resampling_units([len(one) for one in blocks])],
        n_resamples=options.n_resamples,
        confidence=options.confidence,
        seed=options.seed,
    )
    low, high = interval or (None, None)
    value = first.diffusivity(kind, joined.sum(axis=0))
    yield Fact("diffusivity", {"whose": whose, "value": value, "low": low, "high": high})
    if kind == MSD:
        power = first.exponent(joined.sum(axis=0))
        if not abs(power - 1) < EXPONENT_TOLERANCE:
            known = power if np.isfinite(power) else None
            yield Fact("not-diffusive", {"whose": whose, "exponent": known})


def _series(paths: Sequence[Path], mode: str) -> tuple[Series, ...]:
    return tuple(
        Series(MSD, mode, TRANSPORT, number, path.step_fs, mean_squared_displacement(path.x))
        for number, path in enumerate(paths)
    )
