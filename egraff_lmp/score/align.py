"""Which frames may be compared with which: composition, atom order, time steps, same frames.

LAMMPS wants the first lattice vector along x and the second in the xy plane, and turns any other
cell (LiPS) there before it runs. Distances do not notice; forces set side by side do, and are
turned back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import gcd
from typing import Any

import numpy as np
from ase.geometry.minkowski_reduction import minkowski_reduce

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.score.arrays import Floats
from egraff_lmp.score.records import Fact

# Dumps of 6 significant digits and float32 coordinates both stay below this.
SAME_FRAME_A = 2e-3
# Time steps written with few digits (1.209 fs) still divide each other to this.
STRIDE_TOLERANCE = 1e-3
# Cells that differ by more than this (relative) are not one cell seen from two sides.
STRAIN = 0.1
# Rotations smaller than this (rad) are digits of the cell, not a rotation.
ANGLE = 1e-4
TURNED = Fact("forces-turned-back")
# Boxes that differ by less (volume of an atom, lengths of lattice vectors, both relative) are one:
# 1 % of the volume moves a peak of g(r) at 5 A by 0.017 A, a third of a bin.
SAME_BOX = 0.01


@dataclass(frozen=True)
class Pairing:
    """T frames of the ground truth and of the model, and what was done to set them side by side."""

    truth: Frames
    model: Frames
    facts: tuple[Fact, ...] = field(default=(), kw_only=True)


def check_composition(reference: Frames, trajectory: Frames) -> None:
    """Same elements in the same proportions, and the same periodicity.

    A rollout of a larger cell of the same composition is fine for structure.

    Raises:
        EgraffError: anything else, with both compositions in the message.
    """
    expected, got = (
        _reduced_formula(one.species) if all(reference.pbc) else Counter(one.species)
        for one in (reference, trajectory)
    )
    if expected != got:
        raise EgraffError(
            f"{trajectory.source}: expected the composition of the reference {reference.source}, "
            f"{formula(reference.species)}, got {formula(trajectory.species)}: score it against a "
            "reference of the same material."
        )
    if reference.pbc != trajectory.pbc:
        raise EgraffError(
            f"{trajectory.source}: expected the periodicity of the reference {reference.source}, "
            f"{reference.pbc}, got {trajectory.pbc}: run it with the boundaries of the reference."
        )


def other_box(reference: Frames, rollout: Frames) -> tuple[Fact, ...]:
    """Facts where a rollout has another number of atoms, or another cell, than the reference.

    Cells are means over the frames, periodic ones alone. Those of equally many atoms are compared
    by their volumes and by the lengths of their shortest lattice vectors, which neither a rotation
    nor another choice of vectors changes; those of other sizes by the volume of an atom.
    """
    facts = []
    if reference.n_atoms != rollout.n_atoms:
        found = {"rollout": rollout.n_atoms, "reference": reference.n_atoms}
        facts.append(Fact("other-size", found))
    mine, truth = _mean_cell(rollout), _mean_cell(reference)
    if mine is None or truth is None:
        return tuple(facts)
    volume, of_truth = (
        float(abs(np.linalg.det(cell))) / one.n_atoms
        for cell, one in ((mine, rollout), (truth, reference))
    )
    if abs(volume / of_truth - 1) > SAME_BOX:
        facts.append(Fact("other-density", {"rollout": volume, "reference": of_truth}))
    elif not facts:
        sides, others = (
            np.sort(np.linalg.norm(minkowski_reduce(cell)[0], axis=1)) for cell in (mine, truth)
        )
        if np.abs(sides / others - 1).max() > SAME_BOX:
            facts.append(Fact("other-shape"))
    return tuple(facts)


def _mean_cell(frames: Frames) -> Floats | None:
    """(3, 3) in A; None without a cell, or where no frame has a finite one."""
    finite = frames.cell[np.isfinite(frames.cell).all(axis=(1, 2))]
    if not all(frames.pbc) or not len(finite) or np.linalg.det(finite.mean(axis=0)) == 0:
        return None
    return np.asarray(finite.mean(axis=0))


def formula(species: tuple[str, ...]) -> str:
    """Composition as "Ge40 Te160", elements in alphabetical order."""
    return " ".join(f"{element}{number}" for element, number in sorted(Counter(species).items()))


def pair_in_time(reference: Frames, trajectory: Frames, start: int, skip: int) -> Pairing | Fact:
    """Rollout at time t against reference at time t ("trajectory"), or why that cannot be.

    Args:
        reference: the time series that the rollout started from.
        trajectory: the rollout; its first frame is time 0.
        start: index of the reference frame that the rollout started from.
        skip: frames of the trajectory left out at its beginning.

    Raises:
        EgraffError: the reference has no such starting frame.
    """
    if not 0 <= start < len(reference):
        raise EgraffError(
            f"expected a starting frame between 0 and {len(reference) - 1} of "
            f"{reference.source}, got {start}: check --start."
        )
    if reference.species != trajectory.species:
        return Fact("other-atoms")
    strides = _strides(reference.timestep_fs, trajectory.timestep_fs)
    if strides is None:
        found = {"reference_fs": reference.timestep_fs, "rollout_fs": trajectory.timestep_fs}
        return Fact("strides-do-not-fit", found)
    every_truth, every_model, fact = strides
    first = -(-skip // every_model)  # the first common frame at or after `skip`
    truth = reference.select(slice(start + first * every_truth, None, every_truth))
    model = trajectory.select(slice(first * every_model, None, every_model))
    frames = min(len(truth), len(model))
    if frames == 0:
        return Fact("no-common-times")
    model, turned = oriented_like(reference, model.select(slice(0, frames)))
    facts = (fact, TURNED) if turned else (fact,)
    return Pairing(truth.select(slice(0, frames)), model, facts=facts)


def pair_reruns(truth: Frames, model: Frames, comparison: str) -> Pairing:
    """Truth and model on the same frames, as LAMMPS `rerun` evaluates them.

    Raises:
        EgraffError: they are not the same frames.
    """
    where = f"{comparison}: {model.source}"
    if truth.species != model.species:
        raise EgraffError(
            f"{where}: expected the atoms of {truth.source}, {formula(truth.species)} in the same "
            f"order, got {formula(model.species)}: rerun the same frames."
        )
    if len(truth) != len(model):
        raise EgraffError(
            f"{where}: expected the {len(truth)} frames of {truth.source}, got {len(model)}: "
            "rerun all of its frames, and only those."
        )
    model, turned = oriented_like(truth, model)
    distance = _largest_distance(truth, model)
    if distance > SAME_FRAME_A:
        raise EgraffError(
            f"{where}: expected the positions of {truth.source}, got positions up to "
            f"{distance:.3g} A away: rerun these very frames, in their order."
        )
    return Pairing(truth, model, facts=(TURNED,) if turned else ())


def rotation_between(cell: Floats, other: Floats) -> Floats | None:
    """The proper rotation Q with other @ Q close to cell, (3, 3); None where there is none.

    The nearest rotation is taken from the polar decomposition of other^-1 cell. Where one cell is
    left-handed and the other is not, two lattice vectors have been exchanged (LAMMPS needs a
    right-handed cell); the exchange that fits best is undone. Cells are (3, 3) in A, rows are
    lattice vectors.
    """
    if not (np.isfinite(cell).all() and np.isfinite(other).all()):
        return None
    if min(abs(np.linalg.det(cell)), abs(np.linalg.det(other))) == 0:
        return None
    same_hand = np.linalg.det(cell) * np.linalg.det(other) > 0
    orders = [[0, 1, 2]] if same_hand else [[1, 0, 2], [0, 2, 1], [2, 1, 0]]
    changes = [np.linalg.svd(np.linalg.solve(other[order], cell)) for order in orders]
    u, stretch, v = min(changes, key=lambda change: np.abs(change[1] - 1).max())
    return u @ v if np.abs(stretch - 1).max() < STRAIN else None


def oriented_like(truth: Frames, model: Frames) -> tuple[Frames, bool]:
    """`model` with its vectors and its stress turned like `truth`, and whether that was needed.

    It is left as it is where no rotation relates the first cells, and without a cell.
    """
    if not all(truth.pbc) or not len(truth) or not len(model):
        return model, False
    rotation = rotation_between(truth.cell[0], model.cell[0])
    if rotation is None or np.abs(rotation - np.eye(3)).max() < ANGLE:
        return model, False
    turned = replace(
        model,
        positions=model.positions @ rotation,
        cell=model.cell @ rotation,
        forces=None if model.forces is None else model.forces @ rotation,
        stress=None if model.stress is None else rotation.T @ model.stress @ rotation,
    )
    return turned, True


def _reduced_formula(species: tuple[str, ...]) -> dict[str, int]:
    counts = Counter(species)
    divisor = gcd(*counts.values()) if counts else 1
    return {element: number // divisor for element, number in counts.items()}


def _strides(truth_fs: float | None, model_fs: float | None) -> tuple[int, int, Fact] | None:
    """Every which frame of truth and of model to take, and what that is; None if nothing fits."""
    if not truth_fs or not model_fs:
        whose = "reference" if not truth_fs else "rollout"
        return 1, 1, Fact("frame-by-frame", {"whose": whose})
    for every_truth in range(1, 101):
        fs = every_truth * truth_fs
        every_model = round(fs / model_fs)
        if 1 <= every_model <= 100 and abs(every_model * model_fs / fs - 1) < STRIDE_TOLERANCE:
            found = {"fs": fs, "reference": every_truth, "rollout": every_model}
            return every_truth, every_model, Fact("equal-times", found)
    return None


def _largest_distance(a: Frames, b: Frames) -> float:
    """Largest displacement between two sets of frames, periodic images allowed, in A."""
    images = all(a.pbc) and np.isfinite(a.cell).all() and np.all(np.linalg.det(a.cell) != 0)
    largest = 0.0
    # Frame by frame: no further arrays of the size of the trajectory.
    for x, y, cell in zip(a.positions, b.positions, a.cell, strict=True):
        difference: Floats = x - y
        if images:
            fractional = difference @ np.linalg.inv(cell)
            difference = (fractional - np.round(fractional)) @ cell
        else:
            difference = difference - difference.mean(axis=0)
        distances = np.linalg.norm(difference, axis=-1)
        largest = max(largest, float(distances[np.isfinite(distances)].max(initial=0.0)))
    return largest


def concatenate(parts: Sequence[Frames]) -> Frames:
    """Frames of several files of the same atoms, one after the other; no time series any more."""
    if len(parts) == 1:
        return parts[0]
    for part in parts[1:]:
        if part.species != parts[0].species:
            raise EgraffError(
                f"{part.source}: expected the atoms of {parts[0].source} in the same order, got "
                f"{formula(part.species)}: score them in separate calls."
            )

    def joined(name: str) -> Floats | None:
        arrays = [getattr(part, name) for part in parts]
        return None if any(array is None for array in arrays) else np.concatenate(arrays)

    labels: dict[str, Any] = {name: joined(name) for name in ("energy", "forces", "stress")}
    return replace(
        parts[0],
        positions=np.concatenate([part.positions for part in parts]),
        cell=np.concatenate([part.cell for part in parts]),
        **labels,
        timestep_fs=None,
        source=", ".join(part.source for part in parts),
    )
