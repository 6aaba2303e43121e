"""`egraff verify` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import toys
from typer.testing import CliRunner

from egraff_lmp.cli import build_app
from egraff_lmp.errors import EgraffError
from egraff_lmp.verify.certificate import default_path, read_verdict, record_path

CHEAP = ("--only", "self-test", "--only", "cutoff")


def egraff(*words: object):
    return CliRunner().invoke(build_app(), ["verify", *map(str, words)])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return toys.save(toys.Pairs(toys.R_MAX), tmp_path / "model.pt")


def test_only_some_checks_make_no_certificate(model: Path) -> None:
    done = egraff(model, *CHEAP)
    assert done.exit_code == 0, done.output
    assert "model.pt: passed" in done.stdout
    assert not default_path(model).exists()


def test_a_failure_is_written_down_and_exits_with_1(tmp_path: Path) -> None:
    bad = toys.save(toys.Pairs(toys.R_MAX, power=0.0), tmp_path / "bad.pt")
    out = tmp_path / "paper.md"
    done = egraff(bad, *CHEAP, "--out", out, "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["passed"] is False
    assert {f["check"] for f in found["findings"]} == {"self-test", "cutoff"}
    assert read_verdict(record_path(out)) == ("bad.pt", found["sha256"], False)
    assert "`cutoff: jump of the energy`" in out.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--ranks", "0,1"), "expected rank counts such as 1,2,4"),
        (("--only", "parrity"), "expected checks out of self-test, species"),
    ],
)
def test_misuse_is_said(model: Path, words: tuple[str, ...], message: str) -> None:
    done = egraff(model, *words)
    assert isinstance(done.exception, EgraffError)
    assert message in str(done.exception)


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_text("weights")
    done = egraff(path)
    assert isinstance(done.exception, EgraffError)
    assert "expected a model file written by `egraff deploy`" in str(done.exception)
    assert egraff().exit_code == 2


def test_elements_that_the_model_does_not_know(model: Path, tmp_path: Path) -> None:
    from ase.build import bulk
    from ase.io import write

    write(tmp_path / "cu.extxyz", bulk("Cu"))
    done = egraff(model, "--structure", tmp_path / "cu.extxyz")
    assert isinstance(done.exception, EgraffError)
    assert "Cu" in str(done.exception)


def test_help_says_that_the_file_is_a_program() -> None:
    text = " ".join(egraff("--help").stdout.split())
    assert "a TorchScript file is a program that runs when it is loaded" in text
