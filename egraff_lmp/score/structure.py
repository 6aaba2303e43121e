"""Structure of rollouts against the reference: every structure row of the table of metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.score.bootstrap import bootstrap_interval, resampling_units
from egraff_lmp.score.distances import needs_images
from egraff_lmp.score.options import Options
from egraff_lmp.score.rdf import (
    BIN_WIDTH,
    RDF,
    TOTAL,
    PairHistogram,
    bins_within,
    default_r_max,
    merge,
    pair_histogram,
    paper_r_max,
)
from egraff_lmp.score.records import STRUCTURE, Score
from egraff_lmp.score.stability import WINDOW_FS
from egraff_lmp.score.table import (
    BULK,
    MOLECULE,
    STRUCTURE_INPUTS,
    Metric,
    metrics_for,
    modes_of,
)

NO_VOLUME = "not available: the reference states no cell, and the value scales with its volume"
NO_FRAMES = "not available: no frame of the rollouts is finite"


def samples(
    reference: Frames, trajectories: Sequence[Frames], options: Options
) -> dict[str, Sample]:
    """Pair distances of reference and rollouts, counted once for all modes: mode to sample.

    Args:
        reference: at least one finite frame.
        trajectories: the rollouts, of the reference's composition and periodicity.
        options: see `Options`; `skip` frames of the rollouts are left out.
    """
    kept = [frames.select(slice(options.skip, None)) for frames in trajectories]
    ranges = {
        "egraff": (
            default_r_max([reference, *kept]) if options.r_max is None else options.r_max,
            options.bin_width,
            False,
        ),
        "paper": (paper_r_max(reference), BIN_WIDTH, True),
    }
    modes = modes_of(options.mode)
    counted = [
        _histograms(frames, {mode: ranges[mode] for mode in modes}, options)
        for frames in (reference, *kept)
    ]
    if not next(iter(counted[0].values())).n_frames.sum():
        raise EgraffError(
            f"{reference.source}: expected frames with finite positions, got none: check the file."
        )
    volume = float(abs(np.linalg.det(reference.cell[0])))
    return {
        mode: Sample(mode, options, volume, counted[0][mode], [one[mode] for one in counted[1:]])
        for mode in modes
    }


def n_windows(frames: Frames) -> int:
    """Windows of tau (1 ps) in a trajectory; 1 where it is shorter or states no time."""
    if frames.timestep_fs is None:
        return 1
    return max(1, int(len(frames) * frames.timestep_fs / WINDOW_FS + 1e-6))


def _histograms(
    frames: Frames, ranges: Mapping[str, tuple[float, float, bool]], options: Options
) -> dict[str, PairHistogram]:
    """Histograms by mode in fine blocks: whole parts of windows, at least `n_blocks` of them."""
    windows = n_windows(frames)
    n_blocks = windows * -(-options.n_blocks // windows)
    bins = {mode: bins_within(frames, *asked) for mode, asked in ranges.items()}
    widths = {width for _, width, _ in ranges.values()}
    width, most = min(widths), max(bins.values())
    if len(widths) == 1 and not needs_images(frames, most * width, True):
        whole = pair_histogram(frames, most * width, width, n_blocks=n_blocks, all_images=True)
        return {mode: whole.shortened(number) for mode, number in bins.items()}
    return {
        mode: pair_histogram(frames, r_max, width, n_blocks=n_blocks, all_images=images)
        for mode, (r_max, width, images) in ranges.items()
    }


def structure_scores(
    counted: Mapping[str, Sample],
) -> tuple[list[Score], dict[str, RDF]]:
    """All structure values of `samples`, and the curves they come from."""
    scores: list[Score] = []
    curves: dict[str, RDF] = {}
    for mode, sample in counted.items():
        curves.update(sample.curves())
        system = BULK if sample.reference.periodic else MOLECULE
        for metric in metrics_for(mode, STRUCTURE_INPUTS, system):
            pairs = (TOTAL, *sample.reference.names) if metric.partials else (TOTAL,)
            scores += [sample.score(metric, pair) for pair in pairs]
    return scores, curves


class Sample:
    """Histograms of reference and rollouts in one mode.

    Attributes:
        mode: "egraff" or "paper".
        volume: of the reference's cell in A^3, 0 if it has none.
        reference: in `n_blocks` blocks.
        rollouts: the same of each rollout.
        merged: all rollouts.
        fine_reference, fine_rollouts: in finer blocks, see `n_windows`.
    """

    def __init__(
        self,
        mode: str,
        options: Options,
        volume: float,
        reference: PairHistogram,
        rollouts: Sequence[PairHistogram],
    ) -> None:
        self.mode, self.options, self.volume = mode, options, volume
        self.fine_reference, self.fine_rollouts = reference, rollouts
        self.reference = reference.coarsened(options.n_blocks)
        self.rollouts = [rollout.coarsened(options.n_blocks) for rollout in rollouts]
        self.merged = merge(self.rollouts)

    def curves(self) -> dict[str, RDF]:
        """The curves to plot."""
        named = {"reference": self.reference, "trajectory": self.merged}
        if self.mode == "paper":
            return {f"paper {name}": h.paper_rdf(self.volume) for name, h in named.items()}
        return {f"egraff {name}": h.rdf() for name, h in named.items()}

    def score(self, metric: Metric, pair: str) -> Score:
        """Value, interval and floor of one metric for one pair."""
        first, second = self.reference.halves()
        note = "" if self.reference.periodic or self.mode == "paper" else "on h(r), not g(r)"
        value = self._value(metric, pair, self.merged, self.reference)
        if metric.key == "jsd_raw" and not self.volume:
            value, note = None, NO_VOLUME
        elif not self.merged.n_frames.sum():
            value, note = None, NO_FRAMES
        elif value is None:
            note = f"not available: no {pair} distances below r_max in reference or rollouts"
        blocks = [len(rollout.n_frames) for rollout in self.rollouts]
        available = value is not None
        return Score(
            key=metric.key,
            mode=self.mode,
            comparison=STRUCTURE,
            pair=pair,
            value=value,
            unit=metric.unit,
            interval=self._interval(metric, pair, blocks) if available else None,
            resampled=resampled_over(blocks),
            floor=self._value(metric, pair, second, first) if available else None,
            n_frames_reference=int(self.reference.n_frames.sum()),
            n_frames=int(self.merged.n_frames.sum()),
            n_starts=len(self.rollouts),
            per_start=tuple(
                _number(self._value(metric, pair, rollout, self.reference))
                for rollout in self.rollouts
            ),
            n_zero=0,
            n_failed=self.merged.n_failed,
            window=(
                f"rollout frames from {self.options.skip} on, r < {self.reference.r_max:.4g} A in "
                f"bins of {self.reference.bin_width:g} A"
            ),
            note=note,
        )

    def _interval(self, metric: Metric, pair: str, blocks: list[int]) -> tuple[float, float] | None:
        rollouts, reference = self._blocks(metric, pair, self.merged, self.reference)
        frames, frames_reference = self.merged.n_frames, self.reference.n_frames

        def statistic(w: NDArray[np.float64], v: NDArray[np.float64]) -> float:
            if not (w @ frames and v @ frames_reference):
                return float("nan")
            curve = (w @ rollouts) / (w @ frames)
            return self._apply(metric, curve, (v @ reference) / (v @ frames_reference))

        return bootstrap_interval(
            statistic,
            [resampling_units(blocks), resampling_units([len(frames_reference)])],
            bounds=metric.bounds,
            n_resamples=self.options.n_resamples,
            confidence=self.options.confidence,
            seed=self.options.seed,
        )

    def _value(
        self, metric: Metric, pair: str, histogram: PairHistogram, reference: PairHistogram
    ) -> float | None:
        frames, frames_reference = histogram.n_frames.sum(), reference.n_frames.sum()
        if not (frames and frames_reference):
            return None
        curve, curve_reference = (
            blocks.sum(axis=0) for blocks in self._blocks(metric, pair, histogram, reference)
        )
        value = self._apply(metric, curve / frames, curve_reference / frames_reference)
        return value if np.isfinite(value) else None

    def _apply(
        self, metric: Metric, curve: NDArray[np.float64], reference: NDArray[np.float64]
    ) -> float:
        extra = (self.reference.bin_width,) if metric.integral else ()
        return float(metric.function(curve, reference, *extra))

    def _blocks(
        self, metric: Metric, pair: str, histogram: PairHistogram, reference: PairHistogram
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return (
            histogram.curve_blocks(metric.input, pair, self.volume),
            reference.curve_blocks(metric.input, pair, self.volume),
        )


def resampled_over(blocks: Sequence[int]) -> str:
    """What `resampling_units` draws, in words."""
    units = resampling_units(blocks)
    n_units = int(units.max()) + 1 if units.size else 0
    what = "blocks of frames" if n_units == sum(blocks) and len(blocks) != n_units else "starts"
    return f"{n_units} {what}"


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
