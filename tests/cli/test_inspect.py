"""`egraff inspect`."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch
import typer
from typer.testing import CliRunner

from egraff_lmp.cli import inspect
from egraff_lmp.contract import Contract, EnergyReference, SelfTest, save_deployed
from egraff_lmp.errors import EgraffError


@pytest.fixture
def model(tmp_path):
    contract = Contract(
        architecture="Allegro",
        forcefield="allegro",
        r_max=5.0,
        n_layers=2,
        exchange_widths=(),
        species=("Li", "S"),
        masses_amu=(6.94, 32.06),
        dtype="float32",
        energy_reference=EnergyReference("mean", {"Li": -1.5, "S": -1.5}),
        memory_bytes_per_edge=2048.0,
        n_parameters=7,
        provenance={"seed": 3},
        citations=(),
        versions={"torch": "2.13.0"},
        self_test=SelfTest(
            ("Li",), ((0.0,) * 3,), ((0.0,) * 3,) * 3, (False,) * 3, (-1.5,), ((0.0,) * 3,), 0
        ),
    )
    path = tmp_path / "a [bold] model.pt"  # neither a blank nor rich's markup may be lost
    save_deployed(torch.jit.script(torch.nn.Linear(1, 1)), contract, path)
    return path


def egraff_inspect(*arguments):
    app = typer.Typer()
    app.command()(inspect.command)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(result.exception, EgraffError):
        raise result.exception
    return result.output


def test_text(model):
    text = egraff_inspect(model)
    for wanted in ("Allegro", "strictly local", "1  Li", "2.0 KiB per edge"):
        assert wanted in text
    assert "[bold]" in "".join(text.split())


def test_json_is_the_whole_contract(model):
    value = json.loads(egraff_inspect(model, "--json"))
    assert value["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert value["file"] == str(model)
    assert Contract.from_json(json.dumps(value), "x").species == ("Li", "S")


def test_other_files(tmp_path):
    with pytest.raises(EgraffError, match="no such file"):
        egraff_inspect(tmp_path / "none.pt")
    with pytest.raises(EgraffError, match="got a folder"):
        egraff_inspect(tmp_path)
