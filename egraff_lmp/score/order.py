"""Local structure of rollouts against the reference: angles, coordination, tetrahedra, units."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from egraff_lmp.score.arrays import Floats
from egraff_lmp.score.bond_angles import N_BINS, triples
from egraff_lmp.score.coordination import MAX_NUMBER
from egraff_lmp.score.curves import jensen_shannon
from egraff_lmp.score.floor import Floor
from egraff_lmp.score.lifetime import stable_frames
from egraff_lmp.score.local_structure import LocalStructure, local_structure
from egraff_lmp.score.matched import floor_of_blocks, left_out, nothing_left
from egraff_lmp.score.metric import Context, Metric, Sample, Samples, Sums, Value, once
from egraff_lmp.score.neighbours import Shells, first_shells
from egraff_lmp.score.options import EGRAFF
from egraff_lmp.score.records import (
    REFERENCE,
    ROLLOUTS,
    STABILITY,
    STRUCTURE,
    TOTAL,
    Counts,
    Curves,
    Fact,
)
from egraff_lmp.score.structure import distances
from egraff_lmp.score.sums import absent, counts_of, mean
from egraff_lmp.score.tetrahedral import GROUP_14, TETRAHEDRAL_ABOVE
from egraff_lmp.score.units import BOND_A, CENTRE, LIGAND


@dataclass(frozen=True)
class Surroundings:
    """Local structure of reference and rollouts, within the first shells of the reference."""

    shells: Shells
    reference: LocalStructure
    rollouts: Sequence[LocalStructure]

    @property
    def frames(self) -> int:
        """Finite frames of the rollouts that are looked at."""
        return int(sum(one.n_frames.sum() for one in self.rollouts))

    def floor(
        self, context: Context, value: Value, own: Sums, theirs: Sequence[Sums]
    ) -> Floor | None:
        """What a perfect model would read of sums over the blocks."""
        frames = [one.n_frames for one in self.rollouts]
        return floor_of_blocks(context, value, own, self.reference.n_frames, theirs, frames)


@once
def whole(context: Context) -> Surroundings:
    """Of a scoring, of all frames."""
    shells = first_shells(distances(context)[EGRAFF].reference, context.reference.species)
    options = context.options
    reference = local_structure(context.reference, shells, n_blocks=options.n_blocks)
    rollouts = [
        local_structure(one.frames, shells, n_blocks=options.n_blocks, skip=options.skip)
        for one in context.rollouts
    ]
    return Surroundings(shells, reference, rollouts)


@once
def surroundings(context: Context) -> Surroundings:
    """Of a scoring, of the rollouts' frames before their loss of stability."""
    found, options = whole(context), context.options
    until = stable_frames(context, EGRAFF)
    rollouts = [
        known
        if stable == len(kept)
        else local_structure(
            one.frames.select(slice(0, options.skip + stable)),
            found.shells,
            n_blocks=options.n_blocks,
            skip=options.skip,
        )
        for known, one, kept, stable in zip(
            found.rollouts, context.rollouts, context.kept, until, strict=True
        )
    ]
    return replace(found, rollouts=rollouts)


def angles_by_kind(found: LocalStructure, shells: Shells) -> dict[str, Floats]:
    """Counts of angles between bonds, (K, 90): of all, and of each kind, "Te-Ge-Te".

    The element in the middle is that of the atom at which the angle is.
    """
    parts = {}
    for row, (a, c, b) in enumerate(triples(len(shells.elements)).tolist()):
        if shells.bonded[a, c] and shells.bonded[c, b]:
            name = "-".join(shells.elements[kind] for kind in (a, c, b))
            parts[name] = found.angles[:, row]
    return {TOTAL: found.angles.sum(axis=1), **parts}


def numbers_by_pair(found: LocalStructure, shells: Shells) -> dict[str, Floats]:
    """Counts of atoms with so many neighbours, (K, 32): of all bonds, and of each pair.

    "Ge-Te" are the tellurium atoms around germanium, "Te-Ge" the germanium atoms around tellurium.
    """
    names = shells.elements
    pairs = [(a, b) for a in range(len(names)) for b in range(len(names)) if shells.cutoffs[a, b]]
    parts = {f"{names[a]}-{names[b]}": found.numbers[:, a, b] for a, b in pairs}
    return {TOTAL: found.bonds, **parts}


def divergences(
    name: str,
    of: Callable[[LocalStructure, Shells], Mapping[str, Floats]],
    x: Floats,
    units: tuple[str, str] = ("1", "1"),
) -> Samples:
    """Samples of the JSD of a distribution from the reference's, with its curves.

    Args:
        name: of its `Curves`.
        of: counts by part, (K, B).
        x: (B,) bin centres.
        units: of x and of the density.
    """
    width = float(x[1] - x[0])

    def curves(sides: Sequence[LocalStructure], shells: Shells) -> Curves:
        counts = [of(one, shells) for one in sides]
        sums = {
            part: np.concatenate([one[part] for one in counts]).sum(axis=0) for part in counts[0]
        }
        density = {part: one / max(one.sum() * width, 1.0) for part, one in sums.items()}
        frames = int(sum(one.n_frames.sum() for one in sides))
        return Curves(name, x, units[0], density, units[1], frames)

    def samples(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
        if not context.rollouts:
            yield absent(context, STRUCTURE, [Fact("no-rollouts")], TOTAL)
            return
        found = surroundings(context)
        sides = {REFERENCE: [found.reference], ROLLOUTS: found.rollouts}
        drawn = tuple(
            replace(curves(each, found.shells), mode=mode, side=side)
            for side, each in sides.items()
        )
        theirs = [of(one, found.shells) for one in found.rollouts]
        finite = whole(context).frames
        for part, own in of(found.reference, found.shells).items():
            counted = [one[part] for one in theirs]
            perfect = found.floor(context, jensen_shannon, own, counted)
            yield Sample(
                STRUCTURE,
                part,
                rollouts=counted,
                reference=own,
                value=jensen_shannon,
                floor=None if perfect is None else perfect.mean,
                floor_high=None if perfect is None else perfect.high,
                counts=_counts(context, found, finite),
                window=_shell_window(context, found.shells, part),
                absence=nothing_left(found.frames, finite),
                undefined=Fact("no-neighbours", {"part": part}),
                facts=tuple(left_out(found.frames, finite)),
                curves=drawn,
            )

    return samples


def _counts(context: Context, found: Surroundings, finite: int) -> Counts:
    """Frames that are looked at; failed are those that are not finite."""
    counts = counts_of(context, finite, int(found.reference.n_frames.sum()))
    return replace(counts, frames=found.frames)


def _shell_window(context: Context, shells: Shells, part: str) -> Fact:
    """The cutoffs that a part depends on, in A."""
    names = shells.elements
    kinds = [names.index(name) for name in part.split("-")] if part != TOTAL else []
    pairs = [(min(pair), max(pair)) for pair in pairwise(kinds)]
    if part == TOTAL:
        pairs = [(a, b) for a, b in np.argwhere(shells.bonded).tolist() if a <= b]
    within = {f"{names[a]}-{names[b]}": float(shells.cutoffs[a, b]) for a, b in sorted(pairs)}
    return Fact("first-shells", {"skip": context.options.skip, **within})


def tetrahedral_errors(column: int, scale: float = 1.0) -> Samples:
    """Samples of a mean over atoms of group 14: its difference from the reference's.

    Args:
        column: of `LocalStructure.tetrahedral`, 0 for q, 1 for the fraction that is tetrahedral.
        scale: what the difference is multiplied by, 100 for a value in %.
    """

    def value(sums: Sums, own: Sums) -> float:
        return scale * abs(mean(sums[[column, -1]]) - mean(own[[column, -1]]))

    def samples(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
        elements = [element for element in GROUP_14 if element in context.reference.species]
        if not context.rollouts or not elements:
            why = Fact("no-rollouts") if elements else Fact("no-group-14")
            yield absent(context, STRUCTURE, [why])
            return
        found = surroundings(context)
        own = found.reference.tetrahedral
        theirs = [one.tetrahedral for one in found.rollouts]
        values = {
            name: scale * mean(np.concatenate(blocks).sum(axis=0)[[column, -1]])
            for name, blocks in (("value", theirs), ("reference", [own]))
        }
        finite, perfect = whole(context).frames, found.floor(context, value, own, theirs)
        of = Fact("tetrahedral-order" if column == 0 else "tetrahedral-fraction", values)
        yield Sample(
            STRUCTURE,
            rollouts=theirs,
            reference=own,
            value=value,
            floor=None if perfect is None else perfect.mean,
            floor_high=None if perfect is None else perfect.high,
            counts=_counts(context, found, finite),
            window=Fact(
                "four-nearest",
                {
                    "skip": context.options.skip,
                    "elements": ", ".join(elements),
                    "above": TETRAHEDRAL_ABOVE,
                },
            ),
            absence=nothing_left(found.frames, finite),
            facts=(of, *left_out(found.frames, finite)),
        )

    return samples


def units_intact(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """The sample of the part of the phosphorus atoms that keep the bonds of the first frame, in %.

    Of all frames: what breaks is what is looked for. The reference's own part is a fact beside it.
    """
    lacking = not {CENTRE, LIGAND} <= set(context.reference.species)
    if not context.rollouts or lacking:
        yield absent(context, STABILITY, [Fact("no-units" if lacking else "no-rollouts")])
        return
    found = whole(context)

    def value(sums: Sums, own: Sums) -> float:
        return 100 * mean(sums)

    own = found.reference.units
    yield Sample(
        STABILITY,
        rollouts=[one.units for one in found.rollouts],
        reference=own,
        value=value,
        counts=counts_of(context, found.frames, int(found.reference.n_frames.sum())),
        window=Fact("units", {"skip": context.options.skip, "bond": BOND_A}),
        absence=None if found.frames else Fact("no-finite-frame"),
        facts=(Fact("units-of-reference", {"percent": value(own.sum(axis=0), own[0])}),),
        draws_reference=False,
    )


bond_angle_divergences = divergences(
    "angle",
    angles_by_kind,
    (np.arange(N_BINS, dtype=np.float64) + 0.5) * (180 / N_BINS),
    ("degrees", "1/degree"),
)
coordination_divergences = divergences(
    "n", numbers_by_pair, np.arange(MAX_NUMBER + 1, dtype=np.float64)
)
