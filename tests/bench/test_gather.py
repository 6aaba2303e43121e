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

import numpy as np
import pytest
from synthetic_results import score
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))
from bench_fakes import RAW, STAGES, Fakes, config

from egraff_lmp.bench import parse_matrix, run, run_bench, run_matrix, work
from egraff_lmp.bench.frames import write_npz
from egraff_lmp.bench.gather import _snapshot, merge, read_results, write_report
from egraff_lmp.cli import build_app
from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.report import page as page_module
from egraff_lmp.report.figures import draw_all
from egraff_lmp.results.record import Results
from egraff_lmp.score.records import (
    COST,
    SCHEMA,
    STRUCTURE,
    TRAJECTORY,
    Counts,
    Curves,
    Series,
)

R = np.array([0.5, 1.0, 1.5, 2.0])
G = {"total": np.array([0.0, 2.0, 1.0, 1.0])}


class Scored(Fakes):
    """Fakes whose scores have values, curves and series."""

    value = 4.0

    def scored(self, config: Any) -> dict[str, Any]:
        counts = Counts(22, 40, 2)
        values = (
            score(self.value, "wf", STRUCTURE, part="total", floor=0.5, counts=counts),
            score(2e-4, "ev_released", TRAJECTORY, mode="paper", counts=counts),
        )
        sides = ("reference", "rollouts")
        series = tuple(
            Series("rmsd", "egraff", TRAJECTORY, k, 20.0, np.array([0.0, 0.1 * (k + 1), np.nan]))
            for k in range(2)
        )
        curves = tuple(Curves("g", R, "A", G, "1", 40, side=side) for side in sides)
        return {"scores": values, "curves": curves, "series": series}


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Scored:
    found = Scored()
    for name in STAGES:
        monkeypatch.setattr(work, name, getattr(found, name))
    monkeypatch.setattr(run, "write_page", lambda results, path: path.write_text("page"))
    # Figures take most of the time; tests that look at them put them back.
    monkeypatch.setattr(page_module, "draw_all", lambda results, cheap=False: [])
    return found


def states(found: Results) -> set[tuple[str, str]]:
    return {(system.name, one.state) for system, one in found}


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
    monkeypatch.setattr(page_module, "draw_all", draw_all)
    assert 'id="T3"' in (out / "report.html").read_text()
    path = write_report([out], out.parent / "all.html")
    page = path.read_text()
    assert re.search(r'title="22 frames, 2 starts, interval over 12 blocks">20\.0<', page)
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


def test_costs_are_those_of_the_stages(made: Callable[..., Path]) -> None:
    ((first, *_),) = (system.models for system in read_results(made("one", raw("a"))).systems)
    found = {one.key: (one.value, one.unit) for one in first.values if one.comparison == COST}
    # The fakes: 1 s for 2 epochs, 10 ms a step of 2 fs on 16 atoms, 100 steps in each of 2 starts.
    assert found["training_time"] == (1.0, "s")
    assert found["training_time_epoch"] == (pytest.approx(1 / 120), "min/epoch")
    assert found["ms_per_step"] == (pytest.approx(10.0), "ms/step")
    assert found["us_per_atom_step"] == (pytest.approx(625.0), "us/atom/step")
    assert found["minutes_per_1000_steps"] == (pytest.approx(10 / 60), "min")


def test_what_was_run_is_read_with_it(made: Callable[..., Path]) -> None:
    (system,) = read_results(made("one", raw("a"))).systems
    assert system.reference.species == {"Cd": 8, "Te": 8}
    assert (system.reference.atoms, system.reference.trained_on) == (16, 8)
    assert system.asked_fs == 200.0
    assert [one.lasted_fs for one in system.models[0].rollouts] == [200.0, 200.0]
    assert system.models[0].rollouts[0].temperature is not None
    assert system.models[0].card is not None
    assert system.models[0].card.architecture == "Nequip"
    assert [stage.name for stage in system.stages][:2] == ["reference", "train-nequip"]
    assert set(system.machine) == {"written", "hardware", "operating system", "versions"}


def test_runs_on_several_machines_make_one_page(made: Callable[..., Path]) -> None:
    matrix = raw("a", "b")
    one, two = made("one", matrix, ("a",)), made("two", matrix, ("b",))
    found = merge([read_results(one), read_results(two)])
    assert states(found) == {("a", "done"), ("b", "done")}
    assert [system.page and system.page.parts[-3] for system in found.systems] == ["one", "two"]


def test_equal_results_are_merged_and_different_ones_refused(
    made: Callable[..., Path], fakes: Scored, tmp_path: Path
) -> None:
    one = made("one", raw("a", "b"))
    shutil.copytree(one, tmp_path / "copy")
    assert len(list(merge([read_results(one), read_results(tmp_path / "copy")]))) == 4
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
        merge([read_results(one), read_results(two)])


def test_a_single_system_stands_beside_a_matrix(
    fakes: Scored, made: Callable[..., Path], tmp_path: Path
) -> None:
    run_bench(config(), tmp_path / "mini")
    matrix = made("one", raw("a"))
    found = merge([read_results(matrix), read_results(tmp_path / "mini")])
    assert [system.label for system in found.systems] == ["a, 300 K", "mini, 900 K"]
    assert {state for _, state in states(found)} == {"done"}
    assert (found.title, found.name) == ("Tiny + CdTe in miniature", "tiny+mini")


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
        read_results(out / "broken")


def test_a_damaged_or_old_scoring_is_a_trouble_with_its_reason(made: Callable[..., Path]) -> None:
    out = made("one", raw("a"))
    path = out / "a" / "score-nequip" / "scores"
    old = json.dumps({"kind": "egraff scores", "schema": 1, "scores": []})
    for text, reason in (
        ("{", f"expected egraff scores of schema {SCHEMA}"),
        (old, "got egraff scores of schema 1: score the rollouts again"),
        (None, "cannot be read"),
    ):
        path.unlink() if text is None else path.write_text(text)
        (system,) = read_results(out).systems
        nequip, allegro = system.models
        assert (nequip.state, allegro.state) == ("failed", "done")
        (trouble,) = nequip.troubles
        assert trouble.stage == "score-nequip"
        assert reason in trouble.reason
        assert nequip.find("ms_per_step", COST) is not None  # known without any scoring


def test_a_damaged_record_of_a_system_is_told(made: Callable[..., Path]) -> None:
    out = made("one", raw("a", "b"))
    for text in ("{", "{}", "[]", '{"config": {}, "stages": [1]}'):
        (out / "a" / "bench.json").write_text(text)
        found = read_results(out)
        assert states(found) == {("a", "not run"), ("b", "done")}
        reasons = {trouble.reason for _, one in found for trouble in one.troubles}
        assert any("bench.json cannot be read" in reason for reason in reasons)


def test_the_command_writes_the_page(made: Callable[..., Path], tmp_path: Path) -> None:
    out = made("one", raw("a"))
    result = CliRunner().invoke(build_app(), ["report", str(out), "-o", str(tmp_path / "p.html")])
    assert result.exit_code == 0, result.output
    assert f"report: {tmp_path / 'p.html'}" in result.output
    assert (tmp_path / "p-files" / "scores.csv").is_file()


def test_the_first_held_out_frame_is_read_alone_and_a_damaged_file_is_none(tmp_path: Path) -> None:
    x = np.arange(24.0).reshape(2, 4, 3)
    cell = np.broadcast_to(9 * np.eye(3), (2, 3, 3)).copy()
    frames = Frames(
        ("Ge", "Te", "Te", "Te"), x, cell, (True,) * 3, np.zeros(2), -x, None, "made up"
    )
    path = tmp_path / "held_out.npz"
    write_npz(frames, path)
    first = _snapshot(path, periodic=True)
    assert first is not None
    assert first.species == frames.species
    assert first.positions == x[0].tolist()
    assert first.forces == (-x[0]).tolist()
    assert first.cell == cell[0].tolist()
    molecule = _snapshot(path, periodic=False)
    assert molecule is not None
    assert not np.any(molecule.cell)
    path.write_bytes(path.read_bytes()[:300])
    assert _snapshot(path, periodic=True) is None
    assert _snapshot(tmp_path / "absent.npz", periodic=True) is None
