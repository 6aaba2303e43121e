"""The chain: what is repeated after a change, what a failure stops, and one real run."""

from __future__ import annotations

import copy
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from bench_fakes import RAW, Fakes, config

from egraff_lmp.bench import run_bench
from egraff_lmp.bench.run import BenchResult
from egraff_lmp.errors import EgraffError


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
            with pytest.raises(EgraffError, match="another run is writing into it: process"):
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
    for one in result.models:
        scores = json.loads(one.score.path("scores").read_text())
        values = {
            (s["key"], s["comparison"], s["part"]): s["value"]
            for s in scores["scores"]
            if s["mode"] == "egraff"
        }
        for comparison in ("trajectory", "rerun-reference", "rerun-oracle"):
            assert 0 < values["fv", comparison, ""] <= 1
            assert 0 <= values["ev", comparison, ""] <= 2
        assert values["wf", "structure", "total"] > 0
        assert 0 <= values["jsd", "structure", "total"] <= 1
        assert values["force_mae", "rerun-reference", ""] > 0
        assert (
            values["force_mae", "rerun-reference", ""]
            <= values["force_rmse", "rerun-reference", ""]
        )
        assert one.rollouts[0].value["n_steps"] == 100
        assert one.rollouts[0].value["ms_per_step"] > 0
        assert one.deploy.sha256("model") in page
    local = {one.model.name: one.deploy.value["exchange_widths"] for one in result.models}
    assert local["allegro"] == []
    assert local["nequip"]
    assert page.count("data:image/png") == 9


def test_scores_are_made_anew_when_their_numbers_change(
    fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_bench(config(), tmp_path)
    fakes.done.clear()
    monkeypatch.setattr("egraff_lmp.bench.run.SCORING", 10**6)
    run_bench(config(), tmp_path)
    assert fakes.done == ["score-nequip", "score-allegro"]
