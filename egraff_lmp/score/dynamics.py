"""Energies and forces along a trajectory: every EV and FV row of the table of metrics.

Three comparisons, never mixed:

trajectory       rollout at time t against reference at time t, as in the paper. After the two have
                 decorrelated it says nothing about the model: FV is 0.7071 then.
rerun-reference  the model re-evaluated (LAMMPS `rerun`) on the reference frames.
rerun-oracle     the reference potential, or where it cannot be evaluated a committee of other force
                 fields, re-evaluated (LAMMPS `rerun`) on the rollout's own frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.score.align import Pairing, pair_in_time, pair_reruns
from egraff_lmp.score.bootstrap import bootstrap_interval, resampling_units
from egraff_lmp.score.options import Options
from egraff_lmp.score.records import RERUN_ORACLE, RERUN_REFERENCE, TRAJECTORY, Score, Series
from egraff_lmp.score.structure import resampled_over
from egraff_lmp.score.table import VIOLATION_INPUTS, Metric, metrics_for, modes_of
from egraff_lmp.score.violation import geometric_mean, relative_energies, without_information

ABSENT = {
    RERUN_REFERENCE: (
        "not available: the model was not re-evaluated on the reference frames (LAMMPS rerun)"
    ),
    RERUN_ORACLE: (
        "not available: no reference potential was re-evaluated on the rollout's frames; where "
        "the ground truth is DFT there is none, and a committee may take its place"
    ),
}


def dynamics_scores(
    reference: Frames,
    trajectories: Sequence[Frames],
    reruns: Mapping[str, tuple[Frames, Frames]],
    options: Options,
) -> tuple[list[Score], list[Series]]:
    """EV and FV of all three comparisons, and their series.

    Args:
        reference: the ground truth.
        trajectories: the rollouts.
        reruns: "rerun-reference" or "rerun-oracle" to (truth, model) on the same frames.
        options: see `Options`.

    Raises:
        EgraffError: a key of `reruns` that is no comparison, or frames that are not the same.
    """
    for name in reruns:
        if name not in ABSENT:
            raise EgraffError(f"expected reruns named {' or '.join(ABSENT)}, got '{name}'.")
    pairings = {
        TRAJECTORY: [
            pair_in_time(reference, frames, options.start_of(number), options.skip)
            for number, frames in enumerate(trajectories)
        ]
    }
    for name, reason in ABSENT.items():
        pairings[name] = (
            [pair_reruns(*reruns[name], name)] if name in reruns else [Pairing(None, None, reason)]
        )
    scores, series = [], []
    for comparison, paired in pairings.items():
        for mode in modes_of(options.mode):
            for metric in metrics_for(mode, VIOLATION_INPUTS):
                sample = _Sample(reference, paired, metric, mode, comparison, options)
                scores.append(sample.score())
                series += sample.series
    return scores, series


@dataclass(frozen=True)
class _Sample:
    """One metric in one mode on one comparison."""

    reference: Frames
    paired: Sequence[Pairing]
    metric: Metric
    mode: str
    comparison: str
    options: Options

    @cached_property
    def series(self) -> list[Series]:
        """The metric frame by frame, for each rollout or rerun."""
        found = []
        for start, pairing in enumerate(self.paired):
            if pairing.truth is None or pairing.model is None or self._missing(pairing):
                continue
            truth, model = self._input(pairing.truth), self._input(pairing.model)
            if truth is not None and model is not None:
                values = np.asarray(self.metric.function(truth, model))
                step = pairing.truth.timestep_fs
                found.append(
                    Series(self.metric.key, self.mode, self.comparison, start, step, values)
                )
        return found

    def score(self) -> Score:
        """Geometric mean over all frames of all rollouts, with interval and floor."""
        series = [entry.values for entry in self.series]
        mean = geometric_mean(np.concatenate(series) if series else np.empty(0))
        blocks = [min(self.options.n_blocks, len(values)) for values in series]
        value = mean.value if np.isfinite(mean.value) else None
        of_rollouts = self.comparison == TRAJECTORY
        return Score(
            key=self.metric.key,
            mode=self.mode,
            comparison=self.comparison,
            pair="",
            value=value,
            unit=self.metric.unit,
            interval=self._interval(series, blocks),
            resampled=resampled_over(blocks) if blocks else "",
            floor=self._floor() if value is not None else None,
            n_frames_reference=sum(len(values) for values in series),
            n_frames=sum(len(values) for values in series),
            n_starts=len(self.paired) if of_rollouts else None,
            per_start=tuple(geometric_mean(values).value for values in series),
            n_zero=mean.n_zero,
            n_failed=mean.n_failed,
            window=self._window() if series else "",
            note=self._note(series, value),
        )

    def _interval(
        self, series: list[NDArray[np.float64]], blocks: list[int]
    ) -> tuple[float, float] | None:
        if not series:
            return None
        logs, numbers = [], []
        for values, n_blocks in zip(series, blocks, strict=True):
            for block in np.array_split(values, n_blocks):
                positive = block[np.isfinite(block) & (block > 0)]
                logs.append(float(np.log(positive).sum()))
                numbers.append(positive.size)

        def statistic(weights: NDArray[np.float64]) -> float:
            frames = float(weights @ np.array(numbers))
            return float(np.exp(weights @ np.array(logs) / frames)) if frames else float("nan")

        return bootstrap_interval(
            statistic,
            [resampling_units(blocks)],
            bounds=self.metric.bounds,
            n_resamples=self.options.n_resamples,
            confidence=self.options.confidence,
            seed=self.options.seed,
        )

    def _floor(self) -> float | None:
        """The metric between the two halves of the truth, frame by frame."""
        truth = self.reference
        if self.comparison != TRAJECTORY and self.paired[0].truth is not None:
            truth = self.paired[0].truth
        half = len(truth) // 2
        values = self._input(truth)
        if values is None or not half:
            return None
        floor = geometric_mean(self.metric.function(values[:half], values[half : 2 * half])).value
        return floor if np.isfinite(floor) else None

    def _input(self, frames: Frames) -> NDArray[np.float64] | None:
        if self.metric.input == "forces" or frames.energy is None:
            return frames.forces if self.metric.input == "forces" else None
        if self.metric.input == "total_energy":
            return frames.energy
        return relative_energies(frames.energy, self._mean_energy(), frames.n_atoms)

    def _mean_energy(self) -> float:
        """Mean energy in eV of the reference, or of the truth where it has none."""
        for frames in (self.reference, *(pairing.truth for pairing in self.paired)):
            if frames is not None and frames.energy is not None:
                finite = frames.energy[np.isfinite(frames.energy)]
                if finite.size:
                    return float(np.mean(finite))
        return 0.0

    def _missing(self, pairing: Pairing) -> str:
        """Which side lacks what the metric needs, "" if none does."""
        what = "forces" if self.metric.input == "forces" else "energy"
        for frames in (pairing.truth, pairing.model):
            if frames is not None and getattr(frames, what) is None:
                plural = "forces" if what == "forces" else "energies"
                return f"not available: {frames.source} holds no {plural}"
        return ""

    def _window(self) -> str:
        frames = next(p.truth for p in self.paired if p.truth is not None)
        length = f"{len(frames)} frames"
        if frames.timestep_fs:
            length += f" over {(len(frames) - 1) * frames.timestep_fs:g} fs"
        return length if len(self.paired) == 1 else f"{length} (first rollout)"

    def _note(self, series: list[NDArray[np.float64]], value: float | None) -> str:
        reasons = [self._missing(pairing) or pairing.note for pairing in self.paired]
        distinct = list(dict.fromkeys(filter(None, reasons)))
        if self.comparison == TRAJECTORY:
            sentence = without_information(self.metric.label, value, self.metric.uncorrelated)
            distinct += [sentence] if sentence else []
        if self.comparison == RERUN_ORACLE and series and self.options.oracle:
            distinct.append(f"the oracle is {self.options.oracle}")
        if series and value is None:
            distinct.insert(0, "not available: no frame is finite")
        if series and len(series) < len(self.paired):
            distinct.insert(0, f"only {len(series)} of {len(self.paired)} rollouts could be used")
        return "; ".join(distinct)
