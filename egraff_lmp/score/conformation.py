"""Free energies of the backbone angles of alanine dipeptide, rollouts against the reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.score.bonds import bonds_of
from egraff_lmp.score.bootstrap import bootstrap_interval, resampling_units
from egraff_lmp.score.distances import finite_frames
from egraff_lmp.score.free_energy import N_BINS, angle_counts, backbone, dihedral, surface
from egraff_lmp.score.options import Options
from egraff_lmp.score.records import STRUCTURE, Score
from egraff_lmp.score.structure import resampled_over
from egraff_lmp.score.table import ANGLE_INPUTS, Metric, metrics_for, modes_of, system_of


def conformation_scores(
    reference: Frames, trajectories: Sequence[Frames], options: Options
) -> list[Score]:
    """Errors of F(phi) and F(psi); none where there is no dipeptide backbone.

    Args:
        reference: equilibrium frames of the molecule.
        trajectories: the rollouts, unbiased, atoms in the order of the reference.
        options: see `Options`; without a temperature the scores say so.
    """
    kept = [frames.select(slice(options.skip, None)) for frames in trajectories]
    metrics = [
        (mode, metric)
        for mode in modes_of(options.mode)
        for metric in metrics_for(mode, ANGLE_INPUTS, system_of(reference.pbc))
    ]
    good = np.flatnonzero(finite_frames(reference))
    if not metrics or not good.size:
        return []
    if any(frames.species != reference.species for frames in kept):
        return []
    bonds = bonds_of(reference.species, reference.positions[good[0]])
    chain = backbone(reference.species, bonds)
    if chain is None:
        return []
    return [
        _score(metric, mode, name, atoms, reference, kept, options)
        for mode, metric in metrics
        for name, atoms in zip(("phi", "psi"), chain, strict=True)
    ]


def _score(
    metric: Metric,
    mode: str,
    name: str,
    atoms: tuple[int, ...],
    reference: Frames,
    kept: Sequence[Frames],
    options: Options,
) -> Score:
    own = _blocks(reference, atoms, options.n_blocks)
    theirs = [_blocks(frames, atoms, options.n_blocks) for frames in kept]
    merged = np.concatenate(theirs)
    kelvin = options.temperature_kelvin
    note = ""
    if kelvin is None:
        note = "not available: the temperature of the ensemble is not given (--temperature)"
    elif not (merged.sum() and own.sum()):
        note = "not available: no frame is finite"

    def error(w: NDArray[np.float64], v: NDArray[np.float64]) -> float:
        counts, reference_counts = w @ merged, v @ own
        if kelvin is None or not (counts.any() and reference_counts.any()):
            return float("nan")
        return float(metric.function(surface(counts, kelvin), surface(reference_counts, kelvin)))

    def alone(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        if kelvin is None or not (a.any() and b.any()):
            return float("nan")
        return float(metric.function(surface(a, kelvin), surface(b, kelvin)))

    blocks = [len(one) for one in theirs]
    half = len(own) // 2
    floor = alone(own[half:].sum(axis=0), own[:half].sum(axis=0)) if half else float("nan")
    unseen = int(((merged.sum(axis=0) == 0) & (own.sum(axis=0) > 0)).sum())
    if not note and unseen:
        note = f"{unseen} of {N_BINS} bins that the reference visits were not visited"
    available = not note.startswith("not available")
    return Score(
        key=metric.key,
        mode=mode,
        comparison=STRUCTURE,
        pair=name,
        value=error(np.ones(len(merged)), np.ones(len(own))) if available else None,
        unit=metric.unit,
        interval=bootstrap_interval(
            error,
            [resampling_units(blocks), resampling_units([len(own)])],
            bounds=metric.bounds,
            n_resamples=options.n_resamples,
            confidence=options.confidence,
            seed=options.seed,
        )
        if available
        else None,
        resampled=resampled_over(blocks),
        floor=floor if available and np.isfinite(floor) else None,
        n_frames_reference=int(own.sum()),
        n_frames=int(merged.sum()),
        n_starts=len(kept),
        per_start=tuple(alone(one.sum(axis=0), own.sum(axis=0)) for one in theirs),
        n_zero=0,
        n_failed=sum(len(frames) for frames in kept) - int(merged.sum()),
        window=f"{N_BINS} bins of {360 // N_BINS} degrees, {kelvin or 0:g} K",
        note=note,
    )


def _blocks(frames: Frames, atoms: tuple[int, ...], n_blocks: int) -> NDArray[np.float64]:
    """Histograms of an angle by block of consecutive frames, (K, n_bins)."""
    angles = dihedral(frames.positions[finite_frames(frames)], atoms)
    parts = np.array_split(angles, max(1, min(n_blocks, len(angles))))
    return np.array([angle_counts(part) for part in parts])
