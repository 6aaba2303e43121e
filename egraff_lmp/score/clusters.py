"""Rollouts that begin at the same positions: clusters, as they are not independent.

Rollouts from one frame with other velocities share what that frame is like until they forget it,
so that an interval has to be drawn over frames first (Davison and Hinkley, Bootstrap Methods,
section 3.8: whole clusters, without a second draw within them).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from egraff_lmp.data.frames import Frames
from egraff_lmp.score.align import SAME_FRAME_A
from egraff_lmp.score.metric import Context, Sample, once
from egraff_lmp.score.records import SURVIVAL

Labels = tuple[int, ...]


def start_labels(rollouts: Sequence[Frames], starts: Sequence[int] = ()) -> Labels:
    """For each rollout the index of the first one that begins as it does.

    Args:
        rollouts: with their first frames.
        starts: reference frame that each started from, () where that is not known.
    """
    labels: list[int] = []
    for k, one in enumerate(rollouts):
        same = (
            j
            for j, other in enumerate(rollouts[:k])
            if (starts and starts[j] == starts[k]) or _same_start(one, other)
        )
        found = next(same, k)
        labels.append(labels[found] if found < k else k)
    return tuple(labels)


def effective_starts(labels: Sequence[int]) -> float:
    """(sum m)^2 / sum m^2 over clusters of m rollouts: as many equal clusters tell as much.

    Kish's effective sample size, with rollouts of one cluster taken for one.
    """
    sizes = np.array(list(Counter(labels).values()), dtype=np.float64)
    return float(sizes.sum() ** 2 / (sizes**2).sum()) if sizes.size else 0.0


@once
def labels_of(context: Context) -> Labels:
    """Labels of the rollouts that are scored."""
    starts = context.options.starts
    return start_labels([one.frames for one in context.rollouts], starts)


@once
def _labels_of_all(context: Context) -> Labels:
    return start_labels([one.frames for one in context.ran])


def clustered(context: Context, sample: Sample) -> Sample:
    """The sample with the labels of its rollouts; unchanged where all starts differ."""
    number = len(sample.rollouts)
    if sample.comparison == SURVIVAL:
        labels = _labels_of_all(context)
        # Rollouts that could not begin come last, and belong to no other.
        labels += tuple(range(len(labels), number))
    else:
        labels = labels_of(context)
    if number < 2 or len(set(labels)) == len(labels):
        return sample
    # Where some of the rollouts have no value it is not known which: nothing is said then.
    return replace(sample, clusters=labels) if len(labels) == number else sample


def _same_start(one: Frames, other: Frames) -> bool:
    if not (len(one) and len(other)) or one.species != other.species:
        return False
    vectors = one.positions[0] - other.positions[0]
    if all(one.pbc):
        cell = one.cell[0]
        if not np.allclose(cell, other.cell[0], atol=SAME_FRAME_A):
            return False
        scaled = vectors @ np.linalg.inv(cell)
        vectors = (scaled - np.rint(scaled)) @ cell
    return bool(np.abs(vectors).max() < SAME_FRAME_A)
