"""Stability of rollouts: how long they stay physical.

`egraff` form: bonds of molecules or g(r) of bulk in sliding windows, values that are not finite,
temperature out of bounds; a bond that the reference itself breaks (the enol proton of acetylacetone
hops) is not watched. `paper` form: the criterion of Fu et al. alone, on their normalisation of
g(r). A run that was ended by its engine (lost atoms) ends there in both. A rollout that reaches its
end is counted with its length, a lower bound, and their number is stated. Short windows of few
atoms are noisy; how far the reference's own windows are from its mean is stated as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from egraff_lmp.data.frames import Frames
from egraff_lmp.score.arrays import Floats
from egraff_lmp.score.bonds import WatchedBonds, bond_lengths, watched_bonds
from egraff_lmp.score.distances import finite_frames
from egraff_lmp.score.metric import Context, Metric, Sample, once
from egraff_lmp.score.options import EGRAFF, PAPER, Options
from egraff_lmp.score.pair_counts import (
    Distances,
    distances,
    is_shorter_than_window,
    sliding_windows,
)
from egraff_lmp.score.rdf import PairHistogram
from egraff_lmp.score.records import STABILITY, TOTAL, Counts, Fact, Lifetime, RunEnd
from egraff_lmp.score.rollout import Rollout
from egraff_lmp.score.stability import (
    BOND_THRESHOLD_A,
    WINDOW_FS,
    broken_bond,
    first_end,
    not_finite,
    rdf_departure,
    rdf_threshold,
    temperature_out_of_bounds,
)
from egraff_lmp.score.sums import absent, frames_window, mean, rows


@dataclass(frozen=True)
class Criteria:
    """What a rollout must keep to.

    Attributes:
        mode: "egraff" or "paper".
        reference: the frames that set them.
        equilibrium: pair distances of these.
    """

    mode: str
    reference: Frames
    equilibrium: PairHistogram

    @cached_property
    def bonds(self) -> WatchedBonds | None:
        """Those of a molecule that are watched, or None in bulk."""
        return None if self.equilibrium.periodic else watched_bonds(self.reference, self.mode)

    def finite_end(self, frames: Frames) -> RunEnd | None:
        """The first frame that is not finite, which `paper` does not ask for."""
        if self.mode != EGRAFF:
            return None
        return not_finite(frames.positions, frames.forces, _told_energies(frames))

    def structural_end(self, frames: Frames, fine: PairHistogram) -> RunEnd | None:
        """Where bonds or g(r) leave their limits; `fine` are the pair distances of the frames."""
        if self.bonds is not None:
            lengths = bond_lengths(frames.positions, self.bonds.pairs)
            return broken_bond(lengths, self.bonds.equilibrium, self.bonds.names)
        windows = sliding_windows(frames, fine)
        # Windows are of finite frames; what is not finite has its own criterion.
        finite = np.flatnonzero(finite_frames(frames))
        if not finite.size:
            return RunEnd(0, Fact("no-finite-frame"))
        starts = np.cumsum(fine.n_frames) - fine.n_frames  # a window begins with each block
        return rdf_departure(
            self.window_errors(windows),
            finite[np.minimum(starts[: len(windows.n_frames)], finite.size - 1)],
            rdf_threshold(self.reference.species)[0],
        )

    def window_errors(self, windows: PairHistogram) -> Floats:
        """Integral of |g - g_ref| of each window in A, (W,); of the worst partial in water."""
        own, partials = self.equilibrium, rdf_threshold(self.reference.species)[1]
        # The partial g of Fu et al. is normalised by the numbers of pairs, as ours.
        kind = "paper_rdf" if self.mode == PAPER and not partials else "rdf"
        frames = np.maximum(1, windows.n_frames)[:, None]
        errors = [
            np.abs(
                windows.curve_blocks(kind, pair) / frames
                - own.curve_blocks(kind, pair).sum(axis=0) / own.n_frames.sum()
            ).sum(axis=1)
            for pair in (windows.names if partials else (TOTAL,))
        ]
        return np.asarray(np.max(errors, axis=0) * windows.bin_width)


def lifetimes(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """How long the rollouts stayed within the criteria of stability."""
    if not context.rollouts:
        yield absent(context, STABILITY, [Fact("no-rollouts")])
        return
    found, lives = distances(context)[mode], lifetimes_of(context, mode)
    counts = Counts(
        frames=sum(map(len, context.kept)),
        frames_reference=int(found.reference.n_frames.sum()),
        starts=len(context.kept),
        failed=sum(one.n_failed for one in found.rollouts),
    )
    if not lives:
        why = Fact("no-time-of", {"whose": "rollout"})
        yield Sample(STABILITY, counts=counts, absence=why)
        return
    first = context.kept[0]
    yield Sample(
        STABILITY,
        rollouts=rows(life.time_fs for life in lives),
        value=mean,
        floor=_floor(mode, context.reference, found),
        counts=counts,
        window=frames_window(len(first), first.timestep_fs, len(context.kept)),
        facts=tuple(_facts(context, Criteria(mode, context.reference, found.reference), found)),
        lifetimes=lives,
        draws_starts=True,
    )


@once
def lifetimes_of(context: Context, mode: str) -> tuple[Lifetime, ...]:
    """Of each rollout that is scored; () where one of them states no time."""
    if not all(frames.timestep_fs for frames in context.kept):
        return ()
    trajectories = zip(context.rollouts, context.kept, _observed_ends(context, mode), strict=True)
    return tuple(
        # Structure last, as what is named before it may be why it was left.
        _lifetime(frames, (*told, _engine_end(context.options, one), last), context.options.skip)
        for one, frames, (*told, last) in trajectories
    )


@once
def stable_frames(context: Context, mode: str) -> tuple[int, ...]:
    """How many frames of each rollout (those skipped left out) lie before its loss of stability.

    By the criteria that frames are tested by. A rollout without a full window of tau is not tested
    by eq. 8 here, nor is any where a rollout states no time: all of its frames count. What its
    engine stopped at comes behind the last frame.
    """
    ends = _observed_ends(context, mode)
    kept = []
    for frames, found in zip(context.kept, ends, strict=True):
        no_window = is_shorter_than_window(frames)
        end = first_end(
            one for one in found if one and not (no_window and one.cause.code == "rdf-departure")
        )
        kept.append(len(frames) if end is None else min(len(frames), end.frame))
    return tuple(kept)


@once
def _observed_ends(context: Context, mode: str) -> tuple[tuple[RunEnd | None, ...], ...]:
    """Where each rollout first violates each criterion that its frames are tested by."""
    found = distances(context)[mode]
    criteria = Criteria(mode, context.reference, found.reference)
    trajectories = zip(context.rollouts, context.kept, found.fine_rollouts, strict=True)
    return tuple(
        (
            criteria.finite_end(frames),
            _temperature_end(context.options, one, mode),
            criteria.structural_end(frames, fine),
        )
        for one, frames, fine in trajectories
    )


def _temperature_end(options: Options, rollout: Rollout, mode: str) -> RunEnd | None:
    """Where the temperature leaves its bounds; frames counted after those that are skipped."""
    target, kelvin = options.temperature_kelvin, rollout.temperature_kelvin
    if mode != EGRAFF or target is None or kelvin is None:
        return None
    return temperature_out_of_bounds(kelvin[options.skip :], target, options.temperature_bounds)


def _engine_end(options: Options, rollout: Rollout) -> RunEnd | None:
    """What its engine stopped at; frames counted after those that are skipped."""
    end = rollout.end
    return None if end is None else replace(end, frame=max(0, end.frame - options.skip))


def _lifetime(frames: Frames, ends: Iterable[RunEnd | None], skipped: int = 0) -> Lifetime:
    end = first_end(ends)
    last = len(frames) - 1 if end is None else end.frame
    return Lifetime((skipped + last) * float(frames.timestep_fs or 0.0), end)


def _told_energies(frames: Frames) -> Floats | None:
    """Energies (T,) without the NaN of steps that no thermo row tells of.

    A model whose energy is NaN has forces of NaN too: NaN beside finite forces is a missing row.
    """
    if frames.energy is None or frames.forces is None:
        return frames.energy
    fine = np.isfinite(frames.forces).all(axis=(1, 2))
    return np.where(np.isnan(frames.energy) & fine, 0.0, frames.energy)


def _floor(mode: str, reference: Frames, found: Distances) -> float | None:
    """Stability of the second half of the reference by the criteria from the first one."""
    half = len(reference) // 2
    if not half or not reference.timestep_fs or len(found.fine_reference.n_frames) < 2:
        return None
    first, second = reference.select(slice(0, half)), reference.select(slice(half, None))
    part, rest = found.fine_reference.halves()
    if not (part.n_frames.sum() and finite_frames(first).any()):
        return None
    criteria = Criteria(mode, first, part)
    ends = criteria.finite_end(second), criteria.structural_end(second, rest)
    return _lifetime(second, ends).time_fs


def _facts(context: Context, criteria: Criteria, found: Distances) -> Iterator[Fact]:
    """What the limits were, and what the reference itself keeps of them."""
    own = criteria.equilibrium
    if criteria.bonds is None:
        threshold, partials = rdf_threshold(criteria.reference.species)
        which = {"allowed": threshold, "fs": WINDOW_FS, "r_max": own.r_max}
        yield Fact("partials-of-windows" if partials else "total-of-windows", which)
    else:
        yield Fact("bonds-within", {"allowed": BOND_THRESHOLD_A})
    if criteria.mode == EGRAFF:
        yield _temperature_fact(context)
    if criteria.bonds is not None:
        for bond in criteria.bonds.unwatched:
            yield Fact("bond-not-watched", {"bond": bond})
        return
    windows = sliding_windows(context.reference, found.fine_reference)
    if len(windows.n_frames) < 2:  # too short for windows: blocks of it
        windows = own
    error = float(criteria.window_errors(windows).max())
    yield Fact("noise-of-windows", {"frames": int(windows.n_frames.max()), "error": error})


def _temperature_fact(context: Context) -> Fact:
    target = context.options.temperature_kelvin
    if target is None:
        return Fact("temperature-without-target")
    told = sum(one.temperature_kelvin is not None for one in context.rollouts)
    if not told:
        return Fact("temperature-not-told")
    low, high = (bound * target for bound in context.options.temperature_bounds)
    rollouts = {"rollouts": told, "of": len(context.rollouts)}
    return Fact("temperature-within", {"low": low, "high": high, **rollouts})
