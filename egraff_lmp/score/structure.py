"""Structure of rollouts against the reference: every structure row of the table of metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.score.bootstrap import bootstrap_interval, resampling_units
from egraff_lmp.score.options import Options
from egraff_lmp.score.rdf import (
    BIN_WIDTH,
    RDF,
    TOTAL,
    PairHistogram,
    default_r_max,
    merge,
    pair_histogram,
    paper_r_max,
)
from egraff_lmp.score.records import STRUCTURE, Score
from egraff_lmp.score.table import STRUCTURE_INPUTS, Metric, metrics_for, modes_of

NO_VOLUME = "not available: the reference states no cell, and the value scales with its volume"
NO_FRAMES = "not available: no frame of the rollouts is finite"


def structure_scores(
    reference: Frames, trajectories: Sequence[Frames], options: Options
) -> tuple[list[Score], dict[str, RDF]]:
    """All structure values, and the curves they come from.

    Args:
        reference: at least one finite frame.
        trajectories: the rollouts, of the reference's composition and periodicity.
        options: see `Options`.
    """
    kept = [frames.select(slice(options.skip, None)) for frames in trajectories]
    scores: list[Score] = []
    curves: dict[str, RDF] = {}
    for mode in modes_of(options.mode):
        sample = _Sample(reference, kept, mode, options)
        curves.update(sample.curves())
        for metric in metrics_for(mode, STRUCTURE_INPUTS):
            pairs = (TOTAL, *sample.reference.names) if metric.partials else (TOTAL,)
            scores += [sample.score(metric, pair) for pair in pairs]
    return scores, curves


class _Sample:
    """Histograms of reference and rollouts in one mode."""

    def __init__(
        self, reference: Frames, trajectories: Sequence[Frames], mode: str, options: Options
    ) -> None:
        self.mode, self.options = mode, options
        self.volume = float(abs(np.linalg.det(reference.cell[0]))) if len(reference) else 0.0
        histogram: Callable[[Frames], PairHistogram]
        if mode == "paper":
            histogram = partial(
                pair_histogram, r_max=paper_r_max(reference), bin_width=BIN_WIDTH, all_images=True
            )
        else:
            r_max = options.r_max
            if r_max is None:
                r_max = default_r_max([reference, *trajectories])
            histogram = partial(pair_histogram, r_max=r_max, bin_width=options.bin_width)
        self.reference = histogram(reference, n_blocks=options.n_blocks)  # type: ignore[call-arg]
        if not self.reference.n_frames.sum():
            raise EgraffError(
                f"{reference.source}: expected frames with finite positions, got none: check the "
                "file."
            )
        self.rollouts = [
            histogram(frames, n_blocks=options.n_blocks)  # type: ignore[call-arg]
            for frames in trajectories
        ]
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
            return float(metric.function(curve, (v @ reference) / (v @ frames_reference)))

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
        value = float(metric.function(curve / frames, curve_reference / frames_reference))
        return value if np.isfinite(value) else None

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
