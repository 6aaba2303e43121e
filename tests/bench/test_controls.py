"""Controls in the chain: what they are made of, what they leave alone, and one real run."""

from __future__ import annotations

import copy
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from bench_fakes import RAW, STAGES, Fakes, config

from egraff_lmp.bench import parse_matrix, run, run_bench, run_matrix, work
from egraff_lmp.bench.gather import matrix_results, read_results
from egraff_lmp.contract import read_contract
from egraff_lmp.errors import EgraffError
from egraff_lmp.report import page
from egraff_lmp.score.records import RERUN_REFERENCE

SHUFFLED = {"name": "shuffled", "control": "shuffled", "of": "nequip"}
HALF = {"name": "half", "control": "half-cutoff", "forcefield": "nequip"}


def models(*more: dict[str, Any]) -> list[dict[str, Any]]:
    return [*copy.deepcopy(RAW["models"]), *more]


def raw_matrix(*more: dict[str, Any]) -> dict[str, Any]:
    """One crystal at one temperature."""
    reference = {**copy.deepcopy(RAW["reference"]), "equilibration_ps": 0.1}
    system = {"reference": reference, "split": copy.deepcopy(RAW["split"])}
    return {
        "kind": "matrix",
        "name": "controls",
        "title": "With controls",
        "seed": 3,
        "models": models(*more),
        "training": copy.deepcopy(RAW["training"]),
        "rollout": {"timestep_fs": 2.0, "steps": 100, "starts": 1, "ranks": 1},
        "scoring": {"rerun_every": 20},
        "systems": [{"name": "cdte", "title": "CdTe", "temperature": 600, **system}],
    }


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Fakes:
    found = Fakes()
    for name in STAGES:
        monkeypatch.setattr(work, name, getattr(found, name))
    # Pages are tested elsewhere; their figures take most of the time.
    monkeypatch.setattr(run, "write_page", lambda results, path: path.write_text("page"))
    monkeypatch.setattr(page, "draw_all", lambda results, cheap=False: [])
    return found


# --- the config


def test_a_shuffled_model_takes_the_force_field_of_its_origin() -> None:
    # Before its origin in the list: the order does not matter.
    found = config(models=[SHUFFLED, *models()])
    assert found.models[0].forcefield == "nequip"
    assert found.trained(found.models[0]).name == "nequip"
    assert found.trained(found.models[1]) == found.models[1]


def test_a_half_cutoff_is_half_of_what_the_model_would_have() -> None:
    found = config(models=models(HALF, {**HALF, "name": "own", "training": {"r_max": 6.0}}))
    radii = {m.name: found.train_settings(m, "a", "b").r_max for m in found.models}
    assert radii == {"nequip": 4.8, "allegro": 4.8, "half": 2.4, "own": 3.0}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({**SHUFFLED, "of": "mace"}, r"name a trained model \(nequip, allegro\), got 'mace'"),
        ({**SHUFFLED, "of": "shuffled"}, "name a trained model"),
        ({"name": "s", "control": "shuffled"}, "needs `of`"),
        ({**SHUFFLED, "forcefield": "allegro"}, "force field of nequip"),
        ({**SHUFFLED, "training": {"batch_size": 1}}, "not trained"),
        ({**HALF, "of": "nequip"}, "`of` belongs to"),
        ({"name": "half", "control": "half-cutoff"}, "expected forcefield"),
        ({"name": "x"}, "expected forcefield"),
        ({**HALF, "control": "weak"}, "shuffled"),
    ],
)
def test_mistakes_are_named(model: dict[str, Any], message: str) -> None:
    with pytest.raises(EgraffError, match=message):
        config(models=models(model))
    with pytest.raises(EgraffError, match=message):
        parse_matrix(raw_matrix(model), "matrix")


def test_a_system_without_the_origin_of_a_shuffled_model_is_refused() -> None:
    raw = raw_matrix(SHUFFLED)
    raw["systems"][0]["models"] = ["allegro", "shuffled"]
    with pytest.raises(EgraffError, match="name a trained model"):
        parse_matrix(raw, "matrix")


# --- the chain


def test_a_shuffled_model_is_not_trained_and_depends_on_its_origin(
    fakes: Fakes, tmp_path: Path
) -> None:
    told: list[int] = []
    with_control = config(models=models(SHUFFLED))
    result = run_bench(with_control, tmp_path, begin=lambda k, n, title: told.append(n))
    assert result.complete
    assert "train-shuffled" not in fakes.done
    assert fakes.done.count("train-nequip") == 1
    assert set(told) == {len(told)} == {len(result.stages)}
    names = [stage.name for stage in result.stages]
    assert len(set(names)) == len(names)
    by_name = {one.model.name: one for one in result.models}
    shuffled, origin = by_name["shuffled"], by_name["nequip"]
    assert shuffled.deploy.sha256("model") != origin.deploy.sha256("model")

    fakes.done.clear()
    run_bench(with_control, tmp_path)
    assert fakes.done == []
    run_bench(config(models=models(SHUFFLED), training__batch_size=2), tmp_path)
    assert {"train-nequip", "deploy-nequip", "deploy-shuffled"} <= set(fakes.done)
    fakes.done.clear()
    run_bench(config(models=models(SHUFFLED), training__batch_size=2, seed=4), tmp_path)
    assert "deploy-shuffled" in fakes.done  # the seed is of the permutations, too


def test_a_shuffled_model_has_no_learning_curve(
    fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = fakes.train_model

    def logged(*arguments: Any) -> Any:
        found = trained(*arguments)
        columns = "epoch,validation_energy_mae_mev_per_atom,validation_forces_mae_mev_per_angstrom"
        found.files["log"].write_text(f"{columns}\n1,2.5,40\n2,2,30\n")
        return found

    monkeypatch.setattr(work, "train_model", logged)
    chosen = config(models=models(SHUFFLED))
    run_bench(chosen, tmp_path)
    training = {one.model.name: one.training for _, one in read_results(tmp_path)}
    learnt = {name: t and t.force and list(t.force.y) for name, t in training.items()}
    assert learnt == {"nequip": [40.0, 30.0], "allegro": [40.0, 30.0], "shuffled": None}
    assert training["shuffled"] is not None  # that of its origin
    assert training["shuffled"].energy is None


def test_an_origin_that_cannot_be_trained_stops_its_control(fakes: Fakes, tmp_path: Path) -> None:
    fakes.fail["train-nequip"] = EgraffError("training diverged.")
    result = run_bench(config(models=models(SHUFFLED)), tmp_path)
    states = {stage.name: stage.state for stage in result.stages}
    assert states["deploy-shuffled"] == "blocked"
    assert states["score-allegro"] == "done"


def test_a_control_that_breaks_down_is_no_failure(
    fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = fakes.run_start

    def breaks(who: str, *arguments: Any) -> Any:
        found = rollout(*arguments)
        if who in arguments[-1].name:
            found.value.update(status="failed", reason="lost atoms", n_steps=10)
        return found

    monkeypatch.setattr(work, "run_start", partial(breaks, "shuffled"))
    assert run_bench(config(models=models(SHUFFLED)), tmp_path / "a").complete
    monkeypatch.setattr(work, "run_start", partial(breaks, "allegro"))
    assert not run_bench(config(models=models(SHUFFLED)), tmp_path / "b").complete


def test_controls_leave_finished_results_alone(fakes: Fakes, tmp_path: Path) -> None:
    before = run_bench(config(), tmp_path)
    keys = {stage.name: stage.key for stage in before.stages}
    fakes.done.clear()
    after = run_bench(config(models=models(SHUFFLED, HALF)), tmp_path)
    assert all("shuffled" in name or "half" in name for name in fakes.done)
    assert keys.items() <= {stage.name: stage.key for stage in after.stages}.items()


def test_results_of_before_there_were_controls_are_valid(fakes: Fakes, tmp_path: Path) -> None:
    matrix, cells = parse_matrix(raw_matrix(), "matrix")
    run_matrix(matrix, cells, tmp_path)
    path = tmp_path / "cdte" / "bench.json"
    record = json.loads(path.read_text())
    # What was written then, key by key.
    old = {"name", "forcefield", "preset", "settings", "training"}
    assert all(set(model) == old for model in record["config"]["models"])
    found = matrix_results(matrix, cells, tmp_path)
    assert {one.state for _, one in found} == {"failed"}  # read; fakes have no scores
    other, others = parse_matrix(raw_matrix(SHUFFLED), "matrix")
    assert {one.state for _, one in matrix_results(other, others, tmp_path)} == {"not run"}


# --- for real


@pytest.mark.slow
def test_a_shuffled_model_for_real(tmp_path: Path) -> None:
    raw = raw_matrix({"name": "shuffled", "control": "shuffled", "of": "allegro"})
    raw["models"] = raw["models"][1:]
    raw["training"]["stop"] = {"max_epochs": 10}
    raw["systems"][0]["split"]["train"]["every"] = 2
    matrix, cells = parse_matrix(raw, "matrix")
    result = run_matrix(matrix, cells, tmp_path / "out")
    allegro, shuffled = (one for _, one in result.results)
    assert allegro.model.control is None
    assert shuffled.model.control is not None
    assert (shuffled.model.control.kind, shuffled.model.control.of) == ("shuffled", "allegro")
    errors = [one.find("force_mae", RERUN_REFERENCE).value for one in (allegro, shuffled)]  # type: ignore[union-attr]
    assert errors[1] > 1.5 * errors[0]  # type: ignore[operator]
    (path,) = (tmp_path / "out" / "models").glob("*/deploy-shuffled/shuffled.pt")
    assert read_contract(path).provenance["broken_on_purpose"]["seed"] == 3
    record = json.loads((tmp_path / "out" / "scores.json").read_text())
    verdicts = {
        (row["key"], row["comparison"]): row["ranking"]["verdict"] for row in record["controls"]
    }
    assert verdicts["fv", "rerun-reference"] == "tells"
    assert verdicts["fv", "rerun-oracle"] == "tells"
    assert {"wf", "jsd"} <= {key for key, _ in verdicts}
    assert {row["control"] for row in record["controls"]} == {"shuffled"}
    text = result.report.read_text()
    assert 'id="controls"' in text
    assert "shuffled" in text
    assert "†" in text
