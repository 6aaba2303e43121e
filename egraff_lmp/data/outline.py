"""What a first config needs to know of labelled frames: counts, elements, distances, order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data import timeline
from egraff_lmp.data.collection import Collection
from egraff_lmp.data.finding import CONTINUOUS
from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.graph import find_edges

LOOKED_AT = 5  # frames of each composition that distances are taken from
FOLLOWED = 200  # frames that tell whether they follow each other
# Frames in order of time are nearer to the next one than to any other: in random order the ratio of
# these distances is 1. Of 40 frames of a random walk, whose distances differ most, one of a hundred
# permutations is below 0.72; trajectories with a frame every 20 fs or less are at 0.02 to 0.33.
IN_ORDER = 0.7
# A cutoff of so many distances of nearest neighbours, which thermal motion makes a little shorter
# than the first peak of g(r), takes in the second and the third shell of a metal (at 1.41 and 1.73
# in fcc) and of a liquid; published settings of such force fields lie between these bounds.
NEIGHBOUR_DISTANCES, SHORTEST_A, LONGEST_A = 2.2, 4.0, 6.0


@dataclass(frozen=True)
class Outline:
    """Labelled frames of one or several compositions.

    Attributes:
        n_frames: in all.
        formulas: of the compositions, such as "Cu32", with `counts` frames of each.
        counts: see `formulas`.
        elements: alphabetically.
        n_atoms: of the largest frame.
        stress: whether all sources have stress labels to train on.
        in_order: whether the frames of a composition follow each other in time.
        nearest_angstrom: distance of the nearest neighbour, the largest of the elements' medians.
        r_max_angstrom: a cutoff to begin with.
        n_neighbours: within it, the mean over atoms.
    """

    n_frames: int
    formulas: tuple[str, ...]
    counts: tuple[int, ...]
    elements: tuple[str, ...]
    n_atoms: int
    stress: bool
    in_order: bool
    nearest_angstrom: float
    r_max_angstrom: float
    n_neighbours: float

    @property
    def systems(self) -> str:
        """Compositions with their frames: "60 frames of Cu32, 40 of Cu4Ni28"."""
        pairs = list(zip(self.counts, self.formulas, strict=True))
        shown = [f"{count} of {formula}" for count, formula in pairs[:4]]
        more = [f"{len(pairs) - 4} more compositions"] if len(pairs) > 4 else []
        return ", ".join([*shown, *more]).replace(" of ", " frames of ", 1)


def outline(sources: Sequence[Collection]) -> Outline:
    """What there is to know of the frames of sources.

    Raises:
        EgraffError: there is no frame, or no two atoms are near each other.
    """
    groups = [frames for source in sources for frames in source.groups]
    if not any(map(len, groups)):
        raise EgraffError("expected labelled frames, got none.")
    nearest = _nearest(groups)
    r_max = float(np.clip(NEIGHBOUR_DISTANCES * nearest, SHORTEST_A, LONGEST_A))
    r_max = round(2 * r_max) / 2
    tally: dict[str, int] = {}
    for one in groups:
        tally[one.formula] = tally.get(one.formula, 0) + len(one)
    degrees = [
        find_edges(one.positions[t], one.cell[t], one.pbc, r_max).index.shape[1] / one.n_atoms
        for one in groups
        for t in _some(one)
    ]
    return Outline(
        n_frames=sum(tally.values()),
        formulas=tuple(tally),
        counts=tuple(tally.values()),
        elements=tuple(sorted({name for one in groups for name in one.species})),
        n_atoms=max(one.n_atoms for one in groups),
        stress=all(map(_has_stress, sources)),
        in_order=any(map(in_order, groups)),
        nearest_angstrom=nearest,
        r_max_angstrom=r_max,
        n_neighbours=float(np.mean(degrees)),
    )


def in_order(frames: Frames) -> bool:
    """Whether frames follow each other in time, as far as their positions tell."""
    some = frames.select(slice(0, FOLLOWED))
    if len(some) < 3:
        return False
    vectors = timeline.displacements(some)
    ratio = timeline.against_random(some, vectors)
    return bool(timeline.continuity(vectors) > CONTINUOUS or ratio < IN_ORDER)


def _has_stress(source: Collection) -> bool:
    """Whether there are periodic frames, all of which have a stress, so that it can be learnt."""
    periodic = [frames for frames in source.groups if all(frames.pbc)]
    return bool(periodic) and all(frames.stress is not None for frames in periodic)


def _some(frames: Frames) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, len(frames) - 1, LOOKED_AT).astype(np.int64))


def _nearest(groups: Sequence[Frames]) -> float:
    """Median distance of nearest neighbours in A, of the element where it is largest."""
    found: dict[str, list[float]] = {}
    for one in groups:
        for t in _some(one):
            edges = find_edges(one.positions[t], one.cell[t], one.pbc, LONGEST_A)
            lengths = np.linalg.norm(edges.vectors(one.positions[t], one.cell[t]), axis=1)
            shortest = np.full(one.n_atoms, np.inf)
            np.minimum.at(shortest, edges.index[0], lengths)
            for element, length in zip(one.species, shortest, strict=True):
                if np.isfinite(length):
                    found.setdefault(element, []).append(float(length))
    if not found:
        raise EgraffError(
            f"expected neighbours within {LONGEST_A:g} A, no atom has any: positions are in A."
        )
    return max(float(np.median(lengths)) for lengths in found.values())
