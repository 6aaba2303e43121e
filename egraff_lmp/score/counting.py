"""Pair distances counted in bins, the costly part of scoring, in arrays that fit the cache.

Up to `DENSE_ATOMS` atoms all N(N - 1)/2 distances are made, a batch of frames at a time: the batch
is the fast axis of every array, so that one call of numpy serves some ten thousand distances.
Larger systems are sorted into columns, a frame on each of two threads (`columns`).

Positions are reduced to the cell in float64 and go to float32, whose spacing at 20 A is 2e-6 A.
Reducing a difference of fractional coordinates to [-1/2, 1/2] gives the shortest image wherever
that is shorter than half the smallest cell height, and never less than it: all that is needed
for bins below it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.score.columns import column_counts
from egraff_lmp.score.distances import (
    DENSE_ATOMS,
    is_periodic,
    label_table,
    needs_images,
    pair_distances,
    pair_names,
)

FRAMES_AT_A_TIME = 64
# Distances at a time: arrays of 64 kB (float32), of which several stay in the cache of a core.
DISTANCES_AT_A_TIME = 16_384
MAX_THREADS = 2  # each holds sorted atoms and images of its own


def frame_counts(
    frames: Frames, n_bins: int, bin_width: float, all_images: bool = False
) -> Iterator[NDArray[np.float64]]:
    """Pairs found in each bin, frame by frame, in order: (P, n_bins + 1).

    The last column counts some, not all, of the pairs beyond the last bin: it is for the caller to
    fill.

    Args:
        frames: finite frames only.
        n_bins: bins from 0 to n_bins * bin_width, which is at most half the smallest cell height
            unless `all_images`.
        bin_width: in A.
        all_images: count every periodic image; see `pair_distances`.
    """
    size = (len(pair_names(frames.species)), n_bins + 1)
    if not len(frames):
        return
    if needs_images(frames, n_bins * bin_width, all_images):
        for labels, distances, weight in pair_distances(frames, n_bins * bin_width, all_images):
            yield weight * _binned(labels, distances, size, bin_width)
    elif frames.n_atoms <= DENSE_ATOMS:
        yield from _dense_counts(frames, size, bin_width)
    else:
        yield from _sorted_counts(frames, size, bin_width)


def _binned(
    labels: NDArray[np.intp], distances: NDArray[np.float64], size: tuple[int, int], width: float
) -> NDArray[np.float64]:
    # Clipped before the cast: an exploded molecule exceeds any integer.
    bins = np.minimum(distances / width, size[1] - 1).astype(np.intp)
    bins += labels * size[1]
    return np.bincount(bins, minlength=size[0] * size[1]).reshape(size).astype(np.float64)


def _dense_counts(
    frames: Frames, size: tuple[int, int], width: float
) -> Iterator[NDArray[np.float64]]:
    periodic = is_periodic(frames)
    kinds, table = label_table(frames.species)
    first, second = (index.astype(np.intp) for index in np.triu_indices(frames.n_atoms, 1))
    offsets = table[kinds[first], kinds[second]] * size[1]
    for start in range(0, len(frames), FRAMES_AT_A_TIME):
        batch = slice(start, start + FRAMES_AT_A_TIME)
        yield from _batch_counts(
            *_coordinates(frames.positions[batch], frames.cell[batch], periodic),
            first, second, offsets, size, width,
        )  # fmt: skip


def _coordinates(
    positions: NDArray[np.float64], cell: NDArray[np.float64], periodic: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Coordinates (3, N, F), fractional if periodic, and the lower-triangular cells (3, 3, F)."""
    if not periodic:
        # The median: an atom that flew away must not cost the others the digits of float32.
        centred = positions - np.median(positions, axis=1, keepdims=True)
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(centred.transpose(2, 1, 0), dtype=np.float32), None
    fractional = positions @ np.linalg.inv(cell)
    fractional -= np.floor(fractional)
    # cell = lower Q with Q orthogonal: distances are those of the triangular cell.
    r = np.asarray(np.linalg.qr(cell.transpose(0, 2, 1), mode="r"))
    return (
        np.ascontiguousarray(fractional.transpose(2, 1, 0), dtype=np.float32),
        np.ascontiguousarray(r.transpose(2, 1, 0), dtype=np.float32),
    )


def _batch_counts(
    x: NDArray[np.float32],
    cell: NDArray[np.float32] | None,
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    offsets: NDArray[np.intp],
    size: tuple[int, int],
    width: float,
) -> NDArray[np.float64]:
    """Counts (F, P, B + 1) of a batch of frames."""
    n_frames = x.shape[2]
    length = size[0] * size[1]
    counts = np.zeros(n_frames * length, dtype=np.int64)
    frame = np.arange(n_frames, dtype=np.intp) * length
    step = max(1, DISTANCES_AT_A_TIME // n_frames)
    # A cell without shear and without change needs one factor an axis.
    straight = cell is not None and not cell[[1, 2, 2], [0, 0, 1]].any()
    waiting: list[NDArray[np.intp]] = []
    with np.errstate(over="ignore", invalid="ignore"):
        for begin in range(0, len(first), step):
            i, j = first[begin : begin + step], second[begin : begin + step]
            d = [np.take(x[axis], i, axis=0) for axis in range(3)]
            for axis in range(3):
                d[axis] -= np.take(x[axis], j, axis=0)
            if cell is not None:
                for axis in range(3):
                    d[axis] -= np.rint(d[axis])
                if not straight:
                    # Rows in this order overwrite nothing that is still needed.
                    d[0] *= cell[0, 0]
                    d[0] += d[1] * cell[1, 0]
                    d[0] += d[2] * cell[2, 0]
                    d[1] *= cell[1, 1]
                    d[1] += d[2] * cell[2, 1]
                    d[2] *= cell[2, 2]
                else:
                    for axis in range(3):
                        d[axis] *= cell[axis, axis]
            for axis in range(3):
                d[axis] *= d[axis]
            squared = d[0]
            squared += d[1]
            squared += d[2]
            np.sqrt(squared, out=squared)
            squared *= np.float32(1 / width)
            # NaN where an exploded molecule overflows float32: beyond the last bin as well.
            np.fmin(squared, np.float32(size[1] - 1), out=squared)
            bins = squared.astype(np.intp)
            bins += offsets[begin : begin + step, None]
            bins += frame
            waiting.append(bins.ravel())
            if len(waiting) * step * n_frames >= 4 * len(counts) or begin + step >= len(first):
                counts += np.bincount(np.concatenate(waiting), minlength=len(counts))
                waiting = []
    return counts.reshape(n_frames, *size).astype(np.float64)


def _sorted_counts(
    frames: Frames, size: tuple[int, int], width: float
) -> Iterator[NDArray[np.float64]]:
    periodic = is_periodic(frames)
    kinds, table = label_table(frames.species)

    def count(index: int) -> NDArray[np.float64]:
        cell = frames.cell[index] if periodic else None
        return column_counts(frames.positions[index], cell, kinds, table, size, width)

    threads = min(MAX_THREADS, len(os.sched_getaffinity(0)))
    with ThreadPoolExecutor(threads) as pool:
        running: deque[Future[NDArray[np.float64]]] = deque()
        for index in range(len(frames)):
            running.append(pool.submit(count, index))
            if len(running) > threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
