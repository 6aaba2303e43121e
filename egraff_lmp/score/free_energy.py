"""Free energy along the backbone angles phi and psi of alanine dipeptide.

    F(xi) = -k_B T ln p(xi),          MAE = integral over [-pi, pi) of |F(xi) - F_ref(xi)| d xi

(Fu et al., "Forces are not enough", eq. 5-7), phi of C-N-CA-C, psi of N-CA-C-N. F is defined up to
a constant: the lowest bin is the zero. Where a bin was never visited F is not known to be infinite,
only to be above k_B T ln(frames): it is given that value, which is stated, so that the error stays
finite.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from egraff_lmp.data.frames import Frames
from egraff_lmp.score.arrays import Floats, Ints
from egraff_lmp.score.bonds import bonds_of
from egraff_lmp.score.distances import finite_frames
from egraff_lmp.score.floor import floor_of
from egraff_lmp.score.lifetime import stable_frames
from egraff_lmp.score.matched import block_fs, left_out, lengths_of, nothing_left
from egraff_lmp.score.metric import Context, Metric, Sample, Sums
from egraff_lmp.score.options import EGRAFF
from egraff_lmp.score.pair_counts import FINE_BLOCKS
from egraff_lmp.score.records import STRUCTURE, Fact
from egraff_lmp.score.sums import blocks_of, counts_of

N_BINS = 60
BOLTZMANN_EV_PER_KELVIN = 8.617333262e-5


def dihedral(positions: Floats, atoms: Sequence[int]) -> Floats:
    """Dihedral angle of four atoms in rad, in (-pi, pi], IUPAC sign, (T,) from (T, N, 3)."""
    a, b, c, d = (positions[:, atom] for atom in atoms)
    axis = c - b
    first, second = np.cross(b - a, axis), np.cross(axis, d - c)
    axis = axis / np.linalg.norm(axis, axis=1, keepdims=True)
    sine = np.einsum("tx,tx->t", np.cross(first, second), axis)
    return np.arctan2(sine, np.einsum("tx,tx->t", first, second))


def angle_counts(angles: Floats, n_bins: int = N_BINS) -> Floats:
    """Histogram of angles in rad over [-pi, pi), (n_bins,)."""
    turns = (angles + np.pi) / (2 * np.pi)
    bins = ((turns - np.floor(turns)) * n_bins).astype(np.intp) % n_bins
    return np.bincount(bins, minlength=n_bins).astype(np.float64)


def surface(counts: Floats, temperature_kelvin: float) -> Floats:
    """F in eV of counts (...), lowest bin 0; empty bins as if half a frame had been seen."""
    energy = BOLTZMANN_EV_PER_KELVIN * temperature_kelvin
    free = -energy * np.log(np.maximum(counts, 0.5) / counts.sum())
    return np.asarray(free - free.min())


def free_energy_error(f: Floats, f_ref: Floats) -> float:
    """Integral of |F - F_ref| over [-pi, pi) in eV rad, from values on bins of equal width.

    Both are aligned at their lowest bin.
    """
    return float(np.abs((f - f.min()) - (f_ref - f_ref.min())).mean() * 2 * np.pi)


def backbone(species: Sequence[str], bonds: Ints) -> tuple[tuple[int, ...], ...] | None:
    """Atoms of phi (C, N, CA, C) and of psi (N, CA, C, N) of a dipeptide; None if it is none.

    A chain C(=O)-N-CA-C(=O)-N, whose carbonyl carbons bear an oxygen and whose nitrogens a
    hydrogen; one such chain, or it is not clear which angles are meant.
    """
    elements = np.array(species)
    bonded = np.zeros((len(species), len(species)), dtype=bool)
    bonded[bonds[:, 0], bonds[:, 1]] = bonded[bonds[:, 1], bonds[:, 0]] = True
    with_oxygen, with_hydrogen = (bonded[:, elements == e].any(axis=1) for e in "OH")
    carbonyl, alpha = (elements == "C") & with_oxygen, (elements == "C") & ~with_oxygen
    amide = (elements == "N") & with_hydrogen
    chains = [[atom] for atom in np.flatnonzero(carbonyl).tolist()]
    for kind in (amide, alpha, carbonyl, amide):
        chains = [
            [*chain, atom]
            for chain in chains
            for atom in np.flatnonzero(bonded[chain[-1]] & kind).tolist()
            if atom not in chain
        ]
    return (tuple(chains[0][:4]), tuple(chains[0][1:])) if len(chains) == 1 else None


def free_energies(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """Errors of F(phi) and F(psi) of unbiased rollouts; none where there is no such backbone."""
    reference, kept = context.reference, context.kept
    good = np.flatnonzero(finite_frames(reference))
    if not good.size or not kept or any(one.species != reference.species for one in kept):
        return
    bonds = bonds_of(reference.species, reference.positions[good[0]])
    for name, atoms in zip(("phi", "psi"), backbone(reference.species, bonds) or (), strict=False):
        yield _sample(context, name, atoms)


def _sample(context: Context, name: str, atoms: tuple[int, ...]) -> Sample:
    kelvin, n_blocks = context.options.temperature_kelvin, context.options.n_blocks
    stable = stable_frames(context, EGRAFF)
    kept = [one.select(slice(0, n)) for one, n in zip(context.kept, stable, strict=True)]
    own, *theirs = (_blocks(frames, atoms, n_blocks) for frames in (context.reference, *kept))
    visited, seen = np.concatenate(theirs).sum(axis=0), own.sum(axis=0)
    of, used = sum(int(finite_frames(one).sum()) for one in context.kept), int(visited.sum())
    counts = replace(counts_of(context, of, int(seen.sum())), frames=used)
    if kelvin is None or not (used and seen.any()):
        why = Fact("no-temperature") if kelvin is None else nothing_left(used, of)
        return Sample(STRUCTURE, name, counts=counts, absence=why or Fact("no-finite-frame"))

    def error(sums: Sums, reference: Sums) -> float:
        if not (sums.any() and reference.any()):
            return float("nan")
        return free_energy_error(surface(sums, kelvin), surface(reference, kelvin))

    unseen = int(((visited == 0) & (seen > 0)).sum())
    facts = list(left_out(used, of))
    if unseen:
        facts.append(Fact("bins-not-visited", {"bins": unseen, "of": N_BINS}))
    fine = _blocks(context.reference, atoms, FINE_BLOCKS)
    frames = [int(one.sum()) for one in theirs]
    perfect = floor_of(error, fine, fine.sum(axis=1), lengths_of(context, frames, theirs),
                       block_fs(context, int(seen.sum()), len(fine)), context.options)  # fmt: skip
    return Sample(
        STRUCTURE,
        name,
        rollouts=theirs,
        reference=own,
        value=error,
        floor=None if perfect is None else perfect.mean,
        floor_high=None if perfect is None else perfect.high,
        counts=counts,
        window=Fact("angle-bins", {"bins": N_BINS, "kelvin": kelvin}),
        facts=tuple(facts),
    )


def _blocks(frames: Frames, atoms: tuple[int, ...], n_blocks: int) -> Floats:
    """Histograms of an angle by block of consecutive frames, (K, n_bins)."""
    angles = dihedral(frames.positions[finite_frames(frames)], atoms)
    return np.array([angle_counts(part) for part in blocks_of(angles, n_blocks)])
