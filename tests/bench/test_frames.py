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
from egraff_lmp.bench.work import ms_per_step
from egraff_lmp.data.lammps_thermo import COLUMNS
from egraff_lmp.score import Fact, RunEnd

pytest.importorskip("MDAnalysis")

N_FRAMES, N_ATOMS = 6, 4
REASON = "the temperature exceeded its bound"


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
    value = {"status": status, "reason": REASON, "n_steps": config().steps}
    return SimpleNamespace(path=lambda _: folder / "traj.dump", value=value)


def test_a_rollout_that_reached_its_end(tmp_path: Path) -> None:
    found = rollout_of(config(), stage(tmp_path))
    assert len(found.frames) == N_FRAMES
    assert found.frames.timestep_fs == config().stride_fs
    assert found.temperature_kelvin.tolist() == [900, 901, 902, 903, 904, 905]
    assert found.end is None
    fs = config().rollout.timestep_fs
    assert (found.lasted_fs, found.asked_fs) == (config().steps * fs, config().steps * fs)
    # The bytes of a score must not depend on what else the machine does.
    assert found.cost is None


def test_atoms_that_are_missing_in_the_dump_are_no_crash(tmp_path: Path) -> None:
    found = rollout_of(config(), stage(tmp_path, lost=4))
    assert len(found.frames) == 4
    assert found.end == RunEnd(4, Fact("lost-atoms", {"left": 3, "of": 4, "step": 40}))


def test_what_is_not_finite_is_cut_and_said(tmp_path: Path) -> None:
    found = rollout_of(config(), stage(tmp_path, broken=3, status="failed"))
    assert len(found.frames) == len(found.temperature_kelvin) == 3
    assert found.end == RunEnd(3, Fact("not-finite-value"))


def test_a_breakdown_between_frames_ends_at_the_last_one(tmp_path: Path) -> None:
    found = rollout_of(config(), stage(tmp_path, status="failed"))
    assert len(found.frames) == N_FRAMES
    assert found.end == RunEnd(5, Fact("lammps", {"message": REASON}))


LOOP = "Loop time of {time} on 2 procs for {steps} steps with 64 atoms\n"


def test_all_segments_of_a_resumed_rollout_count(tmp_path: Path) -> None:
    (tmp_path / "log.0.lammps").write_text("noise\n" + LOOP.format(time="3.0", steps=100))
    (tmp_path / "log.1.lammps").write_text(LOOP.format(time="1.5", steps=200) + "more\n")
    assert ms_per_step(tmp_path) == pytest.approx(15.0)


@pytest.mark.parametrize(
    "content", [None, "", "ERROR: Lost atoms\n", LOOP.format(time="1e-6", steps=0)]
)
def test_a_run_that_did_not_end_has_no_time(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "log.0.lammps").write_text(content)
    assert ms_per_step(tmp_path) is None
