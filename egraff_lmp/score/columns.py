"""Pair distances of many atoms, counted in bins within little memory.

Atoms are sorted into columns along the third lattice vector, at least r_max wide, and within a
column by their height. A block of consecutive atoms then meets, in each of the neighbouring
columns, one contiguous range of atoms; blocks times ranges are dense arrays that fit the cache, and
only what is closer than r_max is binned. Periodic images within r_max of the cell are listed as
atoms of their own; each pair is seen once, from the column (or the height) that comes first.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

BLOCK = 16
# Candidates at a time: arrays of 128 kB (float32), of which several stay in the cache of a core.
CANDIDATES = 32_768
MAX_COLUMNS = 64  # along an axis, for molecules that flew apart
HALF = ((0, 1), (1, -1), (1, 0), (1, 1))  # one of each pair of opposite columns
SLACK = 1e-9  # of fractions of a cell, for the rounding of sums with column numbers
_FAR = 1e18  # A; what fills up short blocks is beyond everything, and on two sides


def column_counts(
    positions: NDArray[np.float64],
    cell: NDArray[np.float64] | None,
    kinds: NDArray[np.intp],
    table: NDArray[np.intp],
    size: tuple[int, int],
    width: float,
) -> NDArray[np.float64]:
    """Pairs found in each bin, (P, B + 1); the last column is 0.

    Args:
        positions: (N, 3) in A.
        cell: (3, 3) in A, periodic in all directions, with heights of at least 2 r_max; None for a
            molecule.
        kinds: (N,) index of each atom's element.
        table: (E, E) pair label of two elements.
        size: P, B + 1.
        width: of a bin in A; r_max is B times that.
    """
    r_max = (size[1] - 1) * width
    atoms = _Columns(positions, cell, kinds, r_max)
    codes = (table * size[1]).ravel()
    counts = np.zeros(size[0] * size[1], dtype=np.int64)
    n_elements = len(table)
    for first, second, triangle in atoms.candidates():
        squared = _squared(atoms.x[first], atoms.x[second])
        if triangle:
            squared[:, np.tri(BLOCK, dtype=bool)] = np.inf
        near = np.flatnonzero(squared < np.float32(r_max**2))
        bins = (np.sqrt(squared.ravel()[near]) * np.float32(1 / width)).astype(np.intp)
        np.minimum(bins, size[1] - 1, out=bins)
        code = (
            atoms.kinds[first][:, :, None] * np.uint16(n_elements) + atoms.kinds[second][:, None, :]
        )
        bins += codes[code.ravel()[near]]
        counts += np.bincount(bins, minlength=len(counts))
    found = counts.reshape(size).astype(np.float64)
    found[:, -1] = 0  # rounding may carry a distance of just r_max there
    return found


def _squared(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float32]:
    """Squared distances (K, B, W) of blocks x (K, B, 3) and ranges y (K, W, 3), in float32.

    Relative to the first atom of each block, so that float32 has digits enough in any cell.
    """
    origin = x[:, :1]
    with np.errstate(over="ignore"):
        a, b = (x - origin).astype(np.float32), (y - origin).astype(np.float32)
    squared = np.empty((len(x), x.shape[1], y.shape[1]), dtype=np.float32)
    d = np.empty_like(squared)
    with np.errstate(over="ignore"):  # of what flew away; infinity is beyond r_max as well
        for axis, target in enumerate((squared, d, d)):
            np.subtract(a[:, :, None, axis], b[:, None, :, axis], out=target)
            np.multiply(target, target, out=target)
            if axis:
                squared += d
    return squared


class _Columns:
    """Atoms and images in order of column and height, and which of them may be close.

    Attributes:
        x: (M + 2, 3) positions in A; the last two are fillers, far away on two sides.
        kinds: (M + 2,) elements.
    """

    def __init__(
        self,
        positions: NDArray[np.float64],
        cell: NDArray[np.float64] | None,
        kinds: NDArray[np.intp],
        r_max: float,
    ) -> None:
        periodic = cell is not None
        if cell is None:
            # Relative to the bulk of the atoms: one that flew away must not cost the others digits.
            positions = positions - np.median(positions, axis=0)
            low = positions.min(axis=0)
            # A little larger than the atoms' extent: fractions stay below 1.
            cell = np.diag(np.maximum(1.001 * np.ptp(positions, axis=0), r_max))
            inverse = np.linalg.inv(cell)
            s = (positions - low) @ inverse
        else:
            inverse = np.linalg.inv(cell)
            s = positions @ inverse
            s -= np.floor(s)
            s[s >= 1] = 0.0  # -1e-17 rounds up to 1
        heights = 1 / np.linalg.norm(inverse, axis=0)
        margin = r_max / heights
        real = np.ones(len(s), dtype=bool)
        if periodic:
            s, kinds, real = _with_images(s, kinds, real, margin)
        wide = r_max * (1 + SLACK)
        n_a, n_b = (int(np.clip(heights[axis] // wide, 1, MAX_COLUMNS)) for axis in (0, 1))
        a = np.clip(np.floor(s[:, 0] * n_a), -1, n_a).astype(np.int64) + 1
        b = np.clip(np.floor(s[:, 1] * n_b), -1, n_b).astype(np.int64) + 1
        self.row = n_b + 2
        column = a * self.row + b
        order = np.lexsort((s[:, 2], column))
        self.margin = float(margin[2]) + SLACK
        self.column, self.height, real = column[order], s[order, 2], real[order]
        # Heights lie in (-1, 2): one ascending number for column and height.
        self.rank = 4.0 * self.column + self.height
        self.n = len(order)
        fillers = np.array([[_FAR] * 3, [-_FAR] * 3])
        self.x = np.concatenate([s[order] @ cell if periodic else positions[order], fillers])
        self.kinds = np.concatenate([kinds[order], [0, 0]]).astype(np.uint16)
        self._blocks(real)

    def _blocks(self, real: NDArray[np.bool_]) -> None:
        """First and last index of blocks of atoms that are no images, all of one column."""
        inside = np.flatnonzero(real)  # contiguous within a column
        starts = np.flatnonzero(np.diff(self.column[inside], prepend=-1))
        lengths = np.diff(np.append(starts, len(inside)))
        n_blocks = -(-lengths // BLOCK)
        number = np.arange(n_blocks.sum()) - np.repeat(np.cumsum(n_blocks) - n_blocks, n_blocks)
        self.begin = inside[np.repeat(starts, n_blocks) + number * BLOCK]
        left = np.repeat(lengths, n_blocks) - number * BLOCK
        self.end = self.begin + np.minimum(left, BLOCK)

    def candidates(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], bool]]:
        """Blocks (K, B), what they meet (K, W), and whether that is the block itself."""
        filler = np.where(
            self.begin[:, None] + np.arange(BLOCK) < self.end[:, None],
            self.begin[:, None] + np.arange(BLOCK),
            self.n,
        )
        step = CANDIDATES // BLOCK**2
        for k in range(0, len(filler), step):
            itself = filler[k : k + step]
            # Fillers of the block's other side: two fillers must not be close.
            yield itself, np.where(itself == self.n, self.n + 1, itself), True
        top = self.rank[self.end - 1] + self.margin
        yield from self._ranges(filler, self.end, np.searchsorted(self.rank, top, "right"), 0)
        for a, b in HALF:
            shift = a * self.row + b
            low = np.searchsorted(self.rank, self.rank[self.begin] - self.margin + 4.0 * shift)
            high = np.searchsorted(self.rank, top + 4.0 * shift, "right")
            yield from self._ranges(filler, low, high, shift)

    def _ranges(
        self,
        blocks: NDArray[np.int64],
        low: NDArray[np.int64],
        high: NDArray[np.int64],
        shift: int,
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], bool]]:
        # Blocks of like ranges together: the longest of a batch is what all are filled up to.
        order = np.argsort(high - low, kind="stable")
        order = order[(high - low)[order] > 0]
        while order.size:
            longest = int(high[order[-1]] - low[order[-1]])
            batch = order[-max(1, CANDIDATES // (BLOCK * longest)) :]
            order = order[: -len(batch)]
            index = low[batch, None] + np.arange(longest)
            index[index >= high[batch, None]] = self.n + 1
            yield blocks[batch], index, False


def _with_images(
    s: NDArray[np.float64],
    kinds: NDArray[np.intp],
    real: NDArray[np.bool_],
    margin: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.bool_]]:
    """Fractional coordinates with the images that lie within a margin of the cell."""
    for axis in range(3):
        below = np.flatnonzero(s[:, axis] >= 1 - margin[axis])
        above = np.flatnonzero(s[:, axis] <= margin[axis])
        unit = np.eye(3)[axis]
        s = np.concatenate([s, s[below] - unit, s[above] + unit])
        kinds = np.concatenate([kinds, kinds[below], kinds[above]])
        images = np.zeros(len(below) + len(above), dtype=bool)
        real = np.concatenate([real, images])
    return s, kinds, real
