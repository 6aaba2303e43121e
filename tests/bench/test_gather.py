"""`egraff report`: one page of several output folders, made with fakes for the work of stages."""

from __future__ import annotations

import copy
import csv
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))
from bench_fakes import RAW, STAGES, Fakes, config

from egraff_lmp import report
from egraff_lmp.bench import parse_matrix, run_bench, run_matrix, work
from egraff_lmp.bench.gather import merge, read_run, write_report
from egraff_lmp.cli import build_app
from egraff_lmp.errors import EgraffError
from egraff_lmp.report import matrix as matrix_page
from egraff_lmp.report.figures import draw_all

R = [0.5, 1.0, 1.5, 2.0]
G = [0.0, 2.0, 1.0, 1.0]


class Scored(Fakes):
    """Fakes whose scores have values, curves and series."""

    value = 4.0

    def score_model(self, config: Any, *rest: Any) -> Any:
        at = rest[-1]
        common = {"interval": [3.0, 5.0], "floor": 0.5, "n_frames_reference": 40, "n_frames": 22,
                  "n_starts": 2, "window": "r < 5 A", "note": "", "resampled": "2 starts",
                  "n_zero": 0, "n_failed": 0, "per_start": []}  # fmt: skip
        scores = [
            {"key": "wf", "mode": "egraff", "comparison": "structure", "pair": "total",
             "unit": "%", "value": self.value, **common},
            {"key": "ev_released", "mode": "paper", "comparison": "trajectory", "pair": "",
             "unit": "1", "value": 2e-4, **common},
        ]  # fmt: skip
        curve = {"kind": "g", "r": R, "g": {"total": G}}
        series = [
            {"key": "rmsd", "mode": "egraff", "comparison": "trajectory", "start": k,
             "step_fs": 20.0, "values": [0.0, 0.1 * (k + 1), None]}
            for k in range(2)
        ]  # fmt: skip
        curves = {"egraff reference": curve, "egraff trajectory": curve}
        text = json.dumps({"scores": scores, "curves": curves, "series": series})
        return self.outcome(at, {"lengths": [11, 11]}, scores=text)


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Scored:
    found = Scored()
    for name in STAGES:
        monkeypatch.setattr(work, name, getattr(found, name))
    monkeypatch.setattr(report, "write_report", lambda record, path: path.write_text("page"))
    # Figures take most of the time; tests that look at them put them back.
    monkeypatch.setattr(matrix_page, "draw_all", lambda material: [])
    return found


def raw(*systems: str, **changes: Any) -> dict[str, Any]:
    parts = {key: copy.deepcopy(RAW[key]) for key in ("reference", "split")}
    return {
        "kind": "matrix", "name": "tiny", "title": "Tiny", "seed": 3,
        "models": copy.deepcopy(RAW["models"]), "training": copy.deepcopy(RAW["training"]),
        "rollout": {"timestep_fs": 2.0, "steps": 100, "starts": 2, "ranks": 1},
        "systems": [
            {"name": name, "title": name, "temperature": 300, **copy.deepcopy(parts)}
            for name in systems
        ],
        **changes,
    }  # fmt: skip


@pytest.fixture
def made(fakes: Scored, tmp_path: Path) -> Callable[..., Path]:
    def make(name: str, matrix: dict[str, Any], only: tuple[str, ...] | None = None) -> Path:
        parsed, cells = parse_matrix(matrix, name)
        chosen = None if only is None else [c for c in cells if c.name in only]
        run_matrix(parsed, cells, tmp_path / name, chosen)
        return tmp_path / name

    return make


# --- which row of the paper a system is


def test_rows_of_the_paper_reach_their_cells_and_change_nothing_else() -> None:
    plain = raw("a")
    named = raw("a")
    named["systems"][0]["paper"] = {"dataset": "GeTe"}
    (before,), (after,) = (parse_matrix(m, "tiny")[1] for m in (plain, named))
    assert [row.label for row in after.paper] == ["GeTe"]
    assert before.paper == ()
    assert before.config == after.config


def test_a_temperature_may_have_rows_of_its_own() -> None:
    matrix = raw("a")
    system = matrix["systems"][0]
    del system["temperature"]
    system["paper"] = [{"dataset": "3BPA"}, {"dataset": "3BPA", "condition": "300K"}]
    hot = {"kelvin": 600, "paper": {"dataset": "3BPA", "condition": "600K"}}
    system["temperatures"] = [300, hot]
    parsed, cells = parse_matrix(matrix, "tiny")
    labels = [[row.label for row in cell.paper] for cell in cells]
    assert labels == [["3BPA", "3BPA, 300K"], ["3BPA, 600K"]]
    again = parse_matrix(parsed.model_dump(mode="json", exclude_defaults=True), "again")[1]
    assert again == cells


def test_an_unknown_row_is_refused_with_the_known_ones() -> None:
    matrix = raw("a")
    matrix["systems"][0]["paper"] = {"dataset": "3BPA", "condition": "900K"}
    with pytest.raises(EgraffError, match=r"systems\.0\.paper\.0.*'3BPA' with '600K'"):
        parse_matrix(matrix, "tiny")


# --- one page


def test_a_matrix_gives_a_page_with_tables_figures_and_scores(
    made: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix = raw("a", "b")
    matrix["systems"][0]["paper"] = {"dataset": "GeTe"}
    out = made("one", matrix)
    monkeypatch.setattr(matrix_page, "draw_all", draw_all)
    assert 'id="T3"' in (out / "report.html").read_text()
    path = write_report([out], out.parent / "all.html")
    page = path.read_text()
    assert re.search(r'title="22 frames, 2 starts, r &lt; 5 A">20\.0<', page)
    assert "http" not in page
    files = path.with_name("all-files")
    links = set(re.findall(r'href="([^"#]+)"', page))
    assert {"one/a/report.html", "all-files/scores.csv", "all-files/fig3-rdf.csv"} <= links
    assert all((path.parent / link).is_file() for link in links)
    assert json.loads((files / "scores.json").read_text())["name"] == "tiny"
    lines = list(csv.reader((files / "fig8-rmsd.csv").open()))
    # Arithmetic mean over the two starts, their range, and no entry where none is finite.
    assert lines[2] == ["a", "nequip", "0.0", "0.0", "0.0", "0.0"]
    assert lines[3][:2] == ["a", "nequip"]
    assert [float(v) for v in lines[3][2:]] == pytest.approx([20.0, 0.15, 0.1, 0.2], rel=1e-12)
    assert lines[4][:3] == ["a", "allegro", "0.0"]
    units = next(csv.DictReader((files / "scores.csv").open()))
    assert units["temperature_kelvin"] == "K"


def test_paper_units_are_those_of_the_tables(made: Callable[..., Path]) -> None:
    run = read_run(made("one", raw("a")))
    first = run.results_of("a")[0]
    whole = first.find("energy_mae", "accuracy", "paper")
    epoch = first.find("training_time", "cost", "paper")
    steps = first.find("ms_per_step", "cost", "paper")
    assert whole is not None
    assert epoch is not None
    assert steps is not None
    # The fakes: 1 meV/atom on 16 atoms, 1 s for 2 epochs, 10 ms a step.
    assert (whole.value, whole.unit) == (16.0, "meV")
    assert (epoch.value, epoch.unit) == (pytest.approx(1 / 120), "min/epoch")
    assert (steps.value, steps.unit) == (pytest.approx(10 / 60), "min")


def test_runs_on_several_machines_make_one_page(made: Callable[..., Path]) -> None:
    matrix = raw("a", "b")
    one, two = made("one", matrix, ("a",)), made("two", matrix, ("b",))
    page = merge([read_run(one), read_run(two)])
    assert list(page.labels) == ["a", "b"]
    assert {(c.cell, c.state) for c in page.cells} == {("a", "done"), ("b", "done")}
    assert {Path(c.page or "").parts[-3] for c in page.cells} == {"one", "two"}


def test_equal_results_are_merged_and_different_ones_refused(
    made: Callable[..., Path], fakes: Scored, tmp_path: Path
) -> None:
    one = made("one", raw("a", "b"))
    shutil.copytree(one, tmp_path / "copy")
    assert len(merge([read_run(one), read_run(tmp_path / "copy")]).cells) == 4
    fakes.value = 5.0
    other = made("other", raw("b"))
    with pytest.raises(EgraffError, match=r"cell b .*different ones in .*one and .*other"):
        write_report([one, other], tmp_path / "x.html")
    assert not (tmp_path / "x.html").exists()


def test_one_name_for_two_models_is_refused(made: Callable[..., Path]) -> None:
    one = made("one", raw("a"))
    models = [{"name": "nequip", "forcefield": "mace"}]
    two = made("two", raw("b", models=models))
    with pytest.raises(EgraffError, match="model nequip"):
        merge([read_run(one), read_run(two)])


def test_a_single_system_is_a_cell(
    fakes: Scored, made: Callable[..., Path], tmp_path: Path
) -> None:
    run_bench(config(), tmp_path / "mini")
    matrix = made("one", raw("a"))
    page = merge([read_run(matrix), read_run(tmp_path / "mini")])
    assert page.labels == {"a": "a, 300 K", "mini": "mini, 900 K"}
    assert all(c.state == "done" for c in page.cells)
    assert page.title == "Tiny + CdTe in miniature"


# --- what cannot be reported


def test_bad_input_is_named(made: Callable[..., Path], tmp_path: Path) -> None:
    out = made("one", raw("a"))
    empty, never = tmp_path / "empty", made("never", raw("a"), ())
    empty.mkdir()
    for folders, output, message in (
        ([tmp_path / "absent"], "x.html", "absent: expected an output folder"),
        ([empty], "x.html", "empty: .*found neither"),
        ([never], "x.html", "never: expected results, no cell has any .not run yet"),
        ([out], "no/such/x.html", "does not: make it"),
        ([out], "one", "expected a file for the page, got a folder"),
    ):
        with pytest.raises(EgraffError, match=message):
            write_report(folders, tmp_path / output)
    (out / "broken").mkdir()
    (out / "broken" / "bench.json").write_text("{")
    with pytest.raises(EgraffError, match="expected the record of a run"):
        read_run(out / "broken")


def test_the_command_writes_the_page(made: Callable[..., Path], tmp_path: Path) -> None:
    out = made("one", raw("a"))
    result = CliRunner().invoke(build_app(), ["report", str(out), "-o", str(tmp_path / "p.html")])
    assert result.exit_code == 0, result.output
    assert f"report: {tmp_path / 'p.html'}" in result.output
    assert (tmp_path / "p-files" / "scores.csv").is_file()
