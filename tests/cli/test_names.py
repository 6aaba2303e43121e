"""One name for one thing: the options of all commands as one table, and the older names."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from egraff_lmp.bench.config import parse_config, read_raw
from egraff_lmp.cli import build_app
from egraff_lmp.cli.names import CALLED, renamed
from egraff_lmp.errors import EgraffError
from egraff_lmp.rollout.config import make_config

# Every option, by the thing that it names. A new option gets a line here, and its author sees
# whether the thing has a name already. Two names of one thing are two equal texts: the test fails.
THINGS = {
    "--against": "finished results that others are compared with",
    "--atoms": "number of atoms of a cell that is made",
    "--benchmark": "a measurement in place of a training",
    "--bias-factor": "bias factor of a metadynamics",
    "--bin": "bin width of g(r)",
    "--bins": "number of bins of a torsion",
    "--cell": "a cell: of the structure to be relaxed, of the matrix to be run",
    "--csv": "file for numbers as CSV",
    "--density": "mass density",
    "--displacement": "displacement of an atom",
    "--dry-run": "to print what would be done",
    "--dtype": "precision",
    "--elements": "elements of LAMMPS types",
    "--energy-key": "name of energies in a file",
    "--energy-unit": "unit of energies in a file",
    "--ensemble": "NVE, NVT, NPT",
    "--equilibration-ps": "time before the first frame",
    "--every": "stride in frames",
    "--fixed": "positions that follow the cell",
    "--fmax": "bound on forces of an optimiser",
    "--force": "to overwrite what is there",
    "--force-unit": "unit of forces in a file",
    "--forces-key": "name of forces in a file",
    "--forcefield": "architecture",
    "--format": "format of a file",
    "--frame": "index of a frame",
    "--frames": "number of frames to make",
    "--friction": "friction of a thermostat",
    "--gap": "distance of picked frames",
    "--height": "height of a hill",
    "--hill-every": "steps between hills",
    "--images": "images of a band",
    "--json": "the result as JSON",
    "--kernels": "fused kernels or the reference network",
    "--launcher": "command that starts MPI ranks",
    "--length-unit": "unit of lengths in a file",
    "--limit": "free energy up to which surfaces are compared",
    "--log": "LAMMPS log of a rollout",
    "--max-epochs": "number of epochs",
    "--max-steps": "bound on the steps of an optimiser",
    "--mirror": "address of data",
    "--mode": "form of the metrics",
    "--model": "deployed file",
    "--molecules": "number of molecules",
    "--n-test": "number of test frames",
    "--n-train": "number of training frames",
    "--n-validation": "number of validation frames",
    "--no-climb": "a band without a climbing image",
    "--only": "checks to make",
    "--oracle": "force field that is the ground truth",
    "--out": "what is written: a file or a folder",
    "--plot": "picture to write",
    "--points": "number of volumes",
    "--pressure": "external pressure",
    "--pressure-ps": "time at constant pressure",
    "--quiet": "no progress",
    "--r-max": "cutoff, range of distances",
    "--ranks": "MPI ranks",
    "--reference-timestep-fs": "time between frames of a reference",
    "--rerun-committee": "evaluations by a committee",
    "--rerun-oracle": "evaluations by the ground truth",
    "--rerun-reference": "evaluations on reference frames",
    "--rmsd-threshold": "RMSD of divergence",
    "--runs": "number of independent runs",
    "--seed": "seed of random numbers",
    "--scan": "frames that are a path in order",
    "--select": "number of frames to pick",
    "--settings": "shipped settings of a training",
    "--set": "key of a config and its value",
    "--skip": "frames left out at the start",
    "--solvent": "surroundings of a molecule",
    "--split": "how parts are drawn",
    "--start": "frame that a rollout started from",
    "--steps": "number of MD steps",
    "--strain": "largest strain",
    "--stress-key": "name of stresses in a file",
    "--stride-fs": "time between frames to be made",
    "--strict": "warnings that count as errors",
    "--structure": "file with atoms",
    "--submit": "batch system",
    "--summary": "the page alone",
    "--supercell": "repetitions of a cell",
    "--temperature": "temperature in K",
    "--temperature-bounds": "temperatures that end a rollout",
    "--test": "test frames",
    "--threads": "threads of a rank",
    "--timeout": "bound on the seconds of a probe",
    "--timestep-fs": "time step of MD, or of the series of frames that a file is",
    "--torsion": "torsion angle that is sampled or scanned",
    "--train": "training frames",
    "--trust": "to open a file that runs code",
    "--units": "what labels are that seem to be in another unit",
    "--validation": "validation frames",
    "--width": "width of a hill",
}
# Options of one name that take a value in one command and none in another.
TWO_KINDS = {"--cell": "relax has a cell of atoms, bench the cells of a matrix"}


def options():
    """Name of an option to {command: (its short name, whether it takes a value)}."""
    found = defaultdict(dict)

    def walk(command, name):
        below = getattr(command, "commands", {}) | getattr(command, "others", {})
        for key, one in below.items():
            walk(one, f"{name} {key}".strip())
        for one in command.params if not hasattr(command, "commands") else ():
            if one.param_type_name == "option":
                (long,) = [word for word in one.opts if word.startswith("--")]
                short = [word for word in one.opts if not word.startswith("--")]
                found[long][name] = (tuple(short), bool(getattr(one, "is_flag", False)))

    walk(typer.main.get_command(build_app()), "")
    return dict(found)


def test_every_option_names_a_thing_of_its_own():
    assert sorted(options()) == sorted(THINGS)
    assert len(set(THINGS.values())) == len(THINGS)


def test_no_option_has_a_name_that_is_called_otherwise():
    found = options()
    # --frame is an index in all commands that have it; a deployed file takes a --structure.
    assert CALLED.keys() & found.keys() == {"--frame"}
    assert "deploy" not in found["--frame"]
    assert set(CALLED.values()) <= found.keys()


def test_an_option_is_the_same_in_all_commands():
    for name, commands in options().items():
        kinds = set(commands.values())
        assert len(kinds) == 1 or name in TWO_KINDS, (name, commands)


def test_older_names_are_understood_and_said(capsys):
    words = ["a", "--output=x y", "--to", "--", "--overwrite"]
    assert renamed(words, {"--out", "--force"}) == ["a", "--out=x y", "--out", "--", "--overwrite"]
    said = capsys.readouterr().err.splitlines()
    assert said == ["egraff: --output is called --out here.", "egraff: --to is called --out here."]
    # A command that has the name keeps it, and one without the other name too.
    assert renamed(["--frame", "3"], {"--frame", "--structure"}) == ["--frame", "3"]
    assert renamed(["--output", "x"], {"--steps"}) == ["--output", "x"]
    assert not capsys.readouterr().err


def test_an_older_name_on_a_command_line(tmp_path):
    np.savez(
        tmp_path / "a.npz",
        pos=np.eye(3)[None], energy=[[1.0]], forces=np.zeros((1, 3, 3)), atomic_numbers=[1, 8, 1],
    )  # fmt: skip
    words = ["data", "convert", str(tmp_path / "a.npz"), str(tmp_path / "b.npz")]
    assert CliRunner().invoke(build_app(), words).exit_code == 0
    refused = CliRunner().invoke(build_app(), words)
    assert isinstance(refused.exception, EgraffError)
    assert "use --force" in str(refused.exception)
    again = CliRunner().invoke(build_app(), [*words, "--overwrite"])
    assert again.exit_code == 0
    assert again.stderr == "egraff: --overwrite is called --force here.\n"


@pytest.mark.parametrize(
    ("word", "key"),
    [("temperature", "temperature_kelvin"), ("steps", "n_steps"), ("timestep", "timestep_fs")],
)
def test_words_of_the_command_line_in_a_rollout(word, key):
    with pytest.raises(EgraffError, match=f"unknown key '{word}': did you mean '{key}'"):
        make_config({word: 1})


@pytest.mark.parametrize(
    ("word", "key"),
    [
        ("temperature", "temperature_kelvin"),
        ("rollout.steps", "rollout.length_fs"),
        ("rollout.n_steps", "rollout.length_fs"),
        ("rollout.timestep", "rollout.timestep_fs"),
    ],
)
def test_words_of_the_command_line_in_a_benchmark(word, key):
    with pytest.raises(EgraffError, match=f"unknown key .*did you mean '{key}'"):
        parse_config(*read_raw("demo", [f"{word}=1"]))
