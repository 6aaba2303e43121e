"""Train, validation and test parts of a data set, and proof that they share no frame."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError

logger = logging.getLogger(__name__)

METHODS = ("shuffled", "contiguous")
# Frames whose coordinates all agree to this are one frame; thermal motion in 1 fs is 100 times it.
SAME_POSITION_A = 1e-4


@dataclass(frozen=True)
class Leak:
    """Frames that two parts have in common.

    Attributes:
        first, second: names of the parts.
        frames: index in the first part and index in the second, counted over all its sources.
    """

    first: str
    second: str
    frames: tuple[tuple[int, int], ...]


def split_indices(
    n_frames: int, sizes: Sequence[int], *, method: str = "shuffled", seed: int = 0, gap: int = 0
) -> list[NDArray[np.int64]]:
    """Disjoint sets of frame indices.

    Args:
        n_frames: frames there are.
        sizes: frames wanted in each part.
        method: "shuffled" draws at random (frames that are no time series); "contiguous" takes
            blocks in order, so that neighbours in time stay in one part.
        seed: of the shuffle.
        gap: frames left out between contiguous blocks, to let them decorrelate.

    Raises:
        EgraffError: more frames wanted than there are, or an unknown method.
    """
    if method not in METHODS:
        raise EgraffError(f"expected a split out of {', '.join(METHODS)}, got '{method}'.")
    if any(size < 0 for size in sizes) or gap < 0:
        raise EgraffError(f"expected split sizes and gap of 0 or more, got {list(sizes)}, {gap}.")
    gap = gap if method == "contiguous" else 0
    wanted = sum(sizes) + gap * max(0, len([size for size in sizes if size]) - 1)
    if wanted > n_frames:
        raise EgraffError(
            f"expected at least {wanted} frames for parts of {', '.join(map(str, sizes))}"
            f"{f' with gaps of {gap}' if gap else ''}, got {n_frames}: ask for fewer."
        )
    order = np.arange(n_frames, dtype=np.int64)
    if method == "shuffled":
        order = np.random.default_rng(seed).permutation(n_frames).astype(np.int64)
    parts, start = [], 0
    for size in sizes:
        parts.append(order[start : start + size])
        start += size + (gap if size else 0)
    return parts


def split_frames(
    frames: Frames,
    sizes: Sequence[int],
    *,
    method: str = "shuffled",
    seed: int = 0,
    gap: int = 0,
) -> list[Frames]:
    """The parts of `frames`; see `split_indices`. Contiguous parts keep the time step."""
    parts = split_indices(len(frames), sizes, method=method, seed=seed, gap=gap)
    if method == "contiguous":
        return [frames.select(slice(int(p[0]), int(p[-1]) + 1) if p.size else p) for p in parts]
    return [frames.select(part) for part in parts]


def frame_hashes(frames: Frames) -> list[str]:
    """A hash of each frame's elements and positions (rounded to `SAME_POSITION_A`)."""
    head = " ".join(frames.species).encode()
    grid = np.rint(frames.positions / SAME_POSITION_A).astype("<i8")
    return [hashlib.sha256(head + row.tobytes()).hexdigest() for row in grid]


def find_leaks(parts: Mapping[str, Sequence[Frames]]) -> list[Leak]:
    """Frames that any two parts share."""
    hashes = {
        name: [value for frames in sources for value in frame_hashes(frames)]
        for name, sources in parts.items()
    }
    leaks = []
    for first, second in combinations(hashes, 2):
        where: dict[str, int] = {}
        for index, value in enumerate(hashes[first]):
            where.setdefault(value, index)
        shared = tuple(
            (where[value], index) for index, value in enumerate(hashes[second]) if value in where
        )
        if shared:
            leaks.append(Leak(first, second, shared))
    return leaks


def check_leakage(parts: Mapping[str, Sequence[Frames]], *, policy: str = "error") -> list[Leak]:
    """Refuse ("error") or report ("warn") frames shared between parts.

    Raises:
        EgraffError: policy "error", and a frame is in two parts.
    """
    if policy not in ("error", "warn"):
        raise EgraffError(f"expected leakage policy error or warn, got '{policy}'.")
    leaks = find_leaks(parts)
    for leak in leaks:
        i, j = leak.frames[0]
        message = (
            f"{len(leak.frames)} frames of {leak.second} are also in {leak.first} (first: frame "
            f"{j} is frame {i} of {leak.first}), so errors on {leak.second} flatter the model"
        )
        if policy == "error":
            raise EgraffError(
                f"expected parts without common frames, but {message}: remove them, or accept "
                "them with `leakage: warn`."
            )
        logger.warning("%s", message)
    return leaks
