"""Energies and forces of a potential on given frames, through LAMMPS' `rerun`.

A deployed model on reference frames is the comparison `rerun-reference`, a reference potential on
a model's own frames is `rerun-oracle`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from egraff_lmp.data.frames import Frames
from egraff_lmp.data.lammps_dump import read_lammps_dump
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import require_writable, write_json, write_text
from egraff_lmp.rollout.box import LammpsBox
from egraff_lmp.rollout.datafile import Structure, data_text, type_indices, type_order
from egraff_lmp.rollout.deck import check_out_dir, deck_path
from egraff_lmp.rollout.launch import lammps_command, launch, setup_error
from egraff_lmp.rollout.potential import Potential, deployed_model, element_words
from egraff_lmp.rollout.rerun_input import frame_boxes, write_rerun_dump
from egraff_lmp.rollout.restart import TRAJECTORY
from egraff_lmp.runs.machine import hardware, versions

SCHEMA = 1
KIND = "egraff rerun"
RECORD = "rerun.json"
INPUT = "frames.lammpstrj"
DATA = "start.data"


def rerun(
    potential: Potential | str | Path,
    frames: Frames,
    out_dir: str | Path,
    *,
    elements: Sequence[str] | None = None,
    ranks: int = 1,
    threads: int | str = "auto",
    device: str = "auto",
    launcher: str | None = None,
) -> Frames:
    """Evaluate a potential on frames.

    Args:
        potential: path of a deployed model, or what `deployed_model` or `classical` returned.
        frames: positions and cells; their energies and forces are not used.
        out_dir: folder of the files; a result that is there already, of the same frames and the
            same potential, is read back.
        elements: element of each LAMMPS type. None takes the elements present, in the order of
            the model's species (alphabetically for a classical potential).
        ranks: MPI ranks.
        threads: of each rank.
        device: "auto", "cpu" or "cuda".
        launcher: template such as "srun -n {ranks}", or None.

    Returns:
        The frames with the potential's energies (T,) in eV, forces (T, N, 3) in eV/A and, of what
        is periodic along all three directions, stress (T, 3, 3) in eV/A^3, all float64, in the
        orientation of `frames`. A result of an earlier deck has no stress.

    Raises:
        EgraffError: elements that the potential does not know, or an error of LAMMPS.
    """
    if not isinstance(potential, Potential):
        potential = deployed_model(potential)
    if not len(frames):
        raise EgraffError(f"{frames.source}: expected at least one frame, got none.")
    if elements is None:
        elements = type_order(frames.species, potential.species, frames.source)
    type_indices(frames.species, elements, frames.source)  # before anything is written
    folder = Path(out_dir).absolute()
    check_out_dir(folder)
    identity = {
        "potential": potential.sha256 or potential.title,
        "variables": {k: v for k, v in potential.variables.items() if k != "model"},
        "frames": frames.sha256(),
        "elements": list(elements),
    }
    boxes = frame_boxes(frames)
    if _recorded_identity(folder) != identity:
        require_writable(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RECORD).unlink(missing_ok=True)
        _write_inputs(folder, frames, elements, boxes, potential)
        variables = {
            **potential.variables,
            "elements": element_words(elements),
            "boundary": boxes[0].boundary,
            "data": str(folder / DATA),
            "dump": str(folder / INPUT),
            "out": str(folder),
            "threads": str(threads),
            "device": device,
            "sha256": potential.sha256 if "model" in potential.variables else "none",
        }
        command = lammps_command(folder / deck_path("rerun").name, variables, ranks, launcher)
        began = time.monotonic()
        end = launch(command, folder / "log.0.lammps")
        if end.code != 0 or end.error:
            raise setup_error(end)
        details = {
            "title": potential.title,
            "source": frames.source,
            "command": command,
            "wall_seconds": round(time.monotonic() - began, 3),
            "versions": versions(),
            "hardware": hardware(),
        }
        # The result counts only once it has been read back whole.
        result = _read_back(folder, frames, boxes)
        record = {"kind": KIND, "schema": SCHEMA, "identity": identity, **details}
        write_json(folder / RECORD, record)
        return result
    return _read_back(folder, frames, boxes)


def _write_inputs(
    folder: Path,
    frames: Frames,
    elements: Sequence[str],
    boxes: Sequence[LammpsBox],
    potential: Potential,
) -> None:
    deck = deck_path("rerun")
    write_text(folder / deck.name, deck.read_text(encoding="utf-8"))
    first = Structure.from_frames(frames, 0)
    text = data_text(
        first,
        elements,
        masses_amu=potential.masses_amu,
        triclinic=any(box.is_triclinic for box in boxes),
        topology=None if potential.topology is None else potential.topology(first),
    )
    write_text(folder / DATA, text)
    write_rerun_dump(folder / INPUT, frames, elements, boxes)


def _recorded_identity(folder: Path) -> Any:
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return record["identity"] if record["schema"] == SCHEMA else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read_back(folder: Path, frames: Frames, boxes: Sequence[LammpsBox]) -> Frames:
    dumped = read_lammps_dump(folder / TRAJECTORY)
    if len(dumped) != len(frames) or dumped.forces is None or dumped.energy is None:
        raise EgraffError(
            f"{folder}: expected energies and forces of {len(frames)} frames, got "
            f"{len(dumped)} frames: see {folder / 'log.0.lammps'}."
        )
    forces = [box.from_lammps(force) for box, force in zip(boxes, dumped.forces, strict=True)]
    stress = None
    if dumped.stress is not None:
        turned = [
            box.from_lammps(box.from_lammps(tensor).T)
            for box, tensor in zip(boxes, dumped.stress, strict=True)
        ]
        stress = np.stack(turned)
    return replace(frames, energy=dumped.energy, forces=np.stack(forces), stress=stress)
