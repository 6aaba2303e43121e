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
from egraff_lmp.score.arrays import Floats, Ints
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
from egraff_lmp.score.records import TOTAL, TRANSPORT, Fact, Series
from egraff_lmp.score.sums import absent, counts_of, mean, rows
from egraff_lmp.score.traces import present, reasons
from egraff_lmp.score.unwrap import followed, masses_of, without_drift

MSD = "msd"
NO_LAGS: Ints = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Path:
    """The way of the atoms of one trajectory, and how its diffusivity is computed.

    Attributes:
        x: (T, N, 3) in A, unwrapped, without drift.
        species: (N,) element of each atom.
        step_fs: time between frames.
        lags: (L,) in frames, of the fit; none for eq. 4 of Fu et al.
    """

    x: Floats
    species: NDArray[np.str_]
    step_fs: float
    lags: Ints

    @property
    def length_fs(self) -> float:
        """Time from the first frame to the last."""
        return (len(self.x) - 1) * self.step_fs

    @property
    def lags_fs(self) -> Floats:
        """(L,) lags in fs."""
        return self.step_fs * self.lags.astype(np.float64)

    def frames_within(self, until_fs: float) -> int:
        """Frames within a time."""
        return round(until_fs / self.step_fs) + 1

    def fitted(self, until_fs: float, window: tuple[float, float]) -> Path:
        """With the lags of a fit within a window of the time `until_fs`.

        The same window in fs for all trajectories, so that curves that still bend are bent alike.
        """
        return replace(self, lags=fit_lags(self.frames_within(until_fs), window))

    def blocks(self, n_blocks: int = 1) -> Sums:
        """What D is computed from: its sums over blocks of time origins, (K, 2 L).

        Squared displacements in A^2 at the lags and the number of origins, see
        `msd.squared_displacements`; D of eq. 4 in A^2/ps and 1, (1, 2).
        """
        if not self.lags.size:
            return rows([diffusivity_eq4(self.x, self.step_fs)])[0]
        return np.hstack(squared_displacements(self.x, self.lags, n_blocks))

    def diffusivity(self, sums: Sums) -> float:
        """D in A^2/ps of what blocks add up to."""
        if not self.lags.size:
            return mean(sums)
        found, numbers = np.split(sums, 2)
        return diffusivity(found / numbers, self.lags_fs) if numbers.all() else float("nan")


def diffusivity_errors(kind: str) -> Samples:
    """Samples of |D - D_ref|, in total and by element.

    D is that of the fit ("msd", with the MSD of every rollout over the lag as a series) or by eq. 4
    of Fu et al. ("displacement").
    """

    def samples(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
        paths = _paths(context)
        if isinstance(paths, Fact):
            yield absent(context, TRANSPORT, [paths], TOTAL)
            return
        if kind != MSD:
            paths = [replace(path, lags=NO_LAGS) for path in paths]
        series = tuple(
            Series(MSD, mode, TRANSPORT, number, path.step_fs, mean_squared_displacement(path.x))
            for number, path in enumerate(paths[1:])
            if kind == MSD
        )
        yield replace(_sample(context, TOTAL, paths), series=series)
        for part in sorted(set(context.reference.species)):
            chosen = [replace(path, x=path.x[:, path.species == part]) for path in paths]
            yield _sample(context, part, chosen)

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
        if path.frames_within(until_fs) < MIN_FRAMES:
            return _too_few(whose, path.frames_within(until_fs))
    paths = [path.fitted(until_fs, context.options.fit_window) for path in paths]
    lags = {tuple(np.round(path.lags_fs, 6)) for path in paths[1:]}
    return paths if len(lags) == 1 else Fact("different-strides")


def _path(frames: Frames, whose: str) -> Path | Fact:
    if not frames.timestep_fs:
        return Fact("no-time-of", {"whose": whose})
    x = followed(frames, whose)
    if isinstance(x, Fact):
        return x
    if len(x) < MIN_FRAMES:
        return _too_few(whose, len(x))
    x = without_drift(x, masses_of(frames.species))
    return Path(x, np.array(frames.species), frames.timestep_fs, NO_LAGS)


def _too_few(whose: str, frames: int) -> Fact:
    return Fact("too-few-frames", {"whose": whose, "frames": frames, "needed": MIN_FRAMES})


def _sample(context: Context, part: str, paths: Sequence[Path]) -> Sample:
    options, reference, first = context.options, paths[0], paths[1]
    own, *theirs = (path.blocks(options.n_blocks) for path in paths)
    window, fitted = Fact("first-to-last"), bool(first.lags.size)
    if fitted:
        low, high = first.lags_fs[[0, -1]].tolist()
        window = Fact("lags", {"first_fs": low, "last_fs": high})

    def facts(whose: str, path: Path, blocks: Sequence[Sums]) -> Iterator[Fact]:
        sample = Sample(TRANSPORT, rollouts=blocks, value=lambda sums, own: path.diffusivity(sums))
        low, high = interval(sample, options) or (None, None)
        total = np.concatenate(blocks).sum(axis=0)
        value = path.diffusivity(total)
        yield Fact("diffusivity", {"whose": whose, "value": value, "low": low, "high": high})
        if fitted:
            found, numbers = np.split(total, 2)
            power = exponent(found / numbers, path.lags_fs)
            if not abs(power - 1) < EXPONENT_TOLERANCE:
                known = power if np.isfinite(power) else None
                yield Fact("not-diffusive", {"whose": whose, "exponent": known})

    return Sample(
        TRANSPORT,
        part,
        rollouts=theirs,
        reference=own,
        value=lambda sums, own: abs(first.diffusivity(sums) - reference.diffusivity(own)),
        floor=_floor(reference, min(path.length_fs for path in paths), options.fit_window),
        counts=counts_of(context, sum(len(path.x) for path in paths[1:]), len(reference.x)),
        window=window,
        facts=(*facts("rollouts", first, theirs), *facts("reference", reference, [own])),
        draws_reference=fitted,
    )


def _floor(path: Path, until_fs: float, window: tuple[float, float]) -> float | None:
    """Of the halves of the reference, which may have too few frames."""
    half = len(path.x) // 2
    until_fs = min(until_fs, (half - 1) * path.step_fs)
    if path.frames_within(until_fs) < MIN_FRAMES:
        return None
    whole = path.fitted(until_fs, window) if path.lags.size else path
    halves = [replace(whole, x=x).blocks() for x in (path.x[:half], path.x[half:])]
    first, second = (whole.diffusivity(blocks.sum(axis=0)) for blocks in halves)
    return abs(second - first)
