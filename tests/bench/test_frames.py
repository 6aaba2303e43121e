"""Rollouts of a cell as they are scored: cut where they broke, with the reason."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from bench_fakes import config

from egraff_lmp.bench.frames import rollout_of
from egraff_lmp.data.lammps_thermo import COLUMNS

pytest.importorskip("MDAnalysis")

N_FRAMES, N_ATOMS = 6, 4


def stage(folder: Path, lost: int | None = None, broken: int | None = None, status="finished"):
    """A rollout stage as far as `rollout_of` looks at it."""
    forces = np.zeros((N_FRAMES, N_ATOMS, 3))
    if broken is not None:
        forces[broken] = np.nan
    lines, rows = [], [",".join(COLUMNS)]
    for k in range(N_FRAMES):
        left = N_ATOMS if lost is None or k < lost else N_ATOMS - 1
        lines += ["ITEM: TIMESTEP", str(10 * k), "ITEM: NUMBER OF ATOMS", str(left)]
        lines += ["ITEM: BOX BOUNDS pp pp pp", *["0 8"] * 3]
        lines += ["ITEM: ATOMS id element xu yu zu fx fy fz"]
        for atom in range(left):
            values = [float(atom), 0.1 * k, 0.0, *forces[k, atom]]
            lines.append(f"{atom + 1} {('Cd', 'Te')[atom % 2]} " + " ".join(map(str, values)))
        rows.append(f"{10 * k},{20 * k},{900 + k},-1,0,0,512")
    (folder / "traj.dump").write_text("\n".join(lines) + "\n")
    (folder / "thermo.csv").write_text("\n".join(rows) + "\n")
    value = {"status": status, "reason": "the temperature exceeded its bound"}
    return SimpleNamespace(path=lambda _: folder / "traj.dump", value=value)


def test_a_rollout_that_reached_its_end(tmp_path: Path) -> None:
    found = rollout_of(config(), stage(tmp_path))
    assert len(found.frames) == N_FRAMES
    assert found.frames.timestep_fs == config().stride_fs
    assert found.temperature_kelvin.tolist() == [900, 901, 902, 903, 904, 905]
    assert found.end is None


def test_atoms_that_are_missing_in_the_dump_are_no_crash(tmp_path: Path) -> None:
    found = rollout_of(config(), stage(tmp_path, lost=4))
    assert len(found.frames) == 4
    assert (found.end.frame, found.end.reason) == (4, "3 of 4 atoms left at step 40")


def test_what_is_not_finite_is_cut_and_said(tmp_path: Path) -> None:
    found = rollout_of(config(), stage(tmp_path, broken=3, status="failed"))
    assert len(found.frames) == len(found.temperature_kelvin) == 3
    assert (found.end.frame, found.end.reason) == (3, "a value that is not finite")


def test_a_breakdown_between_frames_ends_at_the_last_one(tmp_path: Path) -> None:
    found = rollout_of(config(), stage(tmp_path, status="failed"))
    assert len(found.frames) == N_FRAMES
    assert (found.end.frame, found.end.reason) == (5, "the temperature exceeded its bound")
