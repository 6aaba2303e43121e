"""Structure of rollouts against the reference: values of two curves over the distance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.score import rdf
from egraff_lmp.score.metric import Context, Metric, Sample, Samples, Sums, Value, once
from egraff_lmp.score.options import EGRAFF, PAPER, Options, modes_of
from egraff_lmp.score.records import STRUCTURE, TOTAL, Fact
from egraff_lmp.score.stability import WINDOW_FS
from egraff_lmp.score.sums import absent, counts_of, halves


@dataclass(frozen=True)
class Distances:
    """Pair distances of reference and rollouts in one mode, counted in blocks of frames.

    Attributes:
        volume: of the reference's cell in A^3, 0 if it has none.
        reference, rollouts: in `n_blocks` blocks.
        fine_reference, fine_rollouts: in finer ones, see `n_windows`.
    """

    volume: float
    reference: rdf.PairHistogram
    rollouts: Sequence[rdf.PairHistogram]
    fine_reference: rdf.PairHistogram
    fine_rollouts: Sequence[rdf.PairHistogram]


def structure(
    curve: str, function: Callable[..., float], *, integral: bool = False, of_volume: bool = False
) -> Samples:
    """Samples of a function of two curves.

    Args:
        curve: which one, see `PairHistogram.curve_blocks`; but for the paper's, which is total
            alone, also for each pair of elements.
        function: (curve, reference curve) to a number.
        integral: the function takes the bin width in A as a third argument.
        of_volume: the value scales with the volume, so that there is none without a cell.
    """

    def samples(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
        if not context.rollouts:
            yield absent(context, STRUCTURE, [Fact("no-rollouts")], TOTAL)
            return
        found = distances(context)[mode]
        extra = (found.reference.bin_width,) if integral else ()

        def value(sums: Sums, own: Sums) -> float:
            """Of the mean curves; the last of the sums is the number of frames."""
            if not (sums[-1] and own[-1]):
                return float("nan")
            return float(function(sums[:-1] / sums[-1], own[:-1] / own[-1], *extra))

        for part in (TOTAL,) if curve == "paper_rdf" else (TOTAL, *found.reference.names):
            sample = _sample(context, found, mode, curve, part, value)
            lacking = of_volume and not found.volume
            yield replace(sample, absence=Fact("no-volume")) if lacking else sample

    return samples


@once
def distances(context: Context) -> dict[str, Distances]:
    """Pair distances of a scoring by mode.

    Raises:
        EgraffError: no frame of the reference is finite.
    """
    reference, kept, options = context.reference, context.kept, context.options
    ranges = {
        EGRAFF: (
            rdf.default_r_max([reference, *kept]) if options.r_max is None else options.r_max,
            options.bin_width,
            False,
        ),
        PAPER: (rdf.paper_r_max(reference), rdf.BIN_WIDTH, True),
    }
    asked = {mode: ranges[mode] for mode in modes_of(options.mode)}
    counted = [_histograms(frames, asked, options) for frames in (reference, *kept)]
    if not next(iter(counted[0].values())).n_frames.sum():
        raise EgraffError(
            f"{reference.source}: expected frames with finite positions, got none: check the file."
        )
    volume = float(abs(np.linalg.det(reference.cell[0])))
    found = {}
    for mode in asked:
        fine = [one[mode] for one in counted]
        own, *theirs = (one.coarsened(options.n_blocks) for one in fine)
        found[mode] = Distances(volume, own, theirs, fine[0], fine[1:])
    return found


def n_windows(frames: Frames) -> int:
    """Windows of tau (1 ps) in a trajectory; 1 where it is shorter or states no time."""
    if frames.timestep_fs is None:
        return 1
    return max(1, int(len(frames) * frames.timestep_fs / WINDOW_FS + 1e-6))


def _histograms(
    frames: Frames, ranges: Mapping[str, tuple[float, float, bool]], options: Options
) -> dict[str, rdf.PairHistogram]:
    """Histograms by mode in fine blocks: whole parts of windows, at least `n_blocks` of them."""
    windows = n_windows(frames)
    n_blocks = windows * -(-options.n_blocks // windows)
    bins = {mode: rdf.bins_within(frames, *asked) for mode, asked in ranges.items()}
    counted = {}
    for width in {width for _, width, _ in ranges.values()}:
        # Counted once, to the longest range of the modes of this width.
        most = max(bins[mode] for mode in ranges if ranges[mode][1] == width)
        counted[width] = rdf.pair_histogram(
            frames, most * width, width, n_blocks=n_blocks, all_images=True
        )
    return {mode: counted[ranges[mode][1]].shortened(number) for mode, number in bins.items()}


def _sample(
    context: Context, found: Distances, mode: str, curve: str, part: str, value: Value
) -> Sample:
    def blocks(histogram: rdf.PairHistogram) -> Sums:
        curves = histogram.curve_blocks(curve, part, found.volume)
        return np.column_stack([curves, histogram.n_frames])

    reference, merged = found.reference, rdf.merge(found.rollouts)
    frames, own = int(merged.n_frames.sum()), blocks(reference)
    bins = {"r_max": reference.r_max, "bin_width": reference.bin_width}
    kind = "paper_rdf" if mode == PAPER else "rdf"
    sides = {"reference": reference, "rollouts": merged}
    of_curves = curve != "paper_rdf"  # a curve of its own in the other mode
    return Sample(
        comparison=STRUCTURE,
        part=part,
        rollouts=[blocks(one) for one in found.rollouts],
        reference=own,
        value=value,
        floor=halves(value, own),
        counts=counts_of(context, frames, int(reference.n_frames.sum())),
        window=Fact("distances", {"skip": context.options.skip, **bins}),
        absence=None if frames else Fact("no-finite-frame"),
        undefined=Fact("no-distances", {"part": part}),
        distribution="g" if reference.periodic or not of_curves else "h",
        curves={f"{mode} {side}": one.curves(kind, found.volume) for side, one in sides.items()},
    )
