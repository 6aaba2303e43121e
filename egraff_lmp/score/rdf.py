"""Radial distribution g(r) of bulk, pair-distance distribution h(r) of molecules.

With n_ab unordered pairs of atoms of elements a and b (N_a (N_a - 1)/2 for a = b, else N_a N_b),
and c_ab(r) of them found between r and r + dr,

    g_ab(r) = < V c_ab(r) > / (n_ab (4 pi/3) ((r + dr)^3 - r^3))        periodic in three directions
    h_ab(r) = < c_ab(r) > / (n_ab dr)                                    molecules, in 1/A
    p_ab(r) = < c_ab(r) > / sum_r < c_ab(r) >                            what the JSD compares

The total is the same over all N (N - 1)/2 pairs. Counting pairs (N - 1, not N) makes an ideal gas
of any finite N give g = 1; the shell volume is exact, not 4 pi r^2 dr. h is appendix C, eq. 1, of
Fu et al., "Forces are not enough" (TMLR 2023), split by element.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.score.arrays import Floats, Ints
from egraff_lmp.score.distances import (
    cell_heights,
    finite_frames,
    frame_counts,
    is_periodic,
    pair_numbers,
)
from egraff_lmp.score.records import TOTAL, Curves

BIN_WIDTH = 0.05  # A, of the paper
R_MAX_CAP = 10.0  # A; beyond it g is 1 and would only dilute a Wright factor
N_BLOCKS = 10
# A molecule may swell by this factor before its distances are lumped together as "beyond".
MOLECULE_MARGIN = 1.25
_OF_BLOCKS = ("counts", "volume_counts", "n_frames")  # arrays whose first axis are the blocks


@dataclass(frozen=True)
class PairHistogram:
    """Pair distances counted in bins, summed over blocks of consecutive frames.

    Attributes:
        names: (P,) pairs of elements.
        n_pairs: (P,) unordered pairs of atoms behind each name.
        n_atoms: N.
        bin_width: in A.
        counts: (K, P, B + 1) pairs found, summed over the frames of a block; the last column is
            the pairs beyond r_max, filled for molecules only.
        volume_counts: (K, P, B + 1) the same, each frame weighted by its volume in A^3, molecules
            by 1; nothing is read from its last column.
        n_frames: (K,) finite frames of each block.
        n_failed: frames left out because a position or the cell was not finite.
        periodic: g(r) if True, h(r) if False.
    """

    names: tuple[str, ...]
    n_pairs: Floats
    n_atoms: int
    bin_width: float
    counts: Floats
    volume_counts: Floats
    n_frames: Ints
    n_failed: int
    periodic: bool

    @property
    def n_bins(self) -> int:
        """B, the bins below r_max."""
        return int(self.counts.shape[2]) - 1

    @property
    def r_max(self) -> float:
        """Upper edge of the last bin in A."""
        return self.n_bins * self.bin_width

    @property
    def edges(self) -> Floats:
        """(B + 1,) bin edges in A."""
        return np.arange(self.n_bins + 1, dtype=np.float64) * self.bin_width

    @property
    def r(self) -> Floats:
        """(B,) bin centres in A."""
        return (np.arange(self.n_bins, dtype=np.float64) + 0.5) * self.bin_width

    def curve_blocks(self, kind: str, pair: str, volume: float | None = None) -> Floats:
        """What each block adds to a curve, (K, B) or (K, B + 1).

        The sum over blocks divided by the number of frames is the curve; blocks drawn for a
        bootstrap need no more than that.

        Args:
            kind: "rdf" (g, or h of molecules), "probability" (p, up to its normalisation; the
                last of B + 1 entries is "beyond r_max") or "paper_rdf" (g over N^2 / V, as ASE
                has it, and N_a N_b / V for a pair of elements).
            pair: "total" or one of `names`.
            volume: V in A^3 for the paper's g of molecules, which have none of their own.
        """
        if kind == "probability":
            return self._pair(self.counts, pair)[0]
        weighted, n_pairs = self._pair(self.volume_counts, pair)
        shells = 4 * np.pi / 3 * np.diff(self.edges**3)
        if kind == "paper_rdf":
            scale = 1.0 if self.periodic else float(volume or 1.0)
            return weighted[:, :-1] * scale / (self._pairs_with_selves(pair) * shells)
        return weighted[:, :-1] / (n_pairs * (shells if self.periodic else self.bin_width))

    def curves(self, kind: str = "rdf", volume: float | None = None) -> Curves:
        """Means over all frames of "rdf" or "paper_rdf", NaN where there are none."""
        pairs = (TOTAL,) if kind == "paper_rdf" else (TOTAL, *self.names)
        n_frames = int(self.n_frames.sum())
        with np.errstate(invalid="ignore"):
            g = {
                pair: self.curve_blocks(kind, pair, volume).sum(axis=0) / np.float64(n_frames)
                for pair in pairs
            }
        name = "g" if self.periodic or kind == "paper_rdf" else "h"
        return Curves(name, self.r, "A", g, "1" if name == "g" else "1/A", n_frames)

    def halves(self) -> tuple[PairHistogram, PairHistogram]:
        """The first and the last half of the blocks."""
        half = len(self.n_frames) // 2
        return self._blocks(lambda x: x[:half]), self._blocks(lambda x: x[len(x) - half :])

    def coarsened(self, n_blocks: int) -> PairHistogram:
        """The same in at most n_blocks blocks, neighbours merged."""
        fine = len(self.n_frames)
        if fine <= n_blocks:
            return self
        starts = -(-np.arange(n_blocks) * fine // n_blocks)
        return self._blocks(lambda x: np.add.reduceat(x, starts, axis=0))

    def sliding(self, length: int) -> PairHistogram:
        """All windows of `length` consecutive blocks, one beginning with each block."""

        def windows(x: NDArray[Any]) -> NDArray[Any]:
            total = np.concatenate([np.zeros_like(x[:1]), np.cumsum(x, axis=0)])
            return np.asarray(total[length:] - total[:-length])

        return self._blocks(windows)

    def shortened(self, n_bins: int) -> PairHistogram:
        """The same in the first n_bins bins; what lies beyond joins the last column (molecules)."""
        if n_bins >= self.n_bins:
            return self

        def cut(counts: Floats) -> Floats:
            beyond = counts[..., n_bins:].sum(axis=-1, keepdims=True) * (not self.periodic)
            return np.concatenate([counts[..., :n_bins], beyond], axis=-1)

        return replace(self, counts=cut(self.counts), volume_counts=cut(self.volume_counts))

    def _pairs_with_selves(self, pair: str) -> float:
        """N^2/2 of all atoms or of one element, N_a N_b of two: atoms count as their own pairs."""
        if pair == TOTAL:
            return self.n_atoms**2 / 2
        number = float(self.n_pairs[self.names.index(pair)])
        first, second = pair.split("-")
        # N (N - 1)/2 = number
        return number if first != second else (1 + np.sqrt(1 + 8 * number)) ** 2 / 8

    def _blocks(self, of: Callable[[NDArray[Any]], NDArray[Any]]) -> PairHistogram:
        """The same with other blocks; `of` takes and returns arrays whose first axis they are."""
        changed: dict[str, Any] = {name: of(getattr(self, name)) for name in _OF_BLOCKS}
        return replace(self, **changed)

    def _pair(self, counts: Floats, pair: str) -> tuple[Floats, float]:
        """Counts (K, B + 1) and number of pairs of atoms of one name."""
        if pair == TOTAL:
            return counts.sum(axis=1), float(self.n_pairs.sum())
        index = self.names.index(pair)
        return counts[:, index], float(self.n_pairs[index])


def pair_histogram(
    frames: Frames,
    r_max: float,
    bin_width: float = BIN_WIDTH,
    *,
    n_blocks: int = N_BLOCKS,
    all_images: bool = False,
) -> PairHistogram:
    """Count pair distances, the costly part of everything in this file.

    Args:
        frames: at least one frame; frames that are not finite are left out and counted.
        r_max: in A; rounded to a whole number of bins.
        bin_width: in A.
        n_blocks: blocks of consecutive frames that are kept apart, for confidence intervals.
        all_images: allow r_max beyond half the smallest cell height, where an atom has several
            images of another.

    Raises:
        EgraffError: r_max beyond half the smallest cell height, no pairs of atoms, a bin width
            that is not positive, or mixed periodicity.
    """
    n_bins = bins_within(frames, r_max, bin_width, all_images)
    good = finite_frames(frames)
    kept = frames if good.all() else frames.select(np.flatnonzero(good))
    numbers = pair_numbers(frames.species)
    n_pairs = np.array(list(numbers.values()))
    n_blocks = max(1, min(n_blocks, len(kept)))
    counts, volume_counts = np.zeros((2, n_blocks, len(numbers), n_bins + 1))
    periodic = is_periodic(frames)
    volumes = np.abs(np.linalg.det(kept.cell)) if periodic else np.ones(len(kept))
    blocks = np.arange(len(kept)) * n_blocks // max(1, len(kept))
    found = frame_counts(kept, n_bins, bin_width)
    for block, volume, frame in zip(blocks, volumes, found, strict=True):
        counts[block] += frame
        volume_counts[block] += volume * frame
    n_frames = np.bincount(blocks, minlength=n_blocks)
    # Beyond r_max: every pair not seen in a molecule, nothing in bulk.
    seen = counts[..., :-1].sum(axis=-1)
    counts[..., -1] = 0 if periodic else n_frames[:, None] * n_pairs - seen
    return PairHistogram(
        names=tuple(numbers), n_pairs=n_pairs, n_atoms=frames.n_atoms, bin_width=bin_width,
        counts=counts, volume_counts=volume_counts, n_frames=n_frames,
        n_failed=int((~good).sum()), periodic=periodic,
    )  # fmt: skip


def bins_within(frames: Frames, r_max: float, bin_width: float, all_images: bool = False) -> int:
    """Number of bins up to r_max, never beyond half the smallest cell height without all images.

    Raises:
        EgraffError: as `pair_histogram`.
    """
    if frames.n_atoms < 2:
        raise EgraffError(
            f"{frames.source}: expected at least two atoms, got {frames.n_atoms}: a single atom "
            "has no pair distances."
        )
    if not bin_width > 0 or not r_max >= bin_width or not np.isfinite(r_max):
        raise EgraffError(
            f"expected a bin width above 0 and r_max of at least one bin, got a bin width of "
            f"{bin_width:g} A and r_max of {r_max:g} A: change --bin or --r-max."
        )
    if not is_periodic(frames) or all_images:
        return max(1, round(r_max / bin_width))
    limit = half_height(frames)
    if r_max > limit * (1 + 1e-6):
        raise EgraffError(
            f"{frames.source}: expected r_max of at most half the smallest cell height, "
            f"{limit:.3f} A, got {r_max:g} A: lower --r-max."
        )
    # Rounding must not carry the last bin beyond the range where all pairs are seen.
    return max(1, int(min(r_max, limit) / bin_width + 1e-6))


def radial_distribution(
    frames: Frames, r_max: float | None = None, bin_width: float = BIN_WIDTH
) -> Curves:
    """g(r) of bulk or h(r) of a molecule, total and for each pair of elements, of finite frames.

    Lengths are in A, r_max is `default_r_max` if None.
    """
    if r_max is None:
        r_max = default_r_max([frames])
    return pair_histogram(frames, r_max, bin_width, n_blocks=1).curves()


def merge(histograms: Sequence[PairHistogram]) -> PairHistogram:
    """The blocks of several histograms of the same bins and elements, one after the other."""
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(one, name) for one in histograms]) for name in _OF_BLOCKS
    }
    return replace(histograms[0], n_failed=sum(one.n_failed for one in histograms), **joined)


def half_height(frames: Frames) -> float:
    """Half the smallest cell height over all finite frames, in A; inf if there is none."""
    good = finite_frames(frames)
    return float(cell_heights(frames.cell[good]).min() / 2) if good.any() else np.inf


def default_r_max(all_frames: Sequence[Frames]) -> float:
    """r_max in A that suits all of them, the first being the reference.

    Bulk: half the smallest cell height, at most 10 A. Molecules: 1.25 times the largest distance
    of the reference.
    """
    if is_periodic(all_frames[0]):
        return min(R_MAX_CAP, *(half_height(frames) for frames in all_frames))
    reference = all_frames[0].select(np.flatnonzero(finite_frames(all_frames[0])))
    span = np.ptp(reference.positions, axis=1) if len(reference) else np.ones((1, 3))
    # The diagonal of the bounding box bounds the largest distance, at the cost of O(N).
    return MOLECULE_MARGIN * max(1.0, float(np.linalg.norm(span, axis=1).max()))


def paper_r_max(reference: Frames) -> float:
    """r_max of the paper's script: min((shortest cell edge - 1)/2, 10) in A; 10 without a cell."""
    edges = np.linalg.norm(reference.cell[0], axis=1)
    return min((float(edges.min()) - 1) / 2, R_MAX_CAP) if edges.min() > 1 else R_MAX_CAP
