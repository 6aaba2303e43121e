"""What a rollout's folder tells: temperatures, its end, its cost."""

from __future__ import annotations

import json

import numpy as np
import pytest

from egraff_lmp.data import lammps_dump
from egraff_lmp.data.lammps_thermo import COLUMNS
from egraff_lmp.score import rollout
from egraff_lmp.score.records import Fact, RunEnd
from egraff_lmp.score.rollout import NOT_STATED, read_rollout
from egraff_lmp.score.words import say

pytest.importorskip("MDAnalysis")

SPECIES = ("Ge", "Te", "Te", "Te")


@pytest.fixture
def dump(tmp_path):
    """Writes a dump of 6 frames every 10 steps; atoms are gone from frame `lost` on."""

    def write(lost=None, velocities=None):
        positions = np.random.default_rng(0).random((6, 4, 3)) * 8
        lines = []
        for k, frame in enumerate(positions):
            n = 4 if lost is None or k < lost else 3
            lines += ["ITEM: TIMESTEP", str(10 * k), "ITEM: NUMBER OF ATOMS", str(n)]
            lines += ["ITEM: BOX BOUNDS pp pp pp", *["0 8"] * 3]
            lines += ["ITEM: ATOMS id element xu yu zu" + (" vx vy vz" if velocities else "")]
            for atom in range(n):
                values = [*frame[atom], *([velocities] * 3 if velocities else ())]
                lines.append(f"{atom + 1} {SPECIES[atom]} " + " ".join(map(str, values)))
        path = tmp_path / "traj.dump"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def thermo(folder, temperatures):
    rows = [f"{10 * k},{20 * k},{t},-1,0,0,512" for k, t in enumerate(temperatures)]
    (folder / "thermo.csv").write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")


def log(folder, *lines):
    head = ["  Unit style    : metal", "  Time step     : 0.002", "   Step   Temp"]
    rows = [f"{20 * k} {300 + 20 * k}" for k in range(3)]
    (folder / "log.lammps").write_text("\n".join([*head, *rows, *lines]) + "\n")


def test_frames_alone(dump):
    found = read_rollout(dump())
    assert (found.temperature_kelvin, found.end, found.cost) == (None, None, None)
    assert (found.lasted_fs, found.asked_fs) == (None, None)
    assert found.frames.timestep_fs is None
    assert read_rollout(dump(), timestep_fs=2.0).frames.timestep_fs == 20.0


def test_temperatures_of_thermo_before_log(dump):
    path = dump()
    log(path.parent)
    found = read_rollout(path)
    # Rows every 20 steps, frames every 10: between them the line, beyond the last row its value.
    assert found.temperature_kelvin.tolist() == [300, 310, 320, 330, 340, 340]
    assert found.frames.timestep_fs == 20.0
    thermo(path.parent, [500, 510, 520, np.nan, 540, 550])
    temperature = read_rollout(path).temperature_kelvin
    assert temperature[[0, 1, 2, 4, 5]].tolist() == [500, 510, 520, 540, 550]
    assert np.isnan(temperature[3])


def test_temperature_of_velocities(dump):
    from ase import Atoms
    from ase.units import fs

    temperature = read_rollout(dump(velocities=2.0)).temperature_kelvin
    atoms = Atoms(SPECIES, positions=np.zeros((4, 3)))
    atoms.set_velocities(np.full((4, 3), 2.0 / (1000 * fs)))
    # ASE counts 3 N degrees of freedom, LAMMPS 3 N - 3.
    assert temperature == pytest.approx([atoms.get_temperature() * 12 / 9] * 6)


def test_atoms_missing_in_the_dump_end_it_there(dump):
    found = read_rollout(dump(lost=4), timestep_fs=2.0)
    assert len(found.frames) == 4
    assert found.end == RunEnd(4, Fact("lost-atoms", {"left": 3, "of": 4, "step": 40}))


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("ERROR: Lost atoms: original 4 current 3 (src/thermo.cpp:494)", "lost-atoms", "3 of 4"),
        ("WARNING: Lost atoms: original 4 current 3 (src/thermo.cpp:498)", "lost-atoms", "3 of 4"),
        ("ERROR: Non-numeric pressure (src/fix_nh.cpp:1056)", "lammps", "Non-numeric pressure"),
    ],
)
def test_an_end_that_the_log_tells(dump, line, code, words):
    path = dump()
    log(path.parent, line)
    found = read_rollout(path)
    assert found.end.frame == 5
    assert found.end.cause.code == code
    assert words in say(found.end.cause)


def test_errors_that_say_nothing_of_the_model_are_no_end(dump):
    path = dump()
    log(path.parent, "ERROR: Cannot open file model.pt (src/pair.cpp:1)")
    assert read_rollout(path).end is None


def test_an_end_that_the_record_tells(dump):
    path = dump()
    record = {
        "kind": "egraff rollout", "schema": 1, "status": "failed", "reason": "too hot",
        "n_steps": 100, "identity": {}, "inputs": {}, "versions": {}, "segments": [],
        "hardware": {"processor": "a processor", "cores": 2},
    }  # fmt: skip
    (path.parent / "rollout.json").write_text(json.dumps(record))
    assert read_rollout(path).end == RunEnd(5, Fact("lammps", {"message": "too hot"}))
    log(path.parent, "Loop time of 0.5 on 2 procs for 50 steps with 4 atoms")
    cost = read_rollout(path).cost
    assert (cost.wall_seconds, cost.n_steps, cost.n_atoms) == (0.5, 50, 4)
    assert cost.hardware == "a processor, 2 cores"
    assert (cost.ranks, cost.threads, cost.precision) == (2, 1, NOT_STATED)
    (path.parent / "rollout.json").write_text("{")
    assert read_rollout(path).cost.hardware == NOT_STATED


def test_another_log_by_name(dump, tmp_path):
    path = dump()
    other = tmp_path / "elsewhere.log"
    other.write_text("Loop time of 1 on 1 procs for 10 steps with 4 atoms\n")
    cost = read_rollout(path, logs=[other]).cost
    assert (cost.wall_seconds, cost.n_steps) == (1.0, 10)


@pytest.mark.parametrize(
    ("status", "last", "times"),
    [
        ("finished", 60, (120.0, 120.0)),
        ("failed", 45, (90.0, 120.0)),
        ("running", 45, (None, None)),
        ("stopped", 45, (None, None)),
    ],
)
def test_the_times_that_the_record_tells(dump, status, last, times):
    path = dump()
    segment = {
        "first_step": 0, "last_step": last, "ranks": 1, "threads": "1", "device": "cpu",
        "wall_seconds": 1.0, "started": "", "log": "log.0.lammps", "command": [],
    }  # fmt: skip
    record = {
        "kind": "egraff rollout", "schema": 1, "status": status, "reason": "", "n_steps": 60,
        "identity": {}, "inputs": {}, "versions": {}, "segments": [segment], "hardware": {},
    }  # fmt: skip
    (path.parent / "rollout.json").write_text(json.dumps(record))
    found = read_rollout(path, timestep_fs=2.0)
    assert (found.lasted_fs, found.asked_fs) == times


def test_a_dump_is_read_once(dump, monkeypatch):
    calls = []
    monkeypatch.setattr(rollout, "read_dumped_run", lambda *a: calls.append(a) or read(*a))
    read = lammps_dump.read_dumped_run
    path = dump()
    log(path.parent)
    assert read_rollout(path).frames.timestep_fs == 20.0
    assert len(calls) == 1
