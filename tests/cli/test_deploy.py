"""`egraff deploy`: its mistakes. What it writes is tested with `egraff train`."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from egraff_lmp.cli import deploy
from egraff_lmp.errors import EgraffError


def egraff_deploy(*arguments):
    app = typer.Typer()
    app.command()(deploy.command)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(result.exception, EgraffError):
        raise result.exception
    return result


def test_mistakes_come_as_one_sentence(tmp_path):
    with pytest.raises(EgraffError, match="no such file"):
        egraff_deploy(tmp_path / "best.ckpt", tmp_path / "m.pt")
    with pytest.raises(EgraffError, match=r"best\.ckpt or last\.ckpt inside"):
        egraff_deploy(tmp_path, tmp_path / "m.pt")
    with pytest.raises(EgraffError, match="dtype out of float32, float64"):
        egraff_deploy(tmp_path / "best.ckpt", tmp_path / "m.pt", "--dtype", "bfloat16")
    assert list(tmp_path.iterdir()) == []
    assert egraff_deploy(tmp_path / "best.ckpt").exit_code == 2
