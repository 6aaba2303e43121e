"""`egraff bench`: what it prints, where it writes, how it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import egraff_lmp.bench as bench
from egraff_lmp.bench.run import BenchResult
from egraff_lmp.bench.stage import StageResult
from egraff_lmp.cli import build_app
from egraff_lmp.cli.bench import command
from egraff_lmp.errors import EgraffError

CONFIGS = Path(bench.__file__).parent / "configs"


def stage(name: str, state: str, reason: str = "", fresh: bool = True) -> StageResult:
    return StageResult(name, state, "k", {}, {}, reason, 1.25, 1, "now", Path("."), fresh)


class Runner:
    """Stands in for `run_bench`: tells of the given stages and notes what it was asked for."""

    def __init__(self, *stages: StageResult) -> None:
        self.stages = stages
        self.asked: list[tuple[str, Path]] = []

    def __call__(
        self, config: Any, out: Path, begin: Any, end: Any, progress: Any, trust: bool
    ) -> BenchResult:
        self.asked.append((config.name, Path(out)))
        for number, result in enumerate(self.stages, 1):
            begin(number, len(self.stages), f"title of {result.name}")
            for step in (0, 1, 25, 26, 50, 99, 100):
                progress(step, 100)
            end(number, len(self.stages), result)
        return BenchResult(Path(out) / "report.html", self.stages[0], ())


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)
    monkeypatch.chdir(tmp_path)

    def call(runner: Runner, *arguments: str) -> Any:
        monkeypatch.setattr(bench, "run_bench", runner)
        return CliRunner().invoke(app, list(arguments))

    return call


def test_without_arguments_it_is_the_demo_and_says_where_the_report_lies(
    invoke: Any, tmp_path: Path
) -> None:
    runner = Runner(stage("reference", "done"))
    result = invoke(runner)
    assert result.exit_code == 0
    assert runner.asked == [("demo", Path("bench-demo"))]
    assert f"report: {tmp_path / 'bench-demo' / 'report.html'}" in result.stdout


def test_the_path_of_the_report_is_one_line_however_long(invoke: Any, tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 50)
    result = invoke(Runner(stage("reference", "done")), "gete", "--out", str(folder))
    assert f"report: {folder / 'report.html'}\n" in result.stdout


def test_each_stage_is_told_with_its_number_and_how_it_went(invoke: Any) -> None:
    result = invoke(
        Runner(
            stage("reference", "done", fresh=False),
            stage("train-nequip", "failed", "the [loss] is nan."),
            stage("deploy-nequip", "blocked", "train-nequip gave no result."),
            stage("train-allegro", "done"),
        )
    )
    lines = result.stderr.splitlines()
    assert "[ 1/4] title of reference ..." in lines
    assert "[ 1/4] reference: finished earlier" in lines
    assert "[ 2/4] train-nequip: failed: the [loss] is nan." in lines
    assert "[ 3/4] deploy-nequip: blocked: train-nequip gave no result." in lines
    assert "[ 4/4] train-allegro: done in 1.2 s" in lines


def test_a_log_gets_a_line_each_quarter_of_a_rollout(invoke: Any) -> None:
    result = invoke(Runner(stage("rollout-nequip-1", "done"), stage("rollout-nequip-2", "done")))
    lines = [line.strip() for line in result.stderr.splitlines() if "step " in line]
    assert lines == [f"step {step} of 100" for step in (25, 50, 99, 100)] * 2


def test_a_run_with_a_failure_ends_with_status_1_and_still_names_the_report(invoke: Any) -> None:
    result = invoke(Runner(stage("reference", "failed", "no.")))
    assert result.exit_code == 1
    assert "report.html" in result.stdout
    assert "some stages gave no result" in result.stderr


def test_an_unknown_config_names_the_shipped_ones(invoke: Any) -> None:
    result = invoke(Runner(stage("reference", "done")), "nowhere.yaml")
    assert isinstance(result.exception, EgraffError)
    names = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
    assert len(names) > 5
    assert f"({', '.join(names)})" in str(result.exception)


def test_keys_are_set_and_a_single_system_is_planned():
    """Nothing is run: the stages in order, with the number of starts that was asked for."""
    arguments = ["bench", "demo", "--dry-run", "--set", "models.0.name=first"]
    result = CliRunner().invoke(build_app(), arguments)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[1:4] == ["reference", "train-first", "deploy-first"]
    assert lines[0].endswith(f"{len(lines) - 1} stages:")
    wrong = CliRunner().invoke(build_app(), ["bench", "demo", "--dry-run", "--set", "rolout.a=1"])
    assert str(wrong.exception).endswith("unknown key 'rolout': did you mean 'rollout'?")
