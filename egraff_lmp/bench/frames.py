"""Frames of a benchmark: those of the reference, and what stages left for later ones.

The reference is made by LAMMPS with a classical potential, or read from ab-initio data. Either way
the result is the same: the frames in time order, and the three parts of the split as npz archives
that the trainer reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ase.build import bulk
from ase.data import atomic_numbers

from egraff_lmp.bench.config import AbInitio, BenchConfig, Classical, Part
from egraff_lmp.bench.stage import StageResult
from egraff_lmp.data import Frames
from egraff_lmp.data.ase_io import frames_from_images
from egraff_lmp.data.npz import read_npz
from egraff_lmp.data.split import check_leakage, frame_hashes
from egraff_lmp.data.table import read_source
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import atomic_path
from egraff_lmp.score.records import Fact, RunEnd
from egraff_lmp.score.rollout import Rollout, read_rollout
from egraff_lmp.score.stability import not_finite


def crystal(settings: Classical) -> Frames:
    """One frame: the perfect crystal, atoms in the order of the conventional cells."""
    try:
        length = settings.lattice_constant_angstrom
        cell = bulk("".join(settings.species), settings.structure, a=length, cubic=True)
        atoms = cell.repeat(settings.repeat)
    except (KeyError, ValueError, RuntimeError) as error:
        raise EgraffError(
            f"reference: expected species that fit the structure {settings.structure}, got "
            f"{', '.join(settings.species)} ({error})."
        ) from None
    return frames_from_images([atoms], f"{settings.structure} {''.join(settings.species)}")


def write_npz(frames: Frames, path: Path) -> None:
    """Frames as an archive with the array names of MDBENCHGNN; born atomically."""
    arrays: dict[str, Any] = {
        "pos": frames.positions,
        "cell": frames.cell,
        "pbc": np.array(frames.pbc),
        "atomic_numbers": np.array([atomic_numbers[s] for s in frames.species]),
        "energy": None if frames.energy is None else frames.energy[:, None],
        "forces": frames.forces,
    }
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, **{name: array for name, array in arrays.items() if array is not None})


def read_ab_initio(settings: AbInitio) -> Frames:
    """The sources one after the other: a time series, unless the settings say that it is none.

    Raises:
        EgraffError: a source is missing, or they are not the same atoms.
    """
    frames = _read(settings.sources, settings)
    return frames if settings.time_series else replace(frames, timestep_fs=None)


def _read(sources: Iterable[str], settings: Classical | AbInitio) -> Frames:
    """Sources in order, as a molecule in empty space where the settings ask for it."""
    frames = joined([read_source(source) for source in sources], settings.stride_fs)
    boxed = isinstance(settings, Classical) or settings.periodic is None
    return frames if boxed else replace(frames, pbc=(False, False, False))


def parts_of(
    frames: Frames, config: BenchConfig
) -> tuple[dict[str, Frames], dict[str, list[str]], int]:
    """The parts of the split: of the reference, or of sources of their own.

    A part that is read from elsewhere may hold frames that are held out (MD17's `train` shares some
    with its `test`); those are left out of it. Frames shared otherwise are an error.

    Returns:
        File name to frames; part ("train", "validation", "held_out") to its file names, one for
        each source; and how many frames were left out.

    Raises:
        EgraffError: a source is missing or too short, or two parts share frames.
    """
    kept_out = set(frame_hashes(part_of(frames, config.split.held_out, "held_out")))
    found: dict[str, Frames] = {}
    names: dict[str, list[str]] = {}
    left_out = 0
    for name, part in config.split.given:
        pieces = [] if part.sources else [part_of(frames, part, name)]
        for source in part.sources:
            piece = part_of(_read([source], config.reference), part, f"{name} ({source})")
            fresh = [hash_ not in kept_out for hash_ in frame_hashes(piece)]
            left_out += fresh.count(False)
            pieces.append(piece if all(fresh) else piece.select(np.flatnonzero(fresh)))
        names[name] = [name] if len(pieces) == 1 else [f"{name}-{k}" for k in range(len(pieces))]
        found.update(zip(names[name], pieces, strict=True))
    check_leakage({part: [found[file] for file in files] for part, files in names.items()})
    return found, names, left_out


def joined(pieces: list[Frames], stride_fs: float) -> Frames:
    """Pieces of one trajectory as one.

    Raises:
        EgraffError: the atoms or the boundaries differ, or energies or forces are missing.
    """
    first = pieces[0]
    for piece in pieces:
        if piece.species != first.species or piece.pbc != first.pbc:
            raise EgraffError(
                f"{piece.source}: expected the atoms and boundaries of {first.source}, in the same "
                "order, got others: the sources of a reference are pieces of one trajectory."
            )
        if piece.energy is None or piece.forces is None:
            raise EgraffError(
                f"{piece.source}: expected energies and forces, "
                f"got no {'energies' if piece.energy is None else 'forces'}."
            )
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(piece, name) for piece in pieces])
        for name in ("positions", "cell", "energy", "forces")
    }
    source = " + ".join(piece.source for piece in pieces)
    return replace(first, **arrays, stress=None, timestep_fs=stride_fs, source=source)


def part_of(frames: Frames, part: Part, name: str) -> Frames:
    """The frames of a part, as a time series.

    Raises:
        EgraffError: the reference is shorter.
    """
    if part.last > len(frames):
        raise EgraffError(
            f"split.{name}: expected frames up to {part.last} of the reference, which has "
            f"{len(frames)}: shorten the part."
        )
    return frames.select(slice(part.first, part.last, part.every))


def held_out(config: BenchConfig, reference: StageResult) -> Frames:
    """The held-out part, as a time series where it is one."""
    step = config.stride_fs * config.split.held_out.every if config.time_series else None
    return archive(reference.path("held_out"), step)


def archive(path: Path, step_fs: float | None) -> Frames:
    """An archive that a stage wrote, as a time series if a time step is given.

    Read without the checks on foreign data: a bad model's forces may be absurd, and are a result.
    """
    return replace(read_npz(path), timestep_fs=step_fs)


def rollout_of(config: BenchConfig, rollout: StageResult) -> Rollout:
    """A rollout as a time series up to the first frame that is not finite, and how it ended.

    Of a rollout that broke down, that is what can be looked at; its end is part of the scores. Its
    wall times are not: the bytes of a score must not depend on what else a machine does.
    """
    found = read_rollout(rollout.path("trajectory"))
    frames = replace(found.frames, timestep_fs=config.stride_fs)
    end = found.end
    if end is None and rollout.value.get("status") == "failed":
        message = str(rollout.value.get("reason", ""))
        end = RunEnd(len(frames) - 1, Fact("lammps", {"message": message}))
    broken = not_finite(frames.positions, frames.forces, frames.energy)
    temperature, velocities = found.temperature_kelvin, found.velocities
    if broken is not None:
        # At least one frame: the start is a reference frame, and finite.
        end = broken if end is None or broken.frame < end.frame else end
        frames = frames.select(slice(0, broken.frame))
        temperature = None if temperature is None else temperature[: broken.frame]
        velocities = None if velocities is None else velocities[: broken.frame]
    return Rollout(
        frames=frames,
        temperature_kelvin=temperature,
        end=end,
        lasted_fs=rollout.value["n_steps"] * config.rollout.timestep_fs,
        asked_fs=config.steps * config.rollout.timestep_fs,
        velocities=velocities,
        thermo=found.thermo,
        ensemble=config.rollout.ensemble,
    )


def judged(config: BenchConfig, rollouts: Sequence[Frames]) -> tuple[Frames, tuple[int, ...]]:
    """The frames that an oracle is asked about (a committee: some of them), how many of each."""
    pieces = [one.select(slice(None, None, config.scoring.committee_every)) for one in rollouts]
    return joined(pieces, pieces[0].timestep_fs or 1.0), tuple(map(len, pieces))
