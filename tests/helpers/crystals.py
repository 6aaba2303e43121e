"""Frames of crystals and gases whose local structure and structure factor are known."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import bulk
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames


def frames_of(
    atoms: Atoms, positions: NDArray[np.float64] | None = None, source: str = "atoms"
) -> Frames:
    """One frame of a periodic structure, or several (T, N, 3) in its cell."""
    x = atoms.positions[None] if positions is None else positions
    return Frames(
        species=tuple(atoms.get_chemical_symbols()),
        positions=np.array(x),
        cell=np.broadcast_to(atoms.cell.array, (len(x), 3, 3)).copy(),
        pbc=(True,) * 3,
        energy=None,
        forces=None,
        timestep_fs=1.0,
        source=source,
    )


def crystal(name: str, structure: str, a: float, repeat: int = 2) -> Atoms:
    """A cubic crystal of ASE, repeated."""
    return bulk(name, structure, a=a, cubic=True).repeat(repeat)


def rattled(atoms: Atoms, amplitude: float, n_frames: int, seed: int = 0) -> Frames:
    """Independent Gaussian displacements of every coordinate, in A."""
    rng = np.random.default_rng(seed)
    noise = amplitude * rng.normal(size=(n_frames, len(atoms), 3))
    return frames_of(atoms, atoms.positions + noise, f"rattled {seed}")


def gas(species: tuple[str, ...], length: float, n_frames: int, seed: int = 0) -> Frames:
    """Independent atoms in a cube of that length in A."""
    rng = np.random.default_rng(seed)
    atoms = Atoms(species, cell=length * np.eye(3), pbc=True)
    return frames_of(atoms, length * rng.random((n_frames, len(species), 3)), f"gas {seed}")
