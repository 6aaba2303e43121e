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
from collections.abc import Callable, Iterable, Iterator, Sequence
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

# A batch of frames: coordinates and counts that stay in the cache of a core.
COORDINATES_AT_A_TIME = 25_600
COUNTS_AT_A_TIME = 131_072
MIN_FRAMES = 16
# Enough to pay for looking through all counts once more, few enough for the cache.
BINS_AT_A_TIME = 262_144
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
    # Of atoms i and i + shift, for every shift: the pairs of a shift are two slices of an array.
    offsets = [
        (table[kinds[:-shift], kinds[shift:]] * size[1]).astype(np.int32)
        for shift in range(1, frames.n_atoms)
    ]
    fit = min(COORDINATES_AT_A_TIME // frames.n_atoms, COUNTS_AT_A_TIME // (size[0] * size[1]))
    n_batch = max(MIN_FRAMES, fit)

    def count(start: int) -> NDArray[np.float64]:
        batch = slice(start, start + n_batch)
        x, cell = _coordinates(frames.positions[batch], frames.cell[batch], periodic)
        return _batch_counts(x, cell, offsets, size, width)

    for counts in _in_order(count, range(0, len(frames), n_batch)):
        yield from counts


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
    offsets: Sequence[NDArray[np.int32]],
    size: tuple[int, int],
    width: float,
) -> NDArray[np.float64]:
    """Counts (F, P, B + 1) of a batch of frames.

    Args:
        x: (3, N, F) coordinates, see `_coordinates`.
        cell: (3, 3, F), or None.
        offsets: for each shift, (N - shift,) first bin of the pairs of atoms i and i + shift.
        size: P, B + 1.
        width: of a bin in A.
    """
    n_frames = x.shape[2]
    counts = np.zeros(n_frames * size[0] * size[1], dtype=np.int64)
    frame = np.arange(n_frames, dtype=np.int32) * np.int32(size[0] * size[1])
    # A cell without shear needs one factor an axis.
    straight = cell is not None and not cell[[1, 2, 2], [0, 0, 1]].any()
    lengths = None if cell is None else cell[[0, 1, 2], [0, 1, 2]][:, None]
    n_atoms = x.shape[1]
    d_all, image = (np.empty((3, n_atoms - 1, n_frames), dtype=np.float32) for _ in range(2))
    found = np.empty(BINS_AT_A_TIME + (n_atoms - 1) * n_frames, dtype=np.int32)
    done = 0
    with np.errstate(over="ignore", invalid="ignore"):
        for shift, offset in enumerate(offsets, 1):
            d = d_all[:, : n_atoms - shift]
            np.subtract(x[:, :-shift], x[:, shift:], out=d)
            if cell is not None:
                d -= np.rint(d, out=image[:, : n_atoms - shift])
                if not straight:
                    _unsheared(d, cell)
                else:
                    d *= lengths
            d *= d
            squared = d[0]
            squared += d[1]
            squared += d[2]
            np.sqrt(squared, out=squared)
            squared *= np.float32(1 / width)
            # NaN where an exploded molecule overflows float32: beyond the last bin as well.
            np.fmin(squared, np.float32(size[1] - 1), out=squared)
            bins = found[done : done + squared.size].reshape(squared.shape)
            np.copyto(bins, squared, casting="unsafe")  # the whole part, as a cast has it
            bins += offset[:, None]
            bins += frame
            done += squared.size
            if done >= BINS_AT_A_TIME or shift == len(offsets):
                counts += np.bincount(found[:done], minlength=len(counts))
                done = 0
    return counts.reshape(n_frames, *size).astype(np.float64)


def _unsheared(d: NDArray[np.float32], cell: NDArray[np.float32]) -> None:
    """Fractional differences (3, M, F) to A in place; rows in this order overwrite no input."""
    d[0] *= cell[0, 0]
    d[0] += d[1] * cell[1, 0]
    d[0] += d[2] * cell[2, 0]
    d[1] *= cell[1, 1]
    d[1] += d[2] * cell[2, 1]
    d[2] *= cell[2, 2]


def _sorted_counts(
    frames: Frames, size: tuple[int, int], width: float
) -> Iterator[NDArray[np.float64]]:
    periodic = is_periodic(frames)
    kinds, table = label_table(frames.species)

    def count(index: int) -> NDArray[np.float64]:
        cell = frames.cell[index] if periodic else None
        return column_counts(frames.positions[index], cell, kinds, table, size, width)

    yield from _in_order(count, range(len(frames)))


def _in_order(
    count: Callable[[int], NDArray[np.float64]], indices: Iterable[int]
) -> Iterator[NDArray[np.float64]]:
    """Results of `count` in the order of `indices`, made by a few threads just ahead of it."""
    threads = min(MAX_THREADS, len(os.sched_getaffinity(0)))
    with ThreadPoolExecutor(threads) as pool:
        running: deque[Future[NDArray[np.float64]]] = deque()
        for index in indices:
            running.append(pool.submit(count, index))
            if len(running) > threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
