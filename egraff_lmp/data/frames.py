"""The record that every reader returns and every metric takes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.errors import EgraffError

WEIGHTED = ("energy", "forces", "stress")  # columns of `Frames.weights`


def formula(species: Sequence[str]) -> str:
    """Elements with counts, alphabetically, such as Ge40Te160."""
    counts = Counter(species)
    return "".join(f"{name}{counts[name]}" for name in sorted(counts))


@dataclass(frozen=True)
class Frames:
    """T frames of the same N atoms.

    Attributes:
        species: element of each atom, length N.
        positions: (T, N, 3) in A, not wrapped into the cell by the reader.
        cell: (T, 3, 3) in A, rows are lattice vectors; zeros where there is no cell.
        pbc: periodicity along the three lattice vectors.
        energy: (T,) potential energy in eV, or None.
        forces: (T, N, 3) in eV/A, or None.
        timestep_fs: time between consecutive frames, or None where they are no time series.
        source: where they come from, for messages and provenance.
        stress: (T, 3, 3) in eV/A^3, positive under tension (ASE's sign), or None.
        weights: (T, 3), what a training's loss multiplies the errors of energy, forces and stress
            of each frame by, or None where all are 1.
    """

    species: tuple[str, ...]
    positions: NDArray[np.float64]
    cell: NDArray[np.float64]
    pbc: tuple[bool, bool, bool]
    energy: NDArray[np.float64] | None
    forces: NDArray[np.float64] | None
    timestep_fs: float | None
    source: str
    stress: NDArray[np.float64] | None = None
    weights: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        frames, atoms = self.positions.shape[0], len(self.species)
        expected = {
            "positions": (self.positions, (frames, atoms, 3)),
            "cell": (self.cell, (frames, 3, 3)),
            "energy": (self.energy, (frames,)),
            "forces": (self.forces, (frames, atoms, 3)),
            "stress": (self.stress, (frames, 3, 3)),
            "weights": (self.weights, (frames, len(WEIGHTED))),
        }
        for name, (array, shape) in expected.items():
            if array is not None and array.shape != shape:
                raise EgraffError(
                    f"{self.source}: expected {name} of shape {shape} for {frames} frames of "
                    f"{atoms} atoms, got {array.shape}: check the file."
                )

    def __len__(self) -> int:
        return int(self.positions.shape[0])

    @property
    def n_atoms(self) -> int:
        """Number of atoms N."""
        return len(self.species)

    @property
    def formula(self) -> str:
        """Elements with counts, alphabetically, such as Ge40Te160."""
        return formula(self.species)

    def select(self, which: slice | NDArray[np.int64]) -> Frames:
        """The frames `which`; the time step survives only a slice (its stride is applied)."""
        step = None
        if isinstance(which, slice) and self.timestep_fs is not None:
            step = self.timestep_fs * (which.step or 1)
        return replace(
            self,
            positions=self.positions[which],
            cell=self.cell[which],
            energy=None if self.energy is None else self.energy[which],
            forces=None if self.forces is None else self.forces[which],
            stress=None if self.stress is None else self.stress[which],
            weights=None if self.weights is None else self.weights[which],
            timestep_fs=step,
        )

    def weighed(self, label: str) -> Frames:
        """The frames whose `label`, of `WEIGHTED`, has a weight above 0: it is meant to be known.

        Files give a weight of 0 to labels that are there but worth nothing.
        """
        if self.weights is None:
            return self
        return self.select(np.flatnonzero(self.weights[:, WEIGHTED.index(label)] > 0))

    def sha256(self) -> str:
        """Hash of species, positions, cell, labels and weights: names a split in a model card."""
        digest = hashlib.sha256(" ".join(self.species).encode())
        labels = (self.energy, self.forces, self.stress, self.weights)
        for array in (self.positions, self.cell, *labels):
            if array is not None:
                digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
        return digest.hexdigest()
