"""`egraff init` as it is typed; what it writes is tested with the library."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from egraff_lmp.contract import Contract, EnergyReference, SelfTest, save_deployed

pytest.importorskip("lammps")

PROGRAM = "from egraff_lmp.cli import main; main()"


@pytest.fixture
def inputs(tmp_path):
    """A folder with a model file of S, P, Li and a structure of Li and S."""
    from ase import Atoms

    contract = Contract(
        architecture="Allegro",
        forcefield="allegro",
        r_max=5.0,
        n_layers=2,
        exchange_widths=(),
        species=("S", "P", "Li"),
        masses_amu=(32.06, 30.97, 6.94),
        dtype="float32",
        energy_reference=EnergyReference("mean", {"S": -1.5, "P": -1.0, "Li": -1.5}),
        memory_bytes_per_edge=2048.0,
        n_parameters=7,
        provenance={"labels": ["energy", "forces"]},
        citations=(),
        versions={},
        self_test=SelfTest(
            ("Li",), ((0.0,) * 3,), ((0.0,) * 3,) * 3, (False,) * 3, (-1.5,), ((0.0,) * 3,), 0
        ),
    )
    folder = tmp_path / "my [bold] $x"
    folder.mkdir()
    save_deployed(torch.jit.script(torch.nn.Linear(1, 1)), contract, folder / "li ps.pt")
    atoms = Atoms("Li2S", [[0, 0, 0], [2, 0, 0], [0, 2, 0]], cell=[8, 8, 8], pbc=True)
    atoms.write(folder / "li 2 s.extxyz")
    return folder


def egraff_init(folder, *arguments, **options):
    words = {"--structure": "li 2 s.extxyz", "--model": "li ps.pt", "--temperature": "520"}
    words |= options
    flat = [str(word) for pair in words.items() for word in pair]
    command = [sys.executable, "-c", PROGRAM, "init", "a job", *flat, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def test_what_is_printed(inputs):
    done = egraff_init(inputs)
    assert done.returncode == 0, done.stderr
    assert "3 atoms; types: 1 S, 2 Li" in done.stdout
    assert done.stdout.splitlines()[-1] == "next: bash 'a job/run.sh'"
    names = {path.name for path in (inputs / "a job").iterdir()}
    assert names == {"structure.data", "in.nvt", "run.sh", "job.slurm"}


def test_nothing_is_overwritten_unasked(inputs):
    assert egraff_init(inputs).returncode == 0
    deck = inputs / "a job" / "in.nvt"
    deck.write_text("mine")
    again = egraff_init(inputs)
    assert again.returncode == 1
    assert "--force" in again.stderr
    assert deck.read_text() == "mine"
    assert egraff_init(inputs, "--force").returncode == 0
    assert deck.read_text() != "mine"


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--model", "gone.pt", "gone.pt"),
        ("--structure", "gone.xyz", "gone.xyz"),
        ("--ensemble", "nph", "nve, nvt, npt, minimise"),
        ("--temperature", "-3", "0 K or more"),
        ("--frame", "7", "got 7"),
    ],
)
def test_mistakes_are_one_message_and_leave_nothing(inputs, option, value, message):
    done = egraff_init(inputs, **{option: value})
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (inputs / "a job").exists()


def test_a_folder_that_cannot_be_written_is_said_first(inputs):
    (inputs / "a job").write_text("mine")
    done = egraff_init(inputs, **{"--structure": "gone.xyz", "--model": "gone.pt"})
    assert done.returncode == 1
    assert "got a file at" in done.stderr
    assert done.stderr.count("\n") == 1


def test_constant_pressure_without_stress_labels_is_warned_of(inputs):
    done = egraff_init(inputs, **{"--ensemble": "npt"})
    assert done.returncode == 0
    assert "egraff: warning: npt follows the stress of a model that was trained" in done.stderr
    assert "warning" not in done.stdout
    assert egraff_init(inputs, "--force").stderr == ""


def test_train_and_bench_are_commands_and_folders_of_that_name_stay_possible(inputs):
    def init(*words):
        command = [sys.executable, "-c", PROGRAM, "init", *words]
        return subprocess.run(command, cwd=inputs, capture_output=True, text=True, timeout=60)

    structure = ("--structure", "li 2 s.extxyz", "--model", "li ps.pt", "--temperature", "300")
    done = init("train", *structure)
    assert done.returncode == 0, done.stderr
    assert (inputs / "train" / "in.nvt").is_file()
    # One frame without labels is no training, and says so.
    refused = init("train", "li 2 s.extxyz")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert not (inputs / "train.yaml").exists()
    for name in ("train", "bench"):
        shown = init(name, "--help")
        assert f"init {name} [OPTIONS]" in " ".join(shown.stdout.split())
    assert "egraff init train DATA" in " ".join(init("--help").stdout.split())
