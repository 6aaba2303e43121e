"""`egraff config` and the options of the program itself."""

from __future__ import annotations

import json

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

import egraff_lmp
from egraff_lmp.bench.config import shipped
from egraff_lmp.cli import build_app
from egraff_lmp.train.config import shipped_configs

ROLLOUT = {"model": "a.pt", "structure": "gete:test", "n_steps": 10, "out_dir": "x"}


def run(*arguments):
    return CliRunner().invoke(build_app(), [str(each) for each in arguments])


def shown(*arguments):
    result = run("config", "show", *arguments)
    assert result.exit_code == 0, result.output
    return yaml.safe_load(result.stdout)


def schema(kind):
    result = run("config", "schema", kind)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_version():
    result = run("--version")
    assert result.output.split() == ["egraff", egraff_lmp.__version__]


@pytest.mark.parametrize("name", [*shipped_configs(), *shipped()])
def test_shipped_settings_are_shown_in_full_and_fit_their_schema(name):
    found = shown(name)
    if found.get("kind") == "matrix":
        kind = "matrix"
    else:
        kind = "train" if "forcefield" in found else "bench"
    Draft202012Validator(schema(kind)).validate(found)
    if kind == "train":
        assert found["schedule"]["patience"] >= 0  # a default, which the file may leave out


def test_changes_are_seen():
    assert shown("mace-small", "--set", "loss.stress=2")["loss"]["stress"] == 2.0
    wrong = run("config", "show", "mace-small", "--set", "los.stress=2")
    assert "did you mean 'loss'" in str(wrong.exception)


def test_files_of_all_kinds(tmp_path):
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(ROLLOUT))
    assert shown(tmp_path / "run.yaml")["dump_every"] == 10
    (tmp_path / "train.yaml").write_text("inherits: mace-small\ndata: {train: [a], n_test: 1}\n")
    assert shown(tmp_path / "train.yaml")["forcefield"] == "mace"
    missing = run("config", "show", tmp_path / "none.yaml")
    assert "expected a YAML file or shipped settings" in str(missing.exception)


def test_names_are_listed():
    output = run("config", "list").output
    assert all(name in output for name in ("nequip-paper", "demo"))
