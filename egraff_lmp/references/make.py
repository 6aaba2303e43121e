"""A data set made by its reference force field: a trajectory in segments, and parts drawn from it.

    trajectory.npz                  all frames in the order of time
    train.npz, val.npz, test.npz    drawn from it
    metadata.json, README.md        how it was made: settings, parameters, versions, seeds, facts

While it is made, a folder `unfinished` beside them holds what is done: the same call goes on there.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.data.split import split_indices
from egraff_lmp.data.store import read_header, read_store, write_store
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import require_writable, sha256_file, write_json, write_text
from egraff_lmp.locking import locked
from egraff_lmp.references.plan import PARTS, Maker, Plan
from egraff_lmp.runs.machine import hardware

SCHEMA = 1
KIND = "egraff data make"
TRAJECTORY, METADATA, README, UNFINISHED = "trajectory", "metadata.json", "README.md", "unfinished"
_BEGUN = "begun.json"

# Told of (segments done, segments in all).
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Made:
    """A finished set.

    Attributes:
        folder: where it lies.
        metadata: the content of its metadata.json.
        fresh: whether this call made it.
    """

    folder: Path
    metadata: Mapping[str, Any]
    fresh: bool


def make_set(maker: Maker, plan: Plan, folder: Path, progress: Progress | None = None) -> Made:
    """Make a data set, or go on with one that was begun with the same settings.

    Args:
        maker: the force field and its program.
        plan: sizes, times and seed.
        folder: of this one set.
        progress: called before the first segment and after each.

    Raises:
        EgraffError: the folder holds a set of other settings or cannot be written, or the program
            that makes it fails.
    """
    asked = {"set": maker.key, "plan": plan.to_dict(), "settings": maker.settings()}
    found = _finished(folder, asked)
    if found is not None:
        return Made(folder, found, fresh=False)
    require_writable(folder)
    work = folder.absolute() / UNFINISHED
    work.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        seconds = _begin(maker, plan, work, asked)
        for number in range(len(plan.segments)):
            if progress is not None:
                progress(number, len(plan.segments))
            if not _segment_path(work, number).is_file():
                _advance(maker, plan, work, number)
        metadata = _finish(maker, plan, folder, work, asked, seconds)
        shutil.rmtree(work)
    return Made(folder, metadata, fresh=True)


def _finished(folder: Path, asked: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The metadata of a finished set of these settings, or None where there is no finished set."""
    path = folder / METADATA
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        made = {name: found[name] for name in asked}
    except (ValueError, KeyError, TypeError):
        raise EgraffError(
            f"{path}: expected the record of a made set, got a damaged one: remove the folder, or "
            "choose another (--out)."
        ) from None
    _same(made, asked, folder, "a finished set")
    return dict(found)


def _begin(maker: Maker, plan: Plan, work: Path, asked: Mapping[str, Any]) -> float:
    """Bring the system to equilibrium, unless that is done; the seconds that it took."""
    path = work / _BEGUN
    if path.is_file():
        begun = json.loads(path.read_text(encoding="utf-8"))
        _same(begun["asked"], asked, work.parent, "an unfinished set")
        return float(begun["seconds"])
    began = time.monotonic()
    facts = maker.begin(plan, work)
    seconds = time.monotonic() - began
    write_json(path, {"asked": asked, "facts": dict(facts), "seconds": seconds})
    return seconds


def _same(found: Mapping[str, Any], asked: Mapping[str, Any], folder: Path, what: str) -> None:
    asked = json.loads(json.dumps(asked))
    for group in ("plan", "settings"):
        for name, value in asked[group].items():
            other = found.get(group, {}).get(name)
            if other != value:
                raise EgraffError(
                    f"{folder}: expected {what} with {name} {_short(value)}, got one with "
                    f"{_short(other)}: ask for the same again, remove the folder, or choose "
                    "another (--out)."
                )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 80 else f"{text[:76]}..."


def _segment_path(work: Path, number: int) -> Path:
    return work / f"segment-{number:05d}.npz"


def _advance(maker: Maker, plan: Plan, work: Path, number: int) -> None:
    began = time.monotonic()
    segment = maker.advance(plan, work, number)
    record = {"means": dict(segment.means), "seconds": time.monotonic() - began}
    write_store(segment.frames, _segment_path(work, number), record)


def _finish(
    maker: Maker,
    plan: Plan,
    folder: Path,
    work: Path,
    asked: Mapping[str, Any],
    seconds: float,
) -> Mapping[str, Any]:
    """Write trajectory, parts and records; the metadata comes last, as the sign of a whole set."""
    paths = [_segment_path(work, number) for number in range(len(plan.segments))]
    records = [read_header(path)["provenance"] for path in paths]
    begun = json.loads((work / _BEGUN).read_text(encoding="utf-8"))
    frames, energy = _joined([read_store(path) for path in paths], plan.stride_fs, maker.title)
    indices = split_indices(len(frames), plan.sizes, method=plan.method, seed=plan.seed)
    drawn = {name: part.tolist() for name, part in zip(PARTS, indices, strict=True)}
    files = {TRAJECTORY: frames}
    files |= {name: _part(frames, part, plan) for name, part in zip(PARTS, indices, strict=True)}
    written = {}
    for name, part in files.items():
        if len(part):
            path = folder / f"{name}.npz"
            whence = {"part": name, "frames_of_trajectory": drawn.get(name)}
            write_store(part, path, {"made_by": KIND, **asked, **whence})
            written[name] = {"n_frames": len(part), "sha256": sha256_file(path)}
    weights = np.array(plan.segments, dtype=np.float64)
    means = {
        name: float(np.average([record["means"][name] for record in records], weights=weights))
        for name in records[0]["means"]
    }
    metadata = {
        "kind": KIND,
        "schema": SCHEMA,
        **asked,
        "species": list(frames.species),
        "facts": {**begun["facts"], **means, "mean_energy_ev": float(energy.mean())},
        "files": written,
        "citations": [asdict(citation) for citation in maker.citations],
        "wall_seconds": round(seconds + sum(record["seconds"] for record in records), 1),
        "hardware": hardware(),
    }
    write_text(folder / README, readme(maker, plan, metadata))
    write_json(folder / METADATA, metadata)
    return metadata


def _part(frames: Frames, indices: NDArray[np.int64], plan: Plan) -> Frames:
    """Frames of a part; in blocks they keep their time step."""
    if plan.method == "contiguous" and len(indices):
        return frames.select(slice(int(indices[0]), int(indices[-1]) + 1))
    return frames.select(indices)


def _joined(
    parts: list[Frames], stride_fs: float, title: str
) -> tuple[Frames, NDArray[np.float64]]:
    """(The trajectory, its energies (T,) in eV)."""
    energies = [part.energy for part in parts if part.energy is not None]
    forces = [part.forces for part in parts if part.forces is not None]
    energy = np.concatenate(energies)
    frames = replace(
        parts[0],
        positions=np.concatenate([part.positions for part in parts]),
        cell=np.concatenate([part.cell for part in parts]),
        energy=energy,
        forces=np.concatenate(forces),
        timestep_fs=stride_fs,
        source=f"{title}, made by {KIND}",
    )
    return frames, energy


def readme(maker: Maker, plan: Plan, metadata: Mapping[str, Any]) -> str:
    """What a person finds beside the files."""
    sizes = ", ".join(f"{n} {name}" for n, name in zip(plan.sizes, PARTS, strict=True))
    facts = "\n".join(f"- {name}: {value:.6g}" for name, value in metadata["facts"].items())
    settings = "\n".join(
        f"- {name}: {value}"
        for name, value in {**plan.to_dict(), **metadata["settings"]}.items()
        if name != "parameters"
    )
    cite = "\n".join(f"- {one.text}, doi:{one.doi}" for one in maker.citations)
    return (
        f"# {maker.title}\n\n"
        f"Made by `{KIND} {maker.key}`: {plan.frames} frames, {plan.stride_fs:g} fs apart, at "
        f"{plan.temperature_kelvin:g} K. `trajectory.npz` holds them in the order of time; the "
        f"parts ({sizes}) were drawn from it ({plan.method}); the header of each says which frames "
        "it holds. Energies are in eV, forces in eV/A, positions in A.\n\n"
        f"## Settings\n\n{settings}\n\n## Measured\n\n{facts}\n\n## Cite\n\n{cite}\n"
    )
