"""A committee of force fields in place of a ground truth that cannot be evaluated.

Density-functional theory cannot be asked about a rollout's own frames in passing. Force fields
that were trained apart can: where they agree with each other and not with the rollout's, the latter
is wrong; where they do not agree with each other, the error may be their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.score.align import pair_reruns
from egraff_lmp.score.arrays import Floats
from egraff_lmp.score.violation import force_violation, geometric_mean

MIN_MEMBERS = 2


def committee_mean(members: Sequence[Frames]) -> Frames:
    """The members' mean energies (T,) in eV and forces (T, N, 3) in eV/A on the same frames.

    Each member evaluated them in a rerun (`egraff_lmp.rollout.rerun`).

    Raises:
        EgraffError: fewer than two members, other frames, or one without energies and forces.
    """
    energies, forces = zip(*_labels(members), strict=True)
    return replace(
        members[0],
        energy=np.mean(energies, axis=0),
        forces=np.mean(forces, axis=0),
        source=f"mean of {', '.join(member.source for member in members)}",
    )


def disagreement(members: Sequence[Frames]) -> float:
    """FV between the members: the geometric mean over all pairs of them and all frames.

    Models are ranked by their FV against the mean whatever it is, but only a value above this is
    evidence of an error: below, it may be the members' own.

    Raises:
        EgraffError: as for `committee_mean`, or no two members are finite on the same frame.
    """
    pairs = combinations([forces for _, forces in _labels(members)], 2)
    value = geometric_mean(np.concatenate([force_violation(*pair) for pair in pairs]))
    if not np.isfinite(value):
        raise EgraffError(
            f"{members[0].source}: expected finite forces of at least two members on one frame, "
            "got none: the frames are out of reach of every model."
        )
    return value


def _labels(members: Sequence[Frames]) -> list[tuple[Floats, Floats]]:
    """Energies and forces of every member, in the orientation of the first."""
    if len(members) < MIN_MEMBERS:
        raise EgraffError(
            f"expected a committee of at least {MIN_MEMBERS} force fields, got {len(members)}."
        )
    labels = []
    for member in members:
        turned = pair_reruns(members[0], member, "committee").model
        if turned.energy is None or turned.forces is None:
            raise EgraffError(
                f"{member.source}: expected energies and forces of a member, got none: evaluate "
                "the frames with LAMMPS rerun."
            )
        labels.append((turned.energy, turned.forces))
    return labels
