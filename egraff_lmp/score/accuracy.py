"""Errors of energies, forces and stresses on reference frames that a model was re-evaluated on.

    MAE = mean |x|,    RMSE = sqrt(mean x^2)

    x = (E^ - E)/N of a frame,  F^ - F of a component,  s^ - s of one of the nine of the stress

E^, F^ and s^ are the model's, N is the number of atoms. Without offset x = (E^ - E)/N - mean of
(E^ - E)/N: frames of a scoring have one composition, and a wrong zero of energies moves no atom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from egraff_lmp.data.frames import Frames
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


def errors(
    what: str, kind: Kind, *, per_atom: bool = False, without_offset: bool = False
) -> Samples:
    """Samples of an error.

    Args:
        what: "energies" in meV, "forces" in meV/A, or the "stress" in meV/A^3.
        kind: one of the three above.
        per_atom: of an energy, in meV/atom.
        without_offset: without the mean error of all finite frames.
    """
    terms, value = kind

    def samples(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
        rerun = context.reruns.get(RERUN_REFERENCE)
        if rerun is None:
            yield absent(context, RERUN_REFERENCE, [Fact("no-rerun-reference")])
            return
        truth, model = (_labels(frames, what) for frames in (rerun.truth, rerun.model))
        if truth is None or model is None:
            whose = "ground truth" if truth is None else "model"
            lacking = Fact("no-labels", {"whose": whose, "what": what})
            yield absent(context, RERUN_REFERENCE, [lacking])
            return
        scale = MEV / rerun.truth.n_atoms if per_atom else MEV
        error = scale * (model - truth)
        if without_offset and np.isfinite(error).any():
            error = error - error[np.isfinite(error)].mean()
        of_frames = terms(error, scale * truth)
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


def _labels(frames: Frames, what: str) -> Floats | None:
    if what == "stress":  # without a volume there is none
        return frames.stress if all(frames.pbc) else None
    return frames.forces if what == "forces" else frames.energy
