"""The ways of atoms through trajectories, which diffusivities and conductivities are made of.

A diffusivity exists where atoms diffuse. A window of lags is accepted as diffusive where the MSD
grows as the lag itself, its exponent being within `EXPONENT_TOLERANCE` of 1, and where the
root-mean-square displacement at the longest lag exceeds `NEIGHBOUR_PART` of the distance between
neighbours: the exponent alone passes 1 as well where a flight ends in a cage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.score.arrays import Floats, Ints
from egraff_lmp.score.diffusivity import (
    EXPONENT_TOLERANCE,
    MIN_FRAMES,
    NEIGHBOUR_PART,
    diffusivity,
    exponent,
    fit_lags,
)
from egraff_lmp.score.metric import Context, Sums, once
from egraff_lmp.score.msd import squared_displacements
from egraff_lmp.score.records import TOTAL, Fact
from egraff_lmp.score.traces import present, reasons
from egraff_lmp.score.unwrap import followed, masses_of, neighbour_distances, without_drift


@dataclass(frozen=True)
class Path:
    """The way of atoms of one trajectory.

    Attributes:
        x: (T, N, 3) in A, unwrapped, without drift.
        species: (N,) element of each atom.
        neighbour_a: (N,) distance of each atom from its nearest neighbour in the first frame, in A;
            infinite for an atom that has none.
        step_fs: time between frames.
        volume_a3: mean volume of the cell in A^3, 0 without one.
        lags: (L,) in frames, of a fit; none where none is made.
    """

    x: Floats
    species: NDArray[np.str_]
    neighbour_a: Floats
    step_fs: float
    volume_a3: float
    lags: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @property
    def length_fs(self) -> float:
        """Time from the first frame to the last."""
        return (len(self.x) - 1) * self.step_fs

    @property
    def lags_fs(self) -> Floats:
        """(L,) lags in fs."""
        return self.step_fs * self.lags.astype(np.float64)

    def of(self, part: str) -> Path:
        """The way of the atoms of one element, or of all."""
        if part == TOTAL:
            return self
        mine = self.species == part
        return replace(
            self, x=self.x[:, mine], species=self.species[mine], neighbour_a=self.neighbour_a[mine]
        )

    def frames_within(self, until_fs: float) -> int:
        """Frames within a time."""
        return round(until_fs / self.step_fs) + 1

    def fitted(self, until_fs: float, window: tuple[float, float]) -> Path:
        """With the lags of a fit within a window of the time `until_fs`."""
        return replace(self, lags=fit_lags(self.frames_within(until_fs), window))

    def blocks(self, n_blocks: int = 1) -> Sums:
        """Sums over blocks of time origins, (K, 2 L).

        Squared displacements in A^2 at the lags and the number of origins, see
        `msd.squared_displacements`.
        """
        return np.hstack(squared_displacements(self.x, self.lags, n_blocks))

    def msd(self, sums: Sums) -> Floats:
        """(L,) in A^2 of what blocks add up to; NaN where a lag has no origin."""
        found, numbers = np.split(sums, 2)
        return found / numbers if numbers.all() else np.full(len(found), np.nan)

    def diffusivity(self, sums: Sums) -> float:
        """D in A^2/ps of what blocks add up to."""
        return diffusivity(self.msd(sums), self.lags_fs)

    def refusal(self, sums: Sums, whose: str, part: str) -> Fact | None:
        """Why the atoms do not diffuse within these lags, or None where they do."""
        msd, lags = self.msd(sums), self.lags_fs
        power, reach = exponent(msd, lags), float(np.sqrt(msd[-1]))
        needed = NEIGHBOUR_PART * float(self.neighbour_a.mean())
        if abs(power - 1) <= EXPONENT_TOLERANCE and reach >= needed:
            return None
        return Fact(
            "does-not-diffuse",
            {
                "whose": whose, "part": part, "exponent": power if np.isfinite(power) else None,
                "reach": reach, "needed": needed, "first_fs": lags[0], "last_fs": lags[-1],
            },
        )  # fmt: skip


@once
def reference_path(context: Context) -> Path | Fact:
    """That of the reference, with the lags of its own fit, or why it cannot be had."""
    if not context.options.time_series:
        return Fact("no-time-series")
    found = _path(context.reference, "reference")
    if isinstance(found, Fact):
        return found
    return found.fitted(found.length_fs, context.options.fit_window)


@once
def rollout_paths(context: Context) -> list[Path] | Fact:
    """Those of the rollouts, with the same lags in fs for all, or why they cannot be had."""
    if not context.rollouts:
        return Fact("no-rollouts")
    every = [_path(frames, f"rollout {k}") for k, frames in enumerate(context.kept, 1)]
    if lacking := reasons(every):
        return lacking[0]
    paths = present(every)
    until_fs = min(path.length_fs for path in paths)
    for number, path in enumerate(paths, 1):
        if path.frames_within(until_fs) < MIN_FRAMES:
            return _too_few(f"rollout {number}", path.frames_within(until_fs))
    paths = [path.fitted(until_fs, context.options.fit_window) for path in paths]
    return paths if len(_distinct_lags(paths)) == 1 else Fact("different-strides")


def _distinct_lags(paths: Sequence[Path]) -> set[tuple[float, ...]]:
    return {tuple(np.round(path.lags_fs, 6)) for path in paths}


def _path(frames: Frames, whose: str) -> Path | Fact:
    if not frames.timestep_fs:
        return Fact("no-time-of", {"whose": whose})
    x = followed(frames, whose)
    if isinstance(x, Fact):
        return x
    if len(x) < MIN_FRAMES:
        return _too_few(whose, len(x))
    volumes = np.abs(np.linalg.det(frames.cell[: len(x)]))
    return Path(
        x=without_drift(x, masses_of(frames.species)),
        species=np.array(frames.species),
        neighbour_a=neighbour_distances(x[0], frames.cell[0], frames.pbc),
        step_fs=frames.timestep_fs,
        volume_a3=float(volumes.mean()) if all(frames.pbc) else 0.0,
    )


def _too_few(whose: str, frames: int) -> Fact:
    return Fact("too-few-frames", {"whose": whose, "frames": frames, "needed": MIN_FRAMES})
