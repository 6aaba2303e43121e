"""Static structure factors, partial and neutron-weighted.

With rho_a(q) = sum over the N_a atoms of element a of exp(i q.r), and b_a its coherent neutron
scattering length,

    A_ab(q) = 1 + N/(N_a N_b) ( <Re rho_a(q) rho_b(q)*> - N_a delta_ab )        Faber-Ziman
    S(q) = < |sum_a b_a rho_a(q)|^2 > / ( N <b^2> )                             neutrons
         = 1 + sum_ab c_a c_b b_a b_b ( A_ab(q) - 1 ) / <b^2>

averaged over frames and over the allowed wave vectors of a shell of |q| (Faber and Ziman, Phil.
Mag. 11 (1965) 153; Keen, J. Appl. Cryst. 34 (2001) 172, eq. 18-21). Both tend to 1 for large q, and
are 1 for an ideal gas. S is normalised by <b^2>, not <b>^2, which may be near zero where lengths
are of both signs (Li): it is never negative, and always defined.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement

import numpy as np

from egraff_lmp.data.frames import Frames
from egraff_lmp.score.arrays import Floats, Ints
from egraff_lmp.score.curves import wright_factor
from egraff_lmp.score.distances import finite_frames, is_periodic, pair_numbers
from egraff_lmp.score.lifetime import stable_frames
from egraff_lmp.score.matched import floor_of_blocks, left_out, n_finite, nothing_left
from egraff_lmp.score.metric import Context, Metric, Sample, Sums, once
from egraff_lmp.score.options import EGRAFF
from egraff_lmp.score.records import (
    REFERENCE,
    ROLLOUTS,
    STRUCTURE,
    TOTAL,
    Counts,
    Curves,
    Fact,
)
from egraff_lmp.score.scattering_lengths import SCATTERING_LENGTHS_FM, scattering_lengths
from egraff_lmp.score.sums import absent
from egraff_lmp.score.wave_vectors import WaveVectors, densities, wave_vectors

Q_MAX = 12.0  # 1/A
WIDTH = 0.1  # 1/A, of a shell
# Terms exp(i q.r) of a trajectory: of large systems fewer frames are used, which have the more
# wave vectors. A trajectory of 200 atoms in 7000 A^3 has 130 frames, of 10 ms each.
MAX_TERMS = 4e9


@dataclass(frozen=True)
class StructureFactors:
    """Products of densities of one trajectory, summed over blocks of consecutive frames.

    Attributes:
        species: (N,) element of each atom.
        products: (K, P, B) sums over frames of the mean of Re rho_a rho_b* over a shell, of each
            pair of elements in the order of `pairs_of`.
        seen: (K, B) frames in which a shell has a wave vector.
        n_frames: (K,) frames used.
        every: one out of so many frames is used.
    """

    species: tuple[str, ...]
    products: Floats
    seen: Floats
    n_frames: Floats
    every: int


@dataclass(frozen=True)
class Weights:
    """What makes a structure factor of products of densities: offset + factors . products."""

    offset: float
    factors: Floats


def structure_factors(
    frames: Frames, *, n_blocks: int = 1, q_max: float = Q_MAX, width: float = WIDTH
) -> StructureFactors:
    """Products of densities at the wave vectors up to `q_max`, in shells of a width, in 1/A.

    Frames that are not finite are left out; of many frames of a large system every n-th is used.

    Raises:
        EgraffError: mixed periodicity.
    """
    is_periodic(frames)
    elements, kinds = np.unique(frames.species, return_inverse=True)
    pairs = list(combinations_with_replacement(range(len(elements)), 2))
    good = np.flatnonzero(finite_frames(frames))
    every, known = 1, np.zeros((3, 3))
    if len(good):
        known = frames.cell[good[0]]
        vectors = wave_vectors(known, q_max, width)
        most = max(2 * n_blocks, int(MAX_TERMS / (vectors.shells.size * frames.n_atoms)))
        every = -(-len(good) // most)
    used = good[::every]
    n_blocks, n_shells = max(1, min(n_blocks, len(used))), round(q_max / width)
    products = np.zeros((n_blocks, len(pairs), n_shells))
    seen = np.zeros((n_blocks, n_shells))
    blocks = np.arange(len(used)) * n_blocks // max(1, len(used))
    for block, frame in zip(blocks, used, strict=True):
        cell = frames.cell[frame]
        if not np.array_equal(cell, known):
            known, vectors = cell, wave_vectors(cell, q_max, width)
        products[block] += _products(frames.positions[frame], cell, vectors, kinds, pairs)
        seen[block] += vectors.numbers > 0
    return StructureFactors(
        species=frames.species,
        products=products,
        seen=seen,
        n_frames=np.bincount(blocks, minlength=n_blocks).astype(np.float64),
        every=every,
    )


def _products(
    positions: Floats,
    cell: Floats,
    vectors: WaveVectors,
    kinds: Ints,
    pairs: list[tuple[int, int]],
) -> Floats:
    """Mean over shells of Re rho_a rho_b*, (P, B)."""
    n_shells = len(vectors.numbers)
    sums = np.zeros((len(pairs), n_shells + 1))
    for part, rho in densities(positions, cell, vectors, kinds):
        shells = vectors.shells[part].ravel()
        for row, (a, b) in zip(sums, pairs, strict=True):
            product = rho[a].real * rho[b].real + rho[a].imag * rho[b].imag
            row += np.bincount(shells, product.ravel(), minlength=n_shells + 1)
    return sums[:, :-1] * vectors.mean_weights


def pairs_of(species: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of elements, in alphabetical order, those of an element with itself too."""
    return list(combinations_with_replacement(sorted(set(species)), 2))


def faber_ziman(species: Sequence[str], pair: tuple[str, str]) -> Weights:
    """Of A_ab of a pair of elements."""
    n = Counter(species)
    a, b = pair
    factor = len(species) / (n[a] * n[b])
    factors = np.array([factor if one == pair else 0.0 for one in pairs_of(species)])
    return Weights(1 - (factor * n[a] if a == b else 0.0), factors)


def neutron_weights(species: Sequence[str]) -> Weights:
    """Of S(q) as neutrons see it; NaN where an element has no scattering length."""
    lengths = scattering_lengths(species)
    b = dict(zip(species, lengths.tolist(), strict=True))
    factors = np.array([b[x] * b[y] * (1 if x == y else 2) for x, y in pairs_of(species)])
    return Weights(0.0, factors / float(lengths @ lengths))


def blocks(found: StructureFactors, part: str) -> Sums:
    """What each block adds to a structure factor, (K, 2 B): its sums over frames, and frames.

    A curve is the first half over the second; see `curve`. The part is "total", for neutrons, or a
    pair of elements, "Ge-Te".
    """
    if part == TOTAL:
        weights = neutron_weights(found.species)
    else:
        weights = faber_ziman(found.species, (part.split("-")[0], part.split("-")[1]))
    total = weights.offset * found.seen + np.einsum("p,kpb->kb", weights.factors, found.products)
    return np.hstack([total, found.seen])


def curve(sums: Sums) -> Floats:
    """The structure factor (B,) of sums over blocks (2 B,); NaN where a shell has no vector."""
    total, seen = np.split(sums, 2)
    return np.where(seen > 0, total / np.maximum(seen, 1e-300), np.nan)


def structure_factor_error(sums: Sums, own: Sums) -> float:
    """100 sqrt( sum (S - S_ref)^2 / sum S_ref^2 ) in %, of sums over blocks of both.

    The form of Wright's factor, over the shells in which both have wave vectors.
    """
    s, s_ref = curve(sums), curve(own)
    common = np.isfinite(s) & np.isfinite(s_ref)
    return wright_factor(s[common], s_ref[common]) if common.any() else float("nan")


def structure_factor_errors(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """Samples of the error of S(q), of neutrons ("total") and of each pair of elements."""
    if not context.rollouts:
        yield absent(context, STRUCTURE, [Fact("no-rollouts")], TOTAL)
        return
    species = context.reference.species
    lacking = sorted({e for e in species if e not in SCATTERING_LENGTHS_FM})
    if lacking:
        why = Fact("no-scattering-length", {"elements": ", ".join(lacking)})
        yield absent(context, STRUCTURE, [why], TOTAL)
    parts = [*([] if lacking else [TOTAL]), *pair_numbers(species)]
    reference, *rollouts = _all(context)
    sides = {REFERENCE: [reference], ROLLOUTS: rollouts}
    curves = tuple(
        replace(_curves(each, parts), mode=mode, side=side) for side, each in sides.items()
    )
    for part in parts:
        yield replace(_sample(context, part), curves=curves)


def _sample(context: Context, part: str) -> Sample:
    reference, *rollouts = _all(context)
    own = blocks(reference, part)
    counts = Counts(
        frames=sum(int(one.n_frames.sum()) for one in rollouts),
        frames_reference=int(reference.n_frames.sum()),
        starts=len(rollouts),
        failed=sum(map(len, context.kept)) - n_finite(context),
    )
    theirs = [blocks(one, part) for one in rollouts]
    perfect = floor_of_blocks(
        context, structure_factor_error, own, reference.every * reference.n_frames, theirs,
        [one.every * one.n_frames for one in rollouts],
    )  # fmt: skip
    stable, finite = sum(stable_frames(context, EGRAFF)), n_finite(context)
    every = max(one.every for one in rollouts)
    shells = {"skip": context.options.skip, "every": every, "q_max": Q_MAX, "width": WIDTH}
    return Sample(
        STRUCTURE,
        part,
        rollouts=theirs,
        reference=own,
        value=structure_factor_error,
        floor=None if perfect is None else perfect.mean,
        floor_high=None if perfect is None else perfect.high,
        counts=counts,
        window=Fact("wave-vectors", shells),
        absence=nothing_left(stable, finite),
        undefined=Fact("no-wave-vectors", {"q_max": Q_MAX}),
        facts=tuple(left_out(stable, finite)),
    )


@once
def _all(context: Context) -> list[StructureFactors]:
    """Of the reference and of each rollout."""
    n_blocks = context.options.n_blocks
    stable = zip(context.kept, stable_frames(context, EGRAFF), strict=True)
    sides = (context.reference, *(one.select(slice(0, until)) for one, until in stable))
    return [structure_factors(one, n_blocks=n_blocks) for one in sides]


def _curves(found: Sequence[StructureFactors], parts: Sequence[str]) -> Curves:
    """S(q) of "total" and A_ab(q) of the pairs, over |q| in 1/A, where there are wave vectors."""
    seen = np.sum([one.seen.sum(axis=0) for one in found], axis=0) > 0
    s = {part: curve(np.sum([blocks(one, part).sum(axis=0) for one in found], axis=0))
         for part in parts}  # fmt: skip
    q = (np.arange(len(seen)) + 0.5) * WIDTH
    frames = int(sum(one.n_frames.sum() for one in found))
    return Curves("S", q[seen], "1/A", {part: y[seen] for part, y in s.items()}, "1", frames)
