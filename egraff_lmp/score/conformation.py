"""Free energies of the backbone angles of alanine dipeptide, rollouts against the reference."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from egraff_lmp.data.frames import Frames
from egraff_lmp.score.arrays import Floats
from egraff_lmp.score.bonds import bonds_of
from egraff_lmp.score.distances import finite_frames
from egraff_lmp.score.free_energy import (
    N_BINS,
    angle_counts,
    backbone,
    dihedral,
    free_energy_error,
    surface,
)
from egraff_lmp.score.metric import Context, Metric, Sample, Sums
from egraff_lmp.score.records import STRUCTURE, Counts, Fact
from egraff_lmp.score.sums import blocks_of

ANGLES = ("phi", "psi")


def free_energies(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """Errors of F(phi) and F(psi) of unbiased rollouts; none where there is no such backbone."""
    reference, kept = context.reference, context.kept
    good = np.flatnonzero(finite_frames(reference))
    if not good.size or not kept or any(one.species != reference.species for one in kept):
        return
    bonds = bonds_of(reference.species, reference.positions[good[0]])
    chain = backbone(reference.species, bonds)
    if chain is None:
        return
    for name, atoms in zip(ANGLES, chain, strict=True):
        yield _sample(context, name, atoms)


def _sample(context: Context, name: str, atoms: tuple[int, ...]) -> Sample:
    kelvin, n_blocks = context.options.temperature_kelvin, context.options.n_blocks
    own = _blocks(context.reference, atoms, n_blocks)
    theirs = [_blocks(frames, atoms, n_blocks) for frames in context.kept]
    visited, seen = np.concatenate(theirs).sum(axis=0), own.sum(axis=0)
    counts = Counts(
        frames=int(visited.sum()),
        frames_reference=int(seen.sum()),
        starts=len(theirs),
        failed=sum(map(len, context.kept)) - int(visited.sum()),
    )
    if kelvin is None:
        return Sample(STRUCTURE, name, counts=counts, absence=Fact("no-temperature"))
    if not (visited.any() and seen.any()):
        return Sample(STRUCTURE, name, counts=counts, absence=Fact("no-finite-frame"))
    temperature = kelvin

    def error(sums: Sums, reference: Sums) -> float:
        if not (sums.any() and reference.any()):
            return float("nan")
        return free_energy_error(surface(sums, temperature), surface(reference, temperature))

    half, unseen = len(own) // 2, int(((visited == 0) & (seen > 0)).sum())
    missed = Fact("bins-not-visited", {"bins": unseen, "of": N_BINS})
    return Sample(
        STRUCTURE,
        name,
        rollouts=theirs,
        reference=own,
        value=error,
        floor=error(own[half:].sum(axis=0), own[:half].sum(axis=0)) if half else None,
        counts=counts,
        window=Fact("angle-bins", {"bins": N_BINS, "kelvin": kelvin}),
        facts=(missed,) if unseen else (),
    )


def _blocks(frames: Frames, atoms: tuple[int, ...], n_blocks: int) -> Floats:
    """Histograms of an angle by block of consecutive frames, (K, n_bins)."""
    angles = dihedral(frames.positions[finite_frames(frames)], atoms)
    return np.array([angle_counts(part) for part in blocks_of(angles, n_blocks)])
