"""Reference force fields asked about any frames, by name: the truth of `rerun-oracle`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.references.alanine import IMPLICIT, SPECIES, VACUUM, Amber, ask_amber
from egraff_lmp.references.spcfw import spcfw, water_topology
from egraff_lmp.rollout.datafile import Structure
from egraff_lmp.rollout.rerun import rerun

BLOCK_FRAMES = 2000

# Positions (N, 3) in A to (energy in eV, (N, 3) forces in eV/A).
Evaluate = Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]


@dataclass(frozen=True)
class Oracle:
    """One row of the table of oracles.

    Attributes:
        key: its name in configs and on the command line.
        title: for people.
        ask: (finite frames, folder for files of its own) to these frames with its labels.
        species: atoms of the one molecule that it knows, in their order; empty where it finds
            molecules itself.
        begin: starts what evaluates one configuration of that molecule at a time; None where it
            takes whole files alone.
    """

    key: str
    title: str
    ask: Callable[[Frames, Path], Frames]
    species: tuple[str, ...] = ()
    begin: Callable[[], Evaluate] | None = None


def _ask_spcfw(frames: Frames, folder: Path) -> Frames:
    """By LAMMPS, some frames at a time: their dumps take 40 kB for each frame of 192 atoms."""
    molecules = water_topology(Structure.from_frames(frames, 0))
    potential = replace(spcfw(), topology=lambda _: molecules)
    found = []
    for first in range(0, len(frames), BLOCK_FRAMES):
        block = folder / f"frames-{first}"
        found.append(rerun(potential, frames.select(slice(first, first + BLOCK_FRAMES)), block))
        shutil.rmtree(block)
    energies = [part.energy for part in found if part.energy is not None]
    forces = [part.forces for part in found if part.forces is not None]
    return replace(frames, energy=np.concatenate(energies), forces=np.concatenate(forces))


def _ask_implicit(frames: Frames, folder: Path) -> Frames:
    return ask_amber(frames, IMPLICIT)


def _ask_vacuum(frames: Frames, folder: Path) -> Frames:
    return ask_amber(frames, VACUUM)


def _begin_implicit() -> Evaluate:
    return Amber(IMPLICIT).evaluate


def _begin_vacuum() -> Evaluate:
    return Amber(VACUUM).evaluate


_ROWS = (
    Oracle("water", "SPC/Fw water, by LAMMPS", _ask_spcfw),
    Oracle(
        "alanine_dipeptide",
        "AMBER-03 in implicit solvent, by OpenMM",
        _ask_implicit,
        SPECIES,
        _begin_implicit,
    ),
    Oracle(
        "alanine_dipeptide_vacuum",
        "AMBER-03 in vacuum, by OpenMM",
        _ask_vacuum,
        SPECIES,
        _begin_vacuum,
    ),
)
ORACLES: dict[str, Oracle] = {row.key: row for row in _ROWS}


def ask(key: str, frames: Frames, folder: str | Path) -> Frames:
    """Frames with the energies and forces of a reference force field.

    Frames whose positions are not finite, which a broken rollout holds, get labels that are NaN.

    Args:
        key: a name in `ORACLES`.
        frames: positions and cells; their own labels are not used.
        folder: for the files of the program that evaluates.

    Raises:
        EgraffError: an unknown name, atoms that the force field does not know, or no program.
    """
    if key not in ORACLES:
        raise EgraffError(f"expected an oracle out of {', '.join(ORACLES)}, got '{key}'.")
    finite = np.isfinite(frames.positions).all(axis=(1, 2)) & np.isfinite(frames.cell).all(
        axis=(1, 2)
    )
    energy = np.full(len(frames), np.nan)
    forces = np.full(frames.positions.shape, np.nan)
    if finite.any():
        known = ORACLES[key].ask(frames.select(np.flatnonzero(finite)), Path(folder))
        energy[finite], forces[finite] = known.energy, known.forces
    return replace(frames, energy=energy, forces=forces, stress=None)
