"""`--json` on every command: JSON on stdout and nothing else, in the names that files have."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import ase.io
import numpy as np
import pytest
import typer
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from typer.testing import CliRunner

import egraff_lmp.bench as bench
from egraff_lmp.bench.run import BenchResult
from egraff_lmp.bench.stage import StageResult
from egraff_lmp.cli import build_app
from egraff_lmp.cli.console import print_json

MODEL = Path(__file__).resolve().parents[2] / "deployed_models" / "gete-mace.pt"
# Commands without the option, and why.
WITHOUT = {"config schema": "prints JSON whatever is asked for"}

TRAINING = """
forcefield: allegro
data: {train: [frames.extxyz], n_validation: 1, leakage: warn, units: warn}
r_max: 3.0
batch_size: 1
stop: {max_epochs: 1}
threads: 1
device: cpu
"""
ROLLOUT = """
pair: sw
coeff: CdTe.sw Cd Te
structure: cdte.extxyz
n_steps: 4
dump_every: 2
out_dir: rollout
"""

# Words of a command line to a key that its JSON has ("0" for the first entry of a list); every
# command of the program is here or in `WITHOUT`. Files are those of the fixture.
CASES = {
    "doctor --only python": "healthy",
    "data list": "data_sets",
    "data show gete": "r_max_angstrom",
    "data fetch benzene:whole --out copy --mirror {mirror}": "sha256",
    "data check frames.extxyz": "0",
    "data convert frames.extxyz frames.npz": "n_frames",
    "inspect {model}": "r_max",
    "train train.yaml --out trained": "best_epoch",
    "train train.yaml --benchmark": "costs",
    "deploy {checkpoint} model.pt --reference": "r_max",
    "eval {model} frames.extxyz": "groups",
    "deviation {model} {model} frames.extxyz --select 1 --gap 1": "frames",
    "relax {model} frames.extxyz --max-steps 0": "energy_ev",
    "eos {model} frames.extxyz --points 5 --fixed": "bulk_modulus_gpa",
    "elastic {model} frames.extxyz --fixed": "stiffness_gpa",
    "phonons {model} frames.extxyz --supercell 1 1 1": "lowest_thz",
    "neb {model} frames.extxyz frames.extxyz --images 3 --max-steps 0": "barrier_ev",
    "init deck --structure frames.extxyz --model {model} --temperature 300": "n_atoms",
    "init train frames.extxyz --out first.yaml": "r_max_angstrom",
    "init bench many.extxyz --temperature 300 --out second.yaml": "timestep_fs",
    "run run.yaml --dry-run": "command",
    "score frames.extxyz frames.extxyz": "scores",
    "bench --dry-run": "stages",
    "bench reduced --dry-run": "temperature_kelvin",
    "bench": "complete",
    "report results": "report",
    "config show train.yaml": "r_max",
    "config list": "train",
    "physics {model} --out physics --only diatomics": "results",
}
IN_LAMMPS = {
    "compare {model} frames.extxyz --ranks 1": "differences",
    "verify {model} --only species": "passed",
    "run run.yaml": "n_steps",
    "metadynamics chain.extxyz --model {model} --torsion 1,2,3,4 --torsion 2,3,4,5 --runs 1 "
    "--steps 20 --hill-every 10 --out surface": "minimum_degrees",
    "data make water --out made --molecules 16 --density 1.0 --frames 20 --stride-fs 10 "
    "--equilibration-ps 0.1 --n-train 12 --n-validation 2 --n-test 6": "facts",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Labelled frames, configs, and a folder that data sets are fetched from."""
    folder = tmp_path_factory.mktemp("json")
    rng = np.random.default_rng(0)
    sites = np.stack(np.meshgrid(*[range(2)] * 3, indexing="ij"), -1).reshape(-1, 3) * 2.9
    frames = []
    for _ in range(30):
        atoms = Atoms("GeTe" * 4, sites + rng.normal(scale=0.05, size=(8, 3)), cell=[5.8] * 3)
        atoms.pbc = True
        labels = {"energy": rng.normal(-30), "forces": rng.normal(size=(8, 3))}
        atoms.calc = SinglePointCalculator(atoms, **labels)
        frames.append(atoms)
    ase.io.write(folder / "frames.extxyz", frames[:4])
    ase.io.write(folder / "many.extxyz", frames)
    chain = [[0, 0, 0], [1, 2.4, 0], [3.5, 2.5, 0.8], [4.5, 4.9, 0], [7, 5, 0.4]]
    ase.io.write(folder / "chain.extxyz", Atoms("GeTeGeTeGe", chain))
    (folder / "train.yaml").write_text(TRAINING)
    (folder / "run.yaml").write_text(ROLLOUT)
    ase.build.bulk("CdTe", "zincblende", a=6.48, cubic=True).repeat(2).write(folder / "cdte.extxyz")
    mirror = folder / "mirror" / "MD17"
    mirror.mkdir(parents=True)
    np.savez(
        mirror / "benzene2017_dft.npz",
        R=rng.normal(size=(2, 12, 3)), z=[6] * 6 + [1] * 6, E=[1.0, 2.0], F=np.zeros((2, 12, 3)),
    )  # fmt: skip
    return folder


def commands():
    """Names of all commands, "data list" and the like among them."""

    def walk(command, name):
        below = getattr(command, "commands", {})
        if not below:
            yield name
        for key, one in {**below, **getattr(command, "others", {})}.items():
            yield from walk(one, f"{name} {key}".strip())

    return list(walk(typer.main.get_command(build_app()), ""))


def test_every_command_is_tried_or_has_its_reason():
    known = commands()

    def named(line):
        return next(
            " ".join(line.split()[:n]) for n in (2, 1) if " ".join(line.split()[:n]) in known
        )

    assert {*map(named, CASES | IN_LAMMPS), *WITHOUT} == set(known)


def result_of(line, folder, monkeypatch):
    monkeypatch.chdir(folder)
    checkpoint = folder / "trained" / "best.ckpt"
    if "{checkpoint}" in line and not checkpoint.exists():
        CliRunner().invoke(build_app(), ["train", "train.yaml", "--out", "trained"])
    mirror = (folder / "mirror").as_uri()
    words = line.format(model=MODEL, mirror=mirror, checkpoint=checkpoint).split()
    return CliRunner().invoke(build_app(), [*words, "--json"])


def holds(value, key):
    """Whether the key is at the top, or in the first entry of a list."""
    if key == "0":
        return bool(value[0])
    return key in (value[0] if isinstance(value, list) else value)


@pytest.mark.parametrize(("line", "key"), CASES.items())
def test_json_alone_on_stdout(line, key, folder, monkeypatch):
    if line == "bench":
        stage = StageResult("reference", "done", "k", {}, {}, "", 1.5, 1, "now", folder)
        found = BenchResult(folder / "report.html", stage, ())
        monkeypatch.setattr(bench, "run_bench", lambda *_, **__: found)
    if line.startswith("report"):
        monkeypatch.setattr("egraff_lmp.bench.gather.write_report", lambda _, out: out.absolute())
    done = result_of(line, folder, monkeypatch)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert holds(json.loads(done.stdout), key)


@pytest.mark.mpi
@pytest.mark.parametrize(("line", "key"), IN_LAMMPS.items())
def test_json_of_what_runs_lammps(line, key, folder, monkeypatch):
    done = result_of(line, folder, monkeypatch)
    assert done.exit_code == 0, done.output
    assert holds(json.loads(done.stdout), key)


def test_names_are_those_of_the_files(folder, monkeypatch):
    trained = json.loads(result_of("train train.yaml --out trained", folder, monkeypatch).stdout)
    stored = json.loads((folder / "trained" / "result.json").read_text())
    assert trained == {"out": "trained", **stored}

    line = "deviation {model} {model} frames.extxyz --csv found.csv"
    deviation = json.loads(result_of(line, folder, monkeypatch).stdout)
    with open(folder / "found.csv") as stream:
        rows = list(csv.DictReader(stream))
    assert [row.keys() for row in deviation["frames"]] == [row.keys() for row in rows]

    line = "data convert frames.extxyz again.npz"
    (converted,) = json.loads(result_of(line, folder, monkeypatch).stdout)
    assert converted["n_frames"] == 4
    assert converted["n_atoms"] == 8


def test_what_json_has_no_word_for(capsys):
    print_json({"a": math.nan, "b": [np.float64(1.5), (math.inf,)], "c": Path("x"), "d": None})
    assert json.loads(capsys.readouterr().out) == {
        "a": None,
        "b": [1.5, [None]],
        "c": "x",
        "d": None,
    }
