"""`egraff train`, `egraff deploy` and `egraff inspect`, one after the other."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from egraff_lmp.cli import deploy, inspect, train
from egraff_lmp.errors import EgraffError

CONFIG = """
forcefield: allegro
overrides: {num_layers: 3}
data: {train: [frames.npz], n_train: 3, n_validation: 1}
r_max: 3.0
batch_size: 1
stop: {max_epochs: 1}
threads: 1
device: cpu
"""


@pytest.fixture
def egraff():
    """A function that runs a command line of the three commands."""
    app = typer.Typer()
    for name, module in (("train", train), ("deploy", deploy), ("inspect", inspect)):
        app.command(name)(module.command)

    def run(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if isinstance(result.exception, EgraffError):
            raise result.exception
        return result

    return run


@pytest.fixture
def config(tmp_path):
    rng = np.random.default_rng(0)
    base = np.stack(np.meshgrid(*[range(2)] * 3, indexing="ij"), -1).reshape(-1, 3) * 2.2
    np.savez(
        tmp_path / "frames.npz",
        pos=base + rng.normal(scale=0.1, size=(4, 8, 3)),
        energy=rng.normal(size=(4, 1)) - 100,
        forces=rng.normal(size=(4, 8, 3)),
        cell=np.eye(3) * 4.4,
        pbc=[True] * 3,
        atomic_numbers=[32, 52] * 4,
    )
    (tmp_path / "small.yaml").write_text(CONFIG)
    return tmp_path / "small.yaml"


def test_from_config_to_printed_contract(egraff, config, tmp_path):
    first = egraff("train", config)
    assert first.exit_code == 0, first.output
    out = tmp_path / "small"
    assert f"egraff deploy {out}/best.ckpt model.pt" in first.output
    assert "meV/A" in first.output
    resumed = egraff("train", config, "--max-epochs", 2, "--out", out)
    assert "best epoch" in resumed.output
    with open(out / "log.csv") as stream:
        assert [row["epoch"] for row in csv.DictReader(stream)] == ["1", "2"]

    model = tmp_path / "a model.pt"
    written = egraff("deploy", out / "best.ckpt", model, "--dtype", "float64", "--reference")
    assert written.exit_code == 0, written.output
    assert "Allegro, Ge Te, r_max 3 A, float64" in written.output
    assert "kernels" not in written.output

    without = egraff("deploy", out / "best.ckpt", tmp_path / "b.pt")
    assert without.exit_code == 0, without.output
    told = [line for line in without.output.splitlines() if "kernels" in line]
    assert told == [
        f"{tmp_path / 'b.pt'}: no fused kernels for this model (expected at most 2 layers, got 3); "
        "the file holds the reference network, which is slower and gives the "
        "same results."
    ]
    assert "expected at most 2 layers" in egraff("inspect", tmp_path / "b.pt").output

    shown = egraff("inspect", model)
    assert "Allegro" in shown.output
    assert "none (strictly local)" in shown.output
    value = json.loads(egraff("inspect", model, "--json").output)
    assert value["file"] == str(model)
    assert len(value["sha256"]) == 64
    assert value["species"] == ["Ge", "Te"]
    assert value["provenance"]["training"]["epochs"] in (1, 2)
    assert len(value["self_test"]["forces"]) == 8


def test_mistakes_come_as_one_sentence(egraff, config, tmp_path):
    with pytest.raises(EgraffError, match="no such file"):
        egraff("train", tmp_path / "none.yaml")
    bad = tmp_path / "bad.yaml"
    bad.write_text(CONFIG + "learning_rate: 1\n")
    with pytest.raises(EgraffError, match="unknown key 'learning_rate'"):
        egraff("train", bad)
    with pytest.raises(EgraffError, match="no such file"):
        egraff("deploy", tmp_path / "best.ckpt", tmp_path / "m.pt")
    with pytest.raises(EgraffError, match="no TorchScript archive"):
        egraff("inspect", config)
    assert egraff("train", config, "--max-epochs", 0).exit_code == 2


def test_benchmark_prints_both_ways_and_writes_nothing(egraff, config, tmp_path):
    config.write_text(CONFIG.replace("overrides: {num_layers: 3}\n", ""))
    before = set(tmp_path.rglob("*"))
    told = egraff("train", config, "--benchmark")
    assert told.exit_code == 0, told.output
    assert set(tmp_path.rglob("*")) == before
    rows = {line.split()[0]: line.split()[1:] for line in told.stdout.splitlines()}
    assert rows["steps"] == ["of", "1", "frames,", "1", "threads"]
    for name in ("kernels", "reference"):
        speed, milliseconds, _ = map(float, rows[name])
        assert speed > 0
        assert milliseconds > 0
    assert "The kernels are" in told.stdout


def test_benchmark_says_where_there_are_no_kernels(egraff, config, tmp_path):
    told = egraff("train", config, "--benchmark")
    assert told.exit_code == 0, told.output
    assert "no kernels for this network: expected at most 2 layers, got 3." in told.stdout
    assert "reference" in told.stdout
    assert not (tmp_path / "small").exists()
