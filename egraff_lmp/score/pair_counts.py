"""Pair distances of a scoring, counted once for everything that asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.score import rdf
from egraff_lmp.score.metric import Context, once
from egraff_lmp.score.options import EGRAFF, PAPER, Options, modes_of
from egraff_lmp.score.stability import WINDOW_FS

# Bins of the structure scores of Fu et al. ("Forces are not enough"), as their released notebook
# has them: 500 up to 10 A for h(r) of molecules, 500 up to 6 A for g(r) of water and LiPS.
FU = "fu"
FU_BINS = 500
FU_R_MAX_MOLECULE, FU_R_MAX_BULK = 10.0, 6.0  # A
# Fine blocks: at least so many of a trajectory, and of a window of tau (1 ps), where there are as
# many frames.
FINE_BLOCKS, FINE_BLOCKS_OF_WINDOW = 100, 10

Range = tuple[float, float, bool]  # r_max and bin width in A, whether beyond half a cell height


@dataclass(frozen=True)
class Distances:
    """Pair distances of reference and rollouts in one form, counted in blocks of frames.

    Attributes:
        volume: of the reference's cell in A^3, 0 if it has none.
        reference, rollouts: in `n_blocks` blocks.
        fine_reference, fine_rollouts: in finer ones, see `FINE_BLOCKS`.
    """

    volume: float
    reference: rdf.PairHistogram
    rollouts: Sequence[rdf.PairHistogram]
    fine_reference: rdf.PairHistogram
    fine_rollouts: Sequence[rdf.PairHistogram]


@once
def distances(context: Context) -> dict[str, Distances]:
    """Pair distances of a scoring by form: its modes, and `FU` beside the paper's.

    Raises:
        EgraffError: no frame of the reference is finite.
    """
    reference, kept, options = context.reference, context.kept, context.options
    asked = _ranges(context)
    counted = [_histograms(frames, asked, options) for frames in (reference, *kept)]
    if not next(iter(counted[0].values())).n_frames.sum():
        raise EgraffError(
            f"{reference.source}: expected frames with finite positions, got none: check the file."
        )
    volume = float(abs(np.linalg.det(reference.cell[0])))
    found = {}
    for form in asked:
        fine = [one[form] for one in counted]
        trajectories = zip((reference, *kept), fine, strict=True)
        own, *theirs = (_coarse(frames, one, options) for frames, one in trajectories)
        found[form] = Distances(volume, own, theirs, fine[0], fine[1:])
    return found


def counted_until(context: Context, form: str, number: int, until: int) -> rdf.PairHistogram:
    """Pair distances of the first `until` frames of rollout `number` in `n_blocks` blocks."""
    frames = context.kept[number].select(slice(0, until))
    ranges = {form: _ranges(context)[form]}
    return _coarse(frames, _histograms(frames, ranges, context.options)[form], context.options)


def n_windows(frames: Frames) -> int:
    """Windows of tau (1 ps) in a trajectory; 1 where it is shorter or states no time."""
    if frames.timestep_fs is None:
        return 1
    return max(1, int(len(frames) * frames.timestep_fs / WINDOW_FS + 1e-6))


def is_shorter_than_window(frames: Frames) -> bool:
    """Whether there is no full window of tau (1 ps) in a trajectory."""
    return not frames.timestep_fs or len(frames) * frames.timestep_fs < WINDOW_FS * (1 - 1e-6)


def sliding_windows(frames: Frames, fine: rdf.PairHistogram) -> rdf.PairHistogram:
    """Windows of tau (1 ps) that begin with each fine block; one of all where it is shorter."""
    blocks = len(fine.n_frames)
    if is_shorter_than_window(frames):
        return fine.sliding(blocks)
    parts = len(frames) * float(frames.timestep_fs or 0.0) / WINDOW_FS
    return fine.sliding(min(blocks, max(1, round(blocks / parts))))


@once
def _ranges(context: Context) -> dict[str, Range]:
    """What is counted in each form."""
    reference, kept, options = context.reference, context.kept, context.options
    modes, found = modes_of(options.mode), {}
    if EGRAFF in modes:
        r_max = rdf.default_r_max([reference, *kept]) if options.r_max is None else options.r_max
        found[EGRAFF] = (r_max, options.bin_width, False)
    if PAPER in modes:
        found[PAPER] = (rdf.paper_r_max(reference), rdf.BIN_WIDTH, True)
        fu = FU_R_MAX_BULK if all(reference.pbc) else FU_R_MAX_MOLECULE
        found[FU] = (fu, fu / FU_BINS, True)
    return found


def _base_blocks(frames: Frames, options: Options) -> int:
    """Blocks that are whole parts of consecutive windows, at least `n_blocks` of them."""
    windows = n_windows(frames)
    return windows * -(-options.n_blocks // windows)


def _coarse(frames: Frames, fine: rdf.PairHistogram, options: Options) -> rdf.PairHistogram:
    return fine.coarsened(_base_blocks(frames, options)).coarsened(options.n_blocks)


def _histograms(
    frames: Frames, ranges: Mapping[str, Range], options: Options
) -> dict[str, rdf.PairHistogram]:
    """Histograms by form in fine blocks."""
    base = _base_blocks(frames, options)
    wanted = max(FINE_BLOCKS, FINE_BLOCKS_OF_WINDOW * n_windows(frames))
    n_blocks = base * -(-wanted // base)
    bins = {form: rdf.bins_within(frames, *asked) for form, asked in ranges.items()}
    counted = {}
    for width in {width for _, width, _ in ranges.values()}:
        # Counted once, to the longest range of the forms of this width.
        most = max(bins[form] for form in ranges if ranges[form][1] == width)
        counted[width] = rdf.pair_histogram(
            frames, most * width, width, n_blocks=n_blocks, all_images=True
        )
    return {form: counted[ranges[form][1]].shortened(number) for form, number in bins.items()}
