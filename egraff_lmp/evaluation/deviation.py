"""How far the members of an ensemble are from each other along a trajectory, and where most."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.deployed import DeployedModel
from egraff_lmp.errors import EgraffError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Deviations:
    """Deviations of T frames.

    Attributes:
        largest: of an atom's forces, (T,) in eV/A: what `pair_style egraff` compares with its
            limit.
        mean: over atoms, (T,) in eV/A.
        energy: of the energy per atom, (T,) in eV.
        worst_atom: index of the atom of the largest deviation, (T,).
    """

    largest: NDArray[np.float64]
    mean: NDArray[np.float64]
    energy: NDArray[np.float64]
    worst_atom: NDArray[np.int64]


def deviations(
    models: Sequence[DeployedModel],
    frames: Frames,
    progress: Callable[[int, int], None] | None = None,
) -> Deviations:
    """sigma_i = sqrt(mean over members |F_i - mean F_i|^2) of each atom of each frame.

    Args:
        models: at least two.
        frames: positions; labels are not looked at.
        progress: called with the frames done and the frames there are.

    Raises:
        EgraffError: fewer than two models, or an element that one does not know.
    """
    if len(models) < 2:
        raise EgraffError(
            f"expected at least two models, which may disagree, got {len(models)}: name more."
        )
    for model in models:
        model.check_species(frames.species)
    rows = []
    for t in range(len(frames)):
        found = [
            model.evaluate(frames.species, frames.positions[t], frames.cell[t], frames.pbc)
            for model in models
        ]
        forces = np.stack([one.forces for one in found])
        sigma = np.sqrt(((forces - forces.mean(axis=0)) ** 2).sum(axis=2).mean(axis=0))
        energies = np.array([one.energy for one in found]) / frames.n_atoms
        rows.append((sigma.max(), sigma.mean(), energies.std(), int(sigma.argmax())))
        if progress is not None:
            progress(t + 1, len(frames))
    largest, mean, energy, worst = (np.array(column) for column in zip(*rows, strict=True))
    bad = np.flatnonzero(~np.isfinite(largest))
    if bad.size:
        logger.warning(
            "%s: forces of a model are not finite in %d of %d frames (first: frame %d of those "
            "looked at): no deviation is known there, and these frames are picked last.",
            frames.source, bad.size, len(frames), bad[0],
        )  # fmt: skip
    return Deviations(largest, mean, energy, worst.astype(np.int64))


def most_uncertain(largest: NDArray[np.float64], n: int, gap: int = 1) -> NDArray[np.int64]:
    """Frames of the largest deviations, at least `gap` frames from each other, in order of time.

    Neighbours in time are nearly one frame: to label both is to pay twice. There may be fewer than
    `n` where the trajectory is short.
    """
    chosen: list[int] = []
    for frame in np.argsort(-largest, kind="stable"):
        if len(chosen) == n:
            break
        if all(abs(int(frame) - other) >= gap for other in chosen):
            chosen.append(int(frame))
    return np.array(sorted(chosen), dtype=np.int64)
