"""Frames of several compositions, as one file may hold them: what a training and its test take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.data.split import split_frames, split_indices


@dataclass(frozen=True)
class Collection:
    """The frames of one source, grouped by composition.

    Attributes:
        groups: frames of each composition (and periodicity, and with or without stress).
        places: of the frames of each group in the source, (T_g,).
        isolated_ev: element to energy in eV, of isolated atoms in the source; they are no frames.
        source: where it comes from.
    """

    groups: tuple[Frames, ...]
    places: tuple[NDArray[np.int64], ...]
    isolated_ev: Mapping[str, float]
    source: str

    @classmethod
    def of(cls, frames: Frames) -> Collection:
        """One composition."""
        return cls((frames,), (np.arange(len(frames), dtype=np.int64),), {}, frames.source)

    def __len__(self) -> int:
        return sum(len(frames) for frames in self.groups)

    def split(
        self, sizes: list[int], *, method: str, seed: int, gap: int = 0
    ) -> list[list[Frames]]:
        """Parts of so many frames each, out of all compositions; see `split_indices`.

        Returns:
            The groups of each part; those that a part has no frame of are left out.
        """
        if len(self.groups) == 1:  # whose time step a contiguous part keeps
            parts = split_frames(self.groups[0], sizes, method=method, seed=seed, gap=gap)
            return [[part] if len(part) else [] for part in parts]
        indices = split_indices(len(self), sizes, method=method, seed=seed, gap=gap)
        order = np.sort(np.concatenate(self.places))  # isolated atoms took places, too
        return [self._at(order[part]) for part in indices]

    def _at(self, wanted: NDArray[np.int64]) -> list[Frames]:
        found = []
        for frames, places in zip(self.groups, self.places, strict=True):
            mine = wanted[np.isin(wanted, places)]
            if mine.size:
                found.append(frames.select(np.searchsorted(places, mine)))
        return found
