"""Frames as a LAMMPS dump that `rerun` reads, with the box of every frame and no digit lost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from egraff_lmp.data.frames import Frames
from egraff_lmp.fileio import atomic_path
from egraff_lmp.rollout.box import LammpsBox, lammps_box
from egraff_lmp.rollout.datafile import type_indices


def frame_boxes(frames: Frames) -> list[LammpsBox]:
    """The LAMMPS box of every frame."""
    return [
        lammps_box(cell, frames.pbc, positions, f"{frames.source}, frame {index}")
        for index, (cell, positions) in enumerate(zip(frames.cell, frames.positions, strict=True))
    ]


def write_rerun_dump(
    path: str | Path, frames: Frames, elements: Sequence[str], boxes: Sequence[LammpsBox]
) -> None:
    """Write frames as a dump (id type xu yu zu, ids 1..N in order, TIMESTEP = index of frame).

    Positions are unwrapped and rotated into each frame's box. All frames are written triclinic if
    one of them is, because LAMMPS does not change the kind of a box.
    """
    types = type_indices(frames.species, elements, frames.source)
    skewed = any(box.is_triclinic for box in boxes)
    with atomic_path(path) as temporary, open(temporary, "w", encoding="ascii") as stream:
        for index, (box, positions) in enumerate(zip(boxes, frames.positions, strict=True)):
            stream.write(f"ITEM: TIMESTEP\n{index}\nITEM: NUMBER OF ATOMS\n{len(types)}\n")
            stream.write(_bounds(box, skewed))
            stream.write("ITEM: ATOMS id type xu yu zu\n")
            for atom, (kind, (x, y, z)) in enumerate(
                zip(types, box.to_lammps(positions), strict=True), 1
            ):
                stream.write(f"{atom} {kind} {x:.17g} {y:.17g} {z:.17g}\n")


def _bounds(box: LammpsBox, skewed: bool) -> str:
    """The section BOX BOUNDS; with tilts, it holds the box that bounds the parallelepiped."""
    flags = " ".join(flag * 2 for flag in box.boundary.split())
    low, high = box.origin, box.origin + np.diag(box.matrix)
    xy, xz, yz = box.tilts
    if not skewed:
        rows = [f"{a:.17g} {b:.17g}" for a, b in zip(low, high, strict=True)]
        return "\n".join([f"ITEM: BOX BOUNDS {flags}", *rows]) + "\n"
    along_x = (0.0, xy, xz, xy + xz)
    lows = (low[0] + min(along_x), low[1] + min(0.0, yz), low[2])
    highs = (high[0] + max(along_x), high[1] + max(0.0, yz), high[2])
    rows = [
        f"{a:.17g} {b:.17g} {tilt:.17g}"
        for a, b, tilt in zip(lows, highs, (xy, xz, yz), strict=True)
    ]
    return "\n".join([f"ITEM: BOX BOUNDS xy xz yz {flags}", *rows]) + "\n"
