"""The chain: what is repeated after a change, what a failure stops, and one real run."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from egraff_lmp.bench import parse_config, run_bench, work
from egraff_lmp.bench.config import BenchConfig, Model
from egraff_lmp.bench.run import BenchResult
from egraff_lmp.bench.stage import Outcome, StageResult
from egraff_lmp.errors import EgraffError

RAW: dict[str, Any] = {
    "name": "mini",
    "title": "CdTe in miniature",
    "seed": 3,
    "temperature_kelvin": 900,
    "reference": {
        "kind": "classical",
        "species": ["Cd", "Te"],
        "structure": "zincblende",
        "lattice_constant_angstrom": 6.48,
        "repeat": [1, 1, 2],
        "pair_style": "sw",
        "potential": "CdTe.sw",
        "timestep_fs": 2.0,
        "stride_fs": 20.0,
        "equilibration_ps": 1.0,
        "length_ps": 2.0,
    },
    "split": {
        "train": {"first": 0, "last": 40, "every": 5},
        "validation": {"first": 45, "last": 55, "every": 5},
        "held_out": {"first": 60, "last": 100},
    },
    "training": {
        "r_max": 4.8,
        "batch_size": 4,
        "device": "cpu",
        "threads": 1,
        "stop": {"max_epochs": 2},
    },
    "models": [
        {"name": "nequip", "forcefield": "nequip"},
        {"name": "allegro", "forcefield": "allegro"},
    ],
    "rollout": {"timestep_fs": 2.0, "length_fs": 200, "starts": [60, 80], "ranks": 2},
    "scoring": {"rerun_every": 10, "skip_fs": 40},
}


def config(**changes: Any) -> BenchConfig:
    """The miniature with dotted keys (with __ for the dot) replaced."""
    raw = copy.deepcopy(RAW)
    for path, value in changes.items():
        node = raw
        *parents, last = path.split("__")
        for part in parents:
            node = node[part]
        node[last] = value
    return parse_config(raw, "mini")


class Fakes:
    """Stands in for the work of every stage and notes which were done."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.fail: dict[str, Exception] = {}

    def outcome(self, folder: Path, value: dict[str, Any], **content: str) -> Outcome:
        self.done.append(folder.name)
        if folder.name in self.fail:
            raise self.fail[folder.name]
        files = {}
        for name, text in content.items():
            files[name] = folder / name
            files[name].write_text(text)
        return Outcome(value, files)

    def make_reference(self, config: BenchConfig, progress: Any, folder: Path) -> Outcome:
        value = {
            "source": "fake", "n_frames": 100, "n_atoms": 16, "species": {"Cd": 8, "Te": 8},
            "cell": [], "parts": {"train": 8, "validation": 2, "held_out": 40}, "sha256": "ab",
        }  # fmt: skip
        text = repr(config.split) + repr(config.reference)
        return self.outcome(folder, value, frames=text, train=text, validation=text, held_out=text)

    def train_model(self, config: BenchConfig, model: Model, ref: StageResult, at: Path) -> Outcome:
        value = {
            "best_epoch": 2, "epochs": 2, "validation": {}, "wall_seconds": 1.0, "stop": "done",
            "precision": "float32",
        }  # fmt: skip
        text = repr(config.training) + ref.sha256("train")
        return self.outcome(at, value, checkpoint=text, log="epoch\n1\n")

    def deploy_model(self, model: Model, trained: StageResult, folder: Path) -> Outcome:
        value = {
            "architecture": model.name.title(), "r_max": 4.8, "n_layers": 2, "exchange_widths": [],
            "n_parameters": 1234, "dtype": "float32", "versions": {}, "citations": [],
        }  # fmt: skip
        return self.outcome(folder, value, model=trained.sha256("checkpoint"))

    def check_model(self, config: BenchConfig, dep: StageResult, ref: Any, at: Path) -> Outcome:
        value = {
            "energy_mae_mev_per_atom": 1.0, "energy_rmse_mev_per_atom": 2.0,
            "force_mae_mev_per_angstrom": 30.0, "force_rmse_mev_per_angstrom": 40.0,
            "force_scale_mev_per_angstrom": 500.0, "frames": 4, "window": "all",
        }  # fmt: skip
        return self.outcome(at, value, rerun=dep.sha256("model"))

    def run_start(
        self, config: BenchConfig, number: int, dep: StageResult, ref: Any, progress: Any, at: Path
    ) -> Outcome:
        if progress is not None:
            progress(config.steps, config.steps)
        value = {
            "status": "finished", "reason": "", "n_steps": config.steps, "seed": 1,
            "frame": config.rollout.starts[number], "ranks": 2, "threads": 1, "wall_seconds": 1.0,
            "ms_per_step": 10.0,
        }  # fmt: skip
        thermo = "time_fs,temperature_kelvin\n0,900\n"
        text = dep.sha256("model") + repr(config.rollout)
        return self.outcome(at, value, trajectory=text, thermo=thermo)

    def ask_oracle(self, config: BenchConfig, rollouts: Any, folder: Path) -> Outcome:
        text = "".join(rollout.sha256("trajectory") for rollout in rollouts)
        return self.outcome(folder, {"n_frames": 22}, oracle=text)

    def score_model(
        self, config: BenchConfig, ref: Any, checked: Any, rollouts: Any, oracle: Any, at: Path
    ) -> Outcome:
        scores = json.dumps({"scores": [], "curves": {}, "series": []})
        return self.outcome(at, {"lengths": [11, 11]}, scores=scores)


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Fakes:
    found = Fakes()
    for name in (
        "make_reference", "train_model", "deploy_model", "check_model", "run_start", "ask_oracle",
        "score_model",
    ):  # fmt: skip
        monkeypatch.setattr(work, name, getattr(found, name))
    return found


@pytest.fixture
def again(fakes: Fakes, tmp_path: Path) -> Callable[..., set[str]]:
    """Run once; then a function that runs again with changes and tells what was done anew."""
    run_bench(config(), tmp_path / "out")

    def repeat(**changes: Any) -> set[str]:
        fakes.done.clear()
        run_bench(config(**changes), tmp_path / "out")
        return {re.sub(r"-(nequip|allegro)", "", name) for name in fakes.done}

    return repeat


DOWNSTREAM = {"rollout-1", "rollout-2", "oracle", "score"}


def test_a_finished_run_repeats_nothing(again: Callable[..., set[str]]) -> None:
    assert again() == set()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"title": "another title"}, set()),
        ({"remarks": ["a remark"]}, set()),
        ({"scoring__skip_fs": 60}, {"score"}),
        ({"scoring__rerun_every": 5}, {"check", "score"}),
        ({"rollout__length_fs": 240}, DOWNSTREAM),
        ({"rollout__starts": [60, 81]}, {"rollout-2", "oracle", "score"}),
        ({"training__batch_size": 2}, {"train", "deploy", "check", *DOWNSTREAM}),
        (
            {"reference__length_ps": 2.2},
            {"reference", "train", "deploy", "check", *DOWNSTREAM},
        ),
    ],
)
def test_a_change_repeats_what_depends_on_it(
    again: Callable[..., set[str]], changes: dict[str, Any], expected: set[str]
) -> None:
    assert again(**changes) == expected


def test_a_change_of_one_model_leaves_the_other_alone(fakes: Fakes, tmp_path: Path) -> None:
    run_bench(config(), tmp_path)
    fakes.done.clear()
    models = copy.deepcopy(RAW["models"])
    models[1]["training"] = {"batch_size": 1}
    run_bench(config(models=models), tmp_path)
    assert fakes.done
    assert all("allegro" in name for name in fakes.done)


def test_a_failed_model_stops_itself_only_and_is_in_the_report(
    fakes: Fakes, tmp_path: Path
) -> None:
    fakes.fail["train-nequip"] = EgraffError("training diverged in epoch 1: lower the rate.")
    result = run_bench(config(), tmp_path)
    assert not result.complete
    states = {stage.name: stage.state for stage in result.stages}
    assert states["train-nequip"] == "failed"
    assert {states[f"{s}-nequip"] for s in ("deploy", "check", "rollout", "score") if
            f"{s}-nequip" in states} == {"blocked"}  # fmt: skip
    assert states["score-allegro"] == "done"
    page = result.report.read_text()
    assert "training diverged in epoch 1" in page
    assert "Allegro" in page

    fakes.fail.clear()
    fakes.done.clear()
    assert run_bench(config(), tmp_path).complete
    assert all("nequip" in name for name in fakes.done)


def test_one_broken_start_does_not_take_the_others_with_it(fakes: Fakes, tmp_path: Path) -> None:
    fakes.fail["rollout-nequip-1"] = EgraffError("LAMMPS did not start.")
    result = run_bench(config(), tmp_path)
    states = {stage.name: stage.state for stage in result.stages}
    assert states["rollout-nequip-2"] == states["score-nequip"] == "done"
    assert not result.complete
    assert "LAMMPS did not start." in result.report.read_text()


def test_without_a_reference_there_is_still_a_page_with_the_reason(
    fakes: Fakes, tmp_path: Path
) -> None:
    fakes.fail["reference"] = EgraffError("no such potential.")
    result = run_bench(config(), tmp_path)
    assert not result.complete
    assert "no such potential." in result.report.read_text()
    assert fakes.done == ["reference"]


def test_stages_are_told_in_order_and_counted(fakes: Fakes, tmp_path: Path) -> None:
    begun: list[tuple[int, int]] = []
    ended: list[str] = []
    steps: list[int] = []
    result = run_bench(
        config(),
        tmp_path,
        begin=lambda k, n, title: begun.append((k, n)),
        end=lambda k, n, stage: ended.append(stage.name),
        progress=lambda done, total: steps.append(done),
    )
    assert steps == [config().steps] * 4
    assert [k for k, _ in begun] == list(range(1, len(result.stages) + 1))
    assert {n for _, n in begun} == {len(result.stages)}
    assert ended == [stage.name for stage in result.stages]


def test_a_second_run_into_the_same_folder_is_refused(fakes: Fakes, tmp_path: Path) -> None:
    def meddle(number: int, total: int, title: str) -> None:
        if number == 2:
            with pytest.raises(EgraffError, match="another `egraff bench`"):
                run_bench(config(), tmp_path)

    assert run_bench(config(), tmp_path, begin=meddle).complete


def test_a_file_in_the_place_of_the_folder(fakes: Fakes, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(EgraffError, match="expected a folder"):
        run_bench(config(), tmp_path / "out")


@pytest.mark.mpi
@pytest.mark.slow
def test_the_whole_chain_for_real(tmp_path: Path) -> None:
    """Everything but the sizes as in `make demo`: 16 atoms, two epochs, two ranks."""
    small = config(rollout__starts=[60])
    result = run_bench(small, tmp_path / "out")
    assert result.complete, [(s.name, s.reason) for s in result.stages if not s.done]
    check_real(result)
    moved = tmp_path / "moved"
    (tmp_path / "out").rename(moved)
    repeated = run_bench(small, moved)
    assert not any(stage.fresh for stage in repeated.stages)


def check_real(result: BenchResult) -> None:
    """The numbers are there, in range, and consistent with each other."""
    page = result.report.read_text()
    for cell in result.cells:
        scores = json.loads(cell.score.path("scores").read_text())
        values = {
            (s["key"], s["comparison"], s["pair"]): s["value"]
            for s in scores["scores"]
            if s["mode"] == "egraff"
        }
        for comparison in ("trajectory", "rerun-reference", "rerun-oracle"):
            assert 0 < values["fv", comparison, ""] <= 1
            assert 0 <= values["ev", comparison, ""] <= 2
        assert values["wf", "structure", "total"] > 0
        assert 0 <= values["jsd", "structure", "total"] <= 1
        accuracy = cell.check.value
        assert 0 < accuracy["force_mae_mev_per_angstrom"] <= accuracy["force_rmse_mev_per_angstrom"]
        assert cell.rollouts[0].value["n_steps"] == 100
        assert cell.rollouts[0].value["ms_per_step"] > 0
        assert cell.deploy.sha256("model") in page
    local = {cell.model.name: cell.deploy.value["exchange_widths"] for cell in result.cells}
    assert local["allegro"] == []
    assert local["nequip"]
    assert page.count("data:image/svg+xml") == 4
