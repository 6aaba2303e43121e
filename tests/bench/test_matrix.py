"""The matrix: how cells are merged, what they share, what failures do, the summary."""

from __future__ import annotations

import copy
import csv
import json
import re
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from synthetic_results import score

sys.path.insert(0, str(Path(__file__).parent))
from bench_fakes import RAW, STAGES, Fakes

from egraff_lmp.bench import load_matrix, parse_matrix, run_matrix, shipped, work
from egraff_lmp.bench import run as chain
from egraff_lmp.bench.matrix import merged, spread_starts
from egraff_lmp.bench.slurm import render_script, submit
from egraff_lmp.errors import EgraffError
from egraff_lmp.report import page as page_module
from egraff_lmp.report.figures import draw_all
from egraff_lmp.report.words import troubles_words
from egraff_lmp.score.records import RERUN_REFERENCE, SCHEMA, STRUCTURE, SURVIVAL, Counts

MATRICES = ("reduced", "full", "benzene", "decisive", "molecules")


def raw_matrix() -> dict[str, Any]:
    """Two systems of the miniature, the second at two temperatures."""
    system = {key: copy.deepcopy(RAW[key]) for key in ("reference", "split")}
    return {
        "kind": "matrix",
        "name": "tiny",
        "title": "Two by two",
        "seed": 3,
        "models": copy.deepcopy(RAW["models"]),
        "training": copy.deepcopy(RAW["training"]),
        "rollout": {"timestep_fs": 2.0, "steps": 100, "starts": 2, "ranks": 1},
        "scoring": {"rerun_every": 10},
        "systems": [
            {"name": "cold", "title": "CdTe", "temperature": 300, **copy.deepcopy(system)},
            {"name": "hot", "title": "CdTe", "temperatures": [600, 900], **copy.deepcopy(system)},
        ],
    }


class Cells(Fakes):
    """Fakes whose failures and notes name the cell as well."""

    def outcome(self, folder: Path, value: dict[str, Any], **content: str) -> Any:
        place = f"{folder.parent.name}/{folder.name}"
        if place in self.fail:
            self.done.append(folder.name)
            raise self.fail[place]
        return super().outcome(folder, value, **content)

    def make_reference(self, config: Any, progress: Any, folder: Path) -> Any:
        # The parts do not depend on the temperature: models can be shared.
        found = super().make_reference(config, progress, folder)
        (folder / "held_out").write_text(f"{config.temperature_kelvin}")
        return found

    def scored(self, config: Any) -> dict[str, Any]:
        starts = len(config.rollout.starts)
        values = (
            score(config.temperature_kelvin / 100, "wf", STRUCTURE, part="total", floor=0.5,
                  interval=(1.0, 3.0)),
            score(0.25, "fv", RERUN_REFERENCE),
            score(1.0, "finished_starts", SURVIVAL, counts=Counts(starts=starts), interval=None),
        )  # fmt: skip
        return {**super().scored(config), "scores": values}


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Cells:
    found = Cells()
    for name in STAGES:
        monkeypatch.setattr(work, name, getattr(found, name))
    # The systems' own pages are tested with `run_bench`; figures take most of the time.
    monkeypatch.setattr(chain, "write_page", lambda results, path: path.write_text("page"))
    monkeypatch.setattr(page_module, "draw_all", lambda results, cheap=False: [])
    return found


@pytest.fixture
def run(fakes: Cells, tmp_path: Path) -> Callable[..., Any]:
    def go(raw: dict[str, Any] | None = None, only: list[str] | None = None) -> Any:
        fakes.done.clear()
        matrix, cells = parse_matrix(raw or raw_matrix(), "tiny")
        chosen = None if only is None else [cell for cell in cells if cell.name in only]
        return run_matrix(matrix, cells, tmp_path / "out", chosen)

    return go


def scores(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "scores.json").read_text()))


def states_of(result: Any) -> dict[tuple[str, str], tuple[str, str]]:
    return {
        (system.name, one.model.name): (one.state, troubles_words(one.troubles))
        for system, one in result.results
    }


# --- the config


def test_every_system_and_temperature_is_a_cell_with_the_common_values() -> None:
    _, cells = parse_matrix(raw_matrix(), "tiny")
    assert [cell.name for cell in cells] == ["cold", "hot-600K", "hot-900K"]
    assert [cell.config.temperature_kelvin for cell in cells] == [300, 600, 900]
    for cell in cells:
        assert cell.config.steps == 100
        assert [model.name for model in cell.config.models] == ["nequip", "allegro"]
        assert cell.config.seed == 3


def test_a_system_overrides_values_and_selects_models() -> None:
    raw = raw_matrix()
    raw["systems"][0] |= {
        "rollout": {"steps": 50, "starts": [61]},
        "training": {"stop": {"max_epochs": 9}},
        "models": ["allegro"],
    }
    _, cells = parse_matrix(raw, "tiny")
    first, second = cells[0].config, cells[1].config
    assert (first.steps, first.rollout.starts) == (50, (61,))
    assert [model.name for model in first.models] == ["allegro"]
    settings = first.train_settings(first.models[0], "a", "b")
    assert (settings.stop.max_epochs, settings.batch_size) == (9, 4)
    assert second.steps == 100


def test_a_temperature_may_bring_a_reference_of_its_own() -> None:
    raw = raw_matrix()
    raw["systems"][1]["temperatures"] = [
        600,
        {"kelvin": 900, "reference": {"length_ps": 4.0}, "remarks": ["longer"]},
    ]
    _, cells = parse_matrix(raw, "tiny")
    assert [cell.config.reference.length_ps for cell in cells[1:]] == [2.0, 4.0]
    assert cells[2].config.remarks == ("longer",)


def test_mappings_of_another_kind_replace_each_other() -> None:
    below = {"schedule": {"name": "cosine", "epochs": 30}, "stop": {"max_epochs": 5}}
    above = {"schedule": {"name": "plateau"}, "stop": {"max_minutes": 1}}
    assert merged(below, above) == {
        "schedule": {"name": "plateau"},
        "stop": {"max_epochs": 5, "max_minutes": 1},
    }
    assert below["stop"] == {"max_epochs": 5}


def test_starts_are_spread_and_leave_room_for_the_rollout() -> None:
    assert spread_starts(2, 100, 200, 0) == [100, 150]
    assert spread_starts(4, 100, 200, 60) == [100, 110, 120, 130]
    assert spread_starts(3, 100, 200, 500) == [100, 100, 100]
    for needed in (0, 30, 90):
        assert all(s + needed <= 200 for s in spread_starts(5, 100, 200, needed))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw["systems"][0].update(temperatures=[1]), "either temperature"),
        (lambda raw: raw["systems"][0].update(temperature=None), "either temperature"),
        (lambda raw: raw["systems"][1].update(temperatures=[5, 5]), "given twice"),
        (lambda raw: raw["systems"][1].update(name="cold"), "name of its own"),
        (lambda raw: raw["systems"][0].update(models=["mace"]), "mace"),
        (lambda raw: raw["systems"][0].update(name="../up"), "systems.0.name"),
        (lambda raw: raw["systems"][0].update(ruolout={}), "ruolout"),
        (lambda raw: raw["rollout"].update(rank=3), "system cold.*rank"),
        (lambda raw: raw["rollout"].update(length_fs=3), "either steps or length_fs"),
        (lambda raw: raw["rollout"].pop("timestep_fs"), "timestep_fs"),
        (lambda raw: raw["rollout"].update(starts=0), "at least 1"),
        (lambda raw: raw["models"][0].update(forcefield="nequipp"), "nequip, allegro"),
        (lambda raw: raw.update(systems=[]), "systems"),
    ],
)
def test_mistakes_are_named(change: Callable[[dict[str, Any]], Any], message: str) -> None:
    raw = raw_matrix()
    change(raw)
    with pytest.raises(EgraffError, match=message):
        parse_matrix(raw, "tiny")


def test_a_system_cannot_take_the_name_of_a_file_of_the_matrix(run: Callable[..., Any]) -> None:
    raw = raw_matrix()
    raw["systems"][0]["name"] = "models"
    with pytest.raises(EgraffError, match="rename it"):
        run(raw)


# --- running


def test_temperatures_of_a_system_share_their_models(
    run: Callable[..., Any], fakes: Cells, tmp_path: Path
) -> None:
    assert run().complete
    trained = [name for name in fakes.done if name.startswith("train")]
    # All three cells hold the same parts, so each model is trained once.
    assert sorted(trained) == ["train-allegro", "train-nequip"]
    assert sum(name.startswith("deploy") for name in fakes.done) == 2
    assert sum(name.startswith("rollout") for name in fakes.done) == 3 * 2 * 2
    assert len(list((tmp_path / "out" / "models").iterdir())) == 2


def test_a_finished_matrix_repeats_nothing_and_a_change_only_what_it_touches(
    run: Callable[..., Any], fakes: Cells
) -> None:
    run()
    run()
    assert fakes.done == []
    raw = raw_matrix()
    raw["systems"][0]["scoring"] = {"skip_fs": 40}
    run(raw)
    assert sorted(fakes.done) == ["score-allegro", "score-nequip"]


def test_a_killed_matrix_gives_the_same_table(
    run: Callable[..., Any], fakes: Cells, tmp_path: Path
) -> None:
    run()
    expected = (tmp_path / "out" / "scores.csv").read_bytes()
    (tmp_path / "out").rename(tmp_path / "whole")

    class Killed(BaseException):
        pass

    for place in ("cold/rollout-nequip-2", "hot-600K/score-nequip", "hot-900K/check-allegro"):
        fakes.fail = {place: Killed()}  # type: ignore[dict-item]
        with pytest.raises(Killed):
            run()
    fakes.fail.clear()
    assert run().complete
    assert (tmp_path / "out" / "scores.csv").read_bytes() == expected


def test_a_failed_cell_is_a_result_with_its_reason(
    run: Callable[..., Any], fakes: Cells, tmp_path: Path
) -> None:
    fakes.fail["hot-900K/rollout-nequip-1"] = EgraffError("the atoms left.")
    fakes.fail["hot-900K/rollout-nequip-2"] = EgraffError("the atoms left again.")
    fakes.fail["cold/reference"] = EgraffError("no such potential.")
    result = run()
    assert not result.complete
    states = states_of(result)
    assert states["hot-900K", "nequip"][0] == "failed"
    assert "the atoms left again." in states["hot-900K", "nequip"][1]
    assert states["hot-900K", "allegro"] == ("done", "")
    assert "no such potential." in states["cold", "allegro"][1]
    page = result.report.read_text()
    assert "the atoms left again." in page
    assert ">failed<" in page
    assert states["hot-600K", "nequip"] == ("done", "")


def test_one_broken_start_is_marked_and_the_rest_is_scored(
    run: Callable[..., Any], fakes: Cells, tmp_path: Path
) -> None:
    fakes.fail["cold/rollout-nequip-1"] = EgraffError("LAMMPS did not start.")
    result = run()
    state, why = states_of(result)["cold", "nequip"]
    assert state == "done"
    assert "LAMMPS did not start." in why
    assert "1 of 2" in result.report.read_text()


def test_a_cell_that_cannot_begin_does_not_stop_the_others(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    stranger = tmp_path / "out" / "cold" / "reference"
    stranger.mkdir(parents=True)
    (stranger / "mine.txt").write_text("x")
    result = run()
    states = {cell: state for (cell, _), (state, _) in states_of(result).items()}
    assert states == {"cold": "failed", "hot-600K": "done", "hot-900K": "done"}
    assert "other files" in result.report.read_text()


def test_cells_can_be_run_apart_and_the_summary_sees_all(
    run: Callable[..., Any], fakes: Cells, tmp_path: Path
) -> None:
    first = run(only=["hot-900K"])
    assert first.complete
    page = first.report.read_text()
    models = ", ".join(model.name for model in first.results.models)
    assert models.count(",") > 0
    # One line for each cell that waits, not one for each of its models.
    assert re.findall(r"<dt>(\S+), \S+ K: ([^<]*)</dt><dd>not run", page) == [
        ("cold", models), ("hot", models),
    ]  # fmt: skip
    run(only=["cold", "hot-600K"])
    apart = scores(tmp_path / "out")
    assert not any("hot-900K" in name for name in fakes.done)
    assert {one["state"] for one in apart["models"]} == {"done"}
    assert run(only=[]).complete
    assert fakes.done == []


def test_results_of_other_settings_are_not_shown_as_those_of_these(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    run()
    raw = raw_matrix()
    raw["systems"][0]["rollout"] = {"steps": 60}
    result = run(raw, only=[])
    states = states_of(result)
    assert states["cold", "nequip"][0] == "not run"
    assert "other settings" in states["cold", "nequip"][1]
    assert states["hot-600K", "nequip"] == ("done", "")


# --- the summary


def test_the_table_has_a_row_of_units_and_one_row_for_each_score(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    run()
    record = scores(tmp_path / "out")
    assert record["schema"] == SCHEMA
    lines = list(csv.DictReader((tmp_path / "out" / "scores.csv").open()))
    assert lines[0]["temperature_kelvin"] == "K"
    assert lines[0]["interval_low"] == "see unit"
    assert len(lines) == 1 + len(record["scores"])
    for line, row in zip(lines[1:], record["scores"], strict=True):
        assert line["key"] == row["key"]
        assert line["unit"] == row["unit"] != ""
        assert float(line["value"]) == row["value"]
    wf = next(s for s in record["scores"] if s["key"] == "wf" and s["system"] == "cold")
    assert (wf["value"], wf["floor"], wf["interval"]) == (3.0, 0.5, [1, 3])
    assert wf["counts"]["starts"] == 2
    assert wf["window"]["code"] == "distances"


def test_the_page_is_self_contained_and_links_to_the_systems(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    monkeypatch.setattr(page_module, "draw_all", draw_all)
    result = run(only=[])
    page = result.report.read_text()
    assert "http:" not in page
    assert "https:" not in page
    links = set(re.findall(r'href="([^"#]+)"', page))
    assert {"cold/report.html", "hot-600K/report.html", "scores.csv", "scores.json"} <= links
    assert all((result.report.parent / link).is_file() for link in links)
    assert page.count("data:image/png") > 5
    for key in ("wf-structure", "fv-rerun-reference", "ms_per_step-cost"):
        assert f'<h2 id="{key}">' in page


def test_what_users_write_is_escaped(run: Callable[..., Any]) -> None:
    raw = raw_matrix()
    raw["title"] = "<script>alert(1)</script>"
    assert "<script>alert" not in run(raw).report.read_text()


# --- Slurm


def fake_sbatch(folder: Path, text: str) -> None:
    path = folder / "sbatch"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)


def test_the_script_has_a_task_for_each_cell(tmp_path: Path) -> None:
    raw = raw_matrix()
    raw["slurm"] = {"partition": "short", "at_once": 2, "options": ["--qos=low"],
                    "setup": ["module load mpi"]}  # fmt: skip
    raw["rollout"]["ranks"] = 4
    matrix, cells = parse_matrix(raw, "tiny")
    text = render_script(matrix, cells, tmp_path / "with space", tmp_path).read_text()
    assert text.startswith("#!/bin/bash\n#SBATCH ")
    for line in (
        "--array=0-2%2",
        "--ntasks=4",
        "--partition=short",
        "--qos=low",
        "--signal=B:TERM@60",
    ):
        assert f"#SBATCH {line}\n" in text
    assert "\nmodule load mpi\n" in text
    # sbatch takes a directive apart at spaces, unless they are quoted.
    logs = tmp_path / "with space" / "slurm" / "%x-%A-%a.log"
    assert f'#SBATCH --output="{logs}"\n' in text
    assert f"--out '{tmp_path / 'with space'}' --cell \"$SLURM_ARRAY_TASK_ID\"" in text
    assert "--trust" not in text
    trusting = render_script(matrix, cells, tmp_path / "with space", tmp_path, trust=True)
    assert " --trust --cell " in trusting.read_text()
    copied, copies = load_matrix(str(tmp_path / "with space" / "matrix.yaml"))
    assert [cell.config for cell in copies] == [cell.config for cell in cells]
    assert copied.slurm == matrix.slurm


def test_sbatch_gets_the_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, cells = parse_matrix(raw_matrix(), "tiny")
    script = render_script(matrix, cells, tmp_path / "out", tmp_path)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    fake_sbatch(tmp_path / "bin", 'test -f "$1" && echo "Submitted batch job 4711"')
    assert submit(script) == "4711"
    fake_sbatch(tmp_path / "bin", 'echo "invalid partition" >&2; exit 1')
    with pytest.raises(EgraffError, match="invalid partition"):
        submit(script)
    (tmp_path / "bin" / "sbatch").unlink()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert submit(script) is None


def test_options_that_are_none_are_refused(tmp_path: Path) -> None:
    raw = raw_matrix()
    raw["slurm"] = {"options": ["rm -rf x"]}
    matrix, cells = parse_matrix(raw, "tiny")
    with pytest.raises(EgraffError, match=r"slurm\.options"):
        render_script(matrix, cells, tmp_path, tmp_path)


# --- the shipped ones


@pytest.mark.parametrize("name", MATRICES)
def test_shipped_matrices_parse_and_read_only_known_data(name: str) -> None:
    from egraff_lmp.data.table import DATA_SETS

    assert name in shipped()
    matrix, cells = load_matrix(name)
    assert matrix.name == name
    for cell in cells:
        config = cell.config
        learnt = config.split.train.sources if config.split.train else ()
        sources = [*config.reference.sources, *learnt]
        for source in sources:
            key, _, part = source.partition(":")
            assert part in DATA_SETS[key].files, source


def test_the_reduced_matrix_is_what_it_says() -> None:
    matrix, cells = load_matrix("reduced")
    assert {m.forcefield for m in matrix.models} == {"nequip", "allegro", "torchmdnet"}
    assert {m.preset for m in matrix.models} == {"small"}
    assert [cell.system for cell in cells] == ["gete", "Li7PS6", "aspirin", "acetylacetone"]
    for cell in cells:
        assert cell.config.rollout.ranks == 2
        assert cell.config.steps == 300
        assert len(cell.config.rollout.starts) == 2
        for model in cell.config.models:
            # A bound on wall time would make the numbers depend on how often a run was killed.
            assert cell.config.train_settings(model, "a", "b").stop.max_minutes is None


def test_the_full_matrix_holds_every_force_field_and_the_three_tasks() -> None:
    from egraff_lmp.forcefields import FORCE_FIELDS

    matrix, cells = load_matrix("full")
    assert {m.forcefield for m in matrix.models} == set(FORCE_FIELDS)
    by_name = {cell.name: cell.config for cell in cells}
    for config in by_name.values():
        assert config.steps == 1000
        assert len(config.rollout.starts) == 5
    assert {"3bpa-300K", "3bpa-600K", "acetylacetone-300K", "acetylacetone-600K"} <= set(by_name)
    five = {f"lips20:{name}" for name in ("Li", "Li2S", "Li48P16S61", "P4S3", "Li7PS6")}
    lips20 = [cell.config for cell in cells if cell.config.title.startswith("LiPS20")]
    assert len(lips20) == 12
    for config in lips20:
        assert set(config.split.train.sources) == five
        assert config.title.endswith("unseen") != (config.reference.sources[0] in five)
    assert by_name["aspirin-to-ethanol"].split.train.sources == ("aspirin:train",)


def test_acetylacetone_at_600_kelvin_is_compared_with_frames_at_600_kelvin() -> None:
    _, cells = load_matrix("molecules")
    sources = {cell.name: cell.config.reference.sources for cell in cells}
    assert sources["acetylacetone-300K"] == ("acetylacetone:test_300K",)
    assert sources["acetylacetone-600K"] == ("acetylacetone:test_600K",)
    assert {"naphthalene", "salicylic_acid"} <= set(sources)


def test_a_cell_that_cannot_begin_says_why_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EGRAFF_DATA", str(tmp_path / "empty"))
    matrix, cells = load_matrix("benzene")
    told: list[tuple[str, str]] = []
    result = run_matrix(
        matrix, cells, tmp_path / "out", refuse_cell=lambda cell, why: told.append((cell.name, why))
    )
    assert [name for name, _ in told] == [cell.name for cell in cells]
    assert all("egraff data fetch benzene:whole" in why for _, why in told)
    assert not result.complete
    assert {why for _, why in states_of(result).values()} == {told[0][1]}
