"""What structure scores of stable frames share: what was left out, and lengths for the floor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from egraff_lmp.score.arrays import Floats
from egraff_lmp.score.clusters import labels_of
from egraff_lmp.score.distances import finite_frames
from egraff_lmp.score.floor import Floor, Length, floor_of
from egraff_lmp.score.metric import Context, Sums, Value, once
from egraff_lmp.score.records import Fact


@once
def n_finite(context: Context) -> int:
    """Finite frames of all rollouts."""
    return sum(int(finite_frames(frames).sum()) for frames in context.kept)


def left_out(frames: int, of: int) -> Iterator[Fact]:
    """How many of the finite frames lie behind the loss of stability, where any do."""
    if frames < of:
        yield Fact("after-loss-of-stability", {"left_out": of - frames, "of": of})


def nothing_left(frames: int, of: int) -> Fact | None:
    """Why no frame is left of the finite ones, None where there is one."""
    if frames:
        return None
    return Fact("no-stable-frame", {"of": of}) if of else Fact("no-finite-frame")


def block_fs(context: Context, frames: int, blocks: int) -> float | None:
    """Time of a block of the reference, None where it is no time series."""
    step = context.reference.timestep_fs
    return step * frames / blocks if step and context.options.time_series else None


def lengths_of(
    context: Context,
    frames: Sequence[int],
    blocks: Sequence[Sums],
    weights: Sequence[Floats] | None = None,
) -> list[Length]:
    """Lengths of the rollouts.

    Args:
        context: their starts and time steps.
        frames: of each, those that entered.
        blocks: of each, sums over its blocks (K, D).
        weights: of each, frames in its blocks (K,); None where the sums of a block add up to them.
    """
    if weights is None:
        weights = [np.asarray(one.sum(axis=1)) for one in blocks]
    return [
        Length(number, one.timestep_fs, label, context.options.skip, sums, of_blocks)
        for number, one, label, sums, of_blocks in zip(
            frames, context.kept, labels_of(context), blocks, weights, strict=True
        )
    ]


def floor_of_blocks(
    context: Context,
    value: Value,
    own: Sums,
    own_frames: Floats,
    theirs: Sequence[Sums],
    their_frames: Sequence[Floats],
) -> Floor | None:
    """What a perfect model would read with these rollouts; see `floor.floor_of`.

    Args:
        context: the starts and time steps.
        value: of the sums of the rollouts (D,) and of the reference (D,).
        own: (K, D) sums over blocks of the reference.
        own_frames: (K,) frames in each.
        theirs, their_frames: the same of each rollout.
    """
    lengths = lengths_of(context, [int(one.sum()) for one in their_frames], theirs, their_frames)
    time = block_fs(context, int(own_frames.sum()), len(own))
    return floor_of(value, own, own_frames, lengths, time, context.options)
