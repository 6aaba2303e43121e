"""Errors of energies and forces on reference frames that the model was re-evaluated on.

    MAE = mean |x|,    RMSE = sqrt(mean x^2),    x = (E^ - E)/N of a frame, or F^ - F of a component

E^ and F^ are the model's, N is the number of atoms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from egraff_lmp.score.arrays import Floats
from egraff_lmp.score.metric import Context, Metric, Sample, Samples, Sums, Value
from egraff_lmp.score.records import RERUN_REFERENCE, Counts, Fact
from egraff_lmp.score.sums import absent, block_sums, finite_terms, frames_window, mean

MEV = 1000.0

# Of errors and true values (T,) or (T, N, 3) to a term for each frame, (T,).
Terms = Callable[[Floats, Floats], Floats]
Kind = tuple[Terms, Value]


def _root_mean(sums: Sums, own: Sums | None = None) -> float:
    return float(np.sqrt(mean(sums)))


def _mean_of_frame(values: Floats) -> Floats:
    return values.reshape(len(values), -1).mean(axis=1)


# What is averaged over the components of a frame, and what becomes of the mean over frames.
mean_absolute: Kind = (lambda error, truth: _mean_of_frame(np.abs(error)), mean)
root_mean_square: Kind = (lambda error, truth: _mean_of_frame(error**2), _root_mean)
root_mean_square_of_reference: Kind = (lambda error, truth: _mean_of_frame(truth**2), _root_mean)


def errors(what: str, kind: Kind, per_atom: bool = False) -> Samples:
    """Samples of an error of "energies" in meV, of all atoms or per atom, or "forces" in meV/A."""
    terms, value = kind

    def samples(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
        rerun = context.reruns.get(RERUN_REFERENCE)
        if rerun is None:
            yield absent(context, RERUN_REFERENCE, [Fact("no-rerun-reference")])
            return
        truth, model = (
            frames.forces if what == "forces" else frames.energy
            for frames in (rerun.truth, rerun.model)
        )
        if truth is None or model is None:
            whose = "ground truth" if truth is None else "model"
            lacking = Fact("no-labels", {"whose": whose, "what": what})
            yield absent(context, RERUN_REFERENCE, [lacking])
            return
        scale = MEV / rerun.truth.n_atoms if per_atom else MEV
        of_frames = terms(scale * (model - truth), scale * truth)
        failed = int((~np.isfinite(of_frames)).sum())
        frames = len(of_frames) - failed
        yield Sample(
            RERUN_REFERENCE,
            rollouts=[block_sums(finite_terms(of_frames), context.options.n_blocks)],
            value=value,
            counts=Counts(frames=frames, frames_reference=frames, failed=failed),
            window=frames_window(len(of_frames), rerun.truth.timestep_fs, 1),
            undefined=Fact("no-finite-values"),
            facts=rerun.facts,
        )

    return samples
