"""A ladder of negative controls: what it writes, what it refuses, and the chain that it makes."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from bench_fakes import RAW, STAGES, Fakes, config

from egraff_lmp.bench import parse_config, parse_matrix, run, run_bench, work
from egraff_lmp.bench.gather import read_results
from egraff_lmp.bench.matrix import yaml_text
from egraff_lmp.contract import read_contract
from egraff_lmp.data import Frames
from egraff_lmp.data.npz import read_npz
from egraff_lmp.errors import EgraffError
from egraff_lmp.report import page
from egraff_lmp.score.records import RERUN_REFERENCE

WHOLE = {"of": "nequip", "frames": [0.25, 0.5], "noise": [0.1, 0.01], "r_max": [3, 4]}
NAMES = [
    "nequip-frames-50", "nequip-frames-25", "nequip-noise-1", "nequip-noise-10", "nequip-r-max-4",
    "nequip-r-max-3", "nequip-shuffled",
]  # fmt: skip


def raw_matrix(ladder: Any, **system: Any) -> dict[str, Any]:
    sections = {key: copy.deepcopy(RAW[key]) for key in ("reference", "split")}
    return {
        "kind": "matrix", "name": "m", "title": "M", "seed": 3,
        "models": copy.deepcopy(RAW["models"]),
        "ladder": ladder,
        "training": copy.deepcopy(RAW["training"]),
        "rollout": copy.deepcopy(RAW["rollout"]),
        "systems": [{"name": "cdte", "title": "CdTe", "temperature": 600, **sections, **system}],
    }  # fmt: skip


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Fakes:
    found = Fakes()
    for name in STAGES:
        monkeypatch.setattr(work, name, getattr(found, name))
    monkeypatch.setattr(run, "write_page", lambda results, path: path.write_text("page"))
    monkeypatch.setattr(page, "draw_all", lambda results, cheap=False: [])
    return found


# --- what it writes


def test_a_ladder_is_models_from_weak_to_strong_behind_the_others() -> None:
    found = config(ladder=WHOLE)
    assert [model.name for model in found.models] == ["nequip", "allegro", *NAMES]
    controls = found.models[2:]
    assert {model.of for model in controls} == {"nequip"}
    assert {model.forcefield for model in controls} == {"nequip"}
    assert [(m.control, m.strength) for m in controls[2:5]] == [
        ("noise", 0.01), ("noise", 0.1), ("r-max", 4.0),
    ]  # fmt: skip
    assert [model.name for model in found.ordinary] == ["nequip", "allegro"]


def test_without_more_it_needs_no_training() -> None:
    found = config(ladder={"of": "allegro"})
    assert [model.name for model in found.models[2:]] == [
        "allegro-noise-1", "allegro-noise-3", "allegro-noise-10", "allegro-shuffled",
    ]  # fmt: skip
    assert {found.trained(model).name for model in found.models} == {"nequip", "allegro"}


def test_it_is_the_same_as_its_models_written_out() -> None:
    found = config(ladder=WHOLE)
    plain = json.loads(found.model_dump_json())
    assert "ladder" not in plain
    assert parse_config(plain, "again") == found
    assert (
        config(ladder=[{"of": "nequip"}, {"of": "allegro"}]).models[2:6]
        == (config(ladder={"of": "nequip"}).models[2:])
    )


def test_systems_of_a_matrix_run_the_controls_of_the_models_that_they_name() -> None:
    matrix, cells = parse_matrix(raw_matrix({"of": "nequip"}, models=["nequip"]), "matrix")
    names = [model.name for model in cells[0].config.models]
    assert names == ["nequip", "nequip-noise-1", "nequip-noise-3", "nequip-noise-10",
                     "nequip-shuffled"]  # fmt: skip
    _, others = parse_matrix(raw_matrix({"of": "nequip"}, models=["allegro"]), "matrix")
    assert [model.name for model in others[0].config.models] == ["allegro"]
    again = parse_matrix(yaml.safe_load(yaml_text(matrix)), "again")
    assert again == (matrix, cells)


def test_trained_rungs_have_the_settings_of_their_model_but_for_one() -> None:
    models = copy.deepcopy(RAW["models"])
    models[0] |= {"training": {"batch_size": 3}, "settings": {"num_layers": 1}}
    found = config(models=models, ladder=WHOLE)
    settings = {m.name: found.train_settings(m, "a", "b") for m in found.models}
    base = settings["nequip"]
    assert settings["nequip-frames-25"] == base  # the frames are another matter
    assert settings["nequip-r-max-4"] == base.model_copy(update={"r_max": 4.0})
    assert (base.batch_size, base.r_max) == (3, 4.8)


# --- what it refuses


@pytest.mark.parametrize(
    ("ladder", "message"),
    [
        ({"noise": [0.1]}, r"ladder\.0\.of: Field required"),
        ({"of": "mace"}, r"mace-noise-1: expected `of` to name a trained model \(nequip"),
        ({"of": "nequip", "noise": [3]}, r"ladder\.0\.noise.*0\.03 is 3 %\), got 3"),
        ({"of": "nequip", "noise": [0]}, r"ladder\.0\.noise.*got 0"),
        ({"of": "nequip", "frames": [25]}, r"0\.25 is 25 %\), got 25"),
        ({"of": "nequip", "frames": [1.0]}, "between 0 and 1"),
        ({"of": "nequip", "r_max": [-3]}, "a cutoff in A above 0, got -3"),
        ({"of": "nequip", "r_max": [4.8]}, r"below the r_max of nequip, 4\.8 A, got 4\.8 A"),
        ({"of": "nequip", "noise": [0.1, 0.1]}, "given twice"),
        ({"of": "nequip", "noises": [0.1]}, "did you mean 'noise'"),
        ([{"of": "nequip"}, {"of": "nequip"}], "needs a name of its own"),
    ],
)  # fmt: skip
def test_mistakes_of_a_ladder_are_named(ladder: Any, message: str) -> None:
    with pytest.raises(EgraffError, match=message):
        config(ladder=ladder)
    with pytest.raises(EgraffError, match=message):
        parse_matrix(raw_matrix(ladder), "matrix")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"control": "noise", "of": "nequip"}, "model x: expected a noise .* got none"),
        ({"control": "noise", "strength": 0.1}, "`control: noise` needs `of`"),
        ({"control": "shuffled", "of": "nequip", "strength": 0.1}, "`strength` belongs to"),
        ({"forcefield": "nequip", "strength": 0.1}, "`strength` belongs to"),
        ({"control": "noise", "of": "nequip", "strength": 0.1, "preset": "paper"}, "not trained"),
        ({"control": "frames", "of": "nequip", "strength": 0.5, "training": {"batch_size": 1}},
         "trained as nequip is: leave preset"),
        ({"control": "r-max", "of": "x-noise", "strength": 3}, "name a trained model"),
    ],
)  # fmt: skip
def test_mistakes_of_a_rung_are_named(model: dict[str, Any], message: str) -> None:
    noise = {"name": "x-noise", "control": "noise", "of": "nequip", "strength": 0.1}
    with pytest.raises(EgraffError, match=message):
        config(models=[*copy.deepcopy(RAW["models"]), noise, {"name": "x", **model}])


# --- the chain


def test_noise_is_not_trained_and_fewer_frames_are(fakes: Fakes, tmp_path: Path) -> None:
    result = run_bench(config(ladder=WHOLE), tmp_path)
    assert result.complete
    trained = {name for name in fakes.done if name.startswith("train-")}
    assert trained == {f"train-{name}" for name in (
        "nequip", "allegro", "nequip-frames-50", "nequip-frames-25", "nequip-r-max-4",
        "nequip-r-max-3",
    )}  # fmt: skip
    keys = {stage.name: stage.key for stage in result.stages if stage.name.startswith("train-")}
    assert len(set(keys.values())) == len(keys)
    models = {one.model.name: one.deploy.sha256("model") for one in result.models}
    assert len({models[name] for name in ("nequip", "nequip-noise-1", "nequip-noise-10")}) == 3
    found = {one.model.name: one.model.control for _, one in read_results(tmp_path)}
    assert found["nequip"] is None
    noise = found["nequip-noise-10"]
    assert noise is not None
    assert (noise.kind, noise.of, noise.strength) == ("noise", "nequip", 0.1)
    own = {one.model.name: one.training is not None and one.training.force
           for _, one in read_results(tmp_path)}  # fmt: skip
    assert own["nequip-noise-10"] is None

    fakes.done.clear()
    run_bench(config(ladder=WHOLE, seed=3), tmp_path)
    assert fakes.done == []


def test_a_ladder_leaves_finished_results_alone(fakes: Fakes, tmp_path: Path) -> None:
    shuffled = {"name": "nequip-shuffled", "control": "shuffled", "of": "nequip"}
    before = run_bench(config(models=[*copy.deepcopy(RAW["models"]), shuffled]), tmp_path)
    keys = {stage.name: stage.key for stage in before.stages}
    fakes.done.clear()
    after = run_bench(config(ladder=WHOLE), tmp_path)
    assert all("nequip-" in name and "shuffled" not in name for name in fakes.done)
    assert keys.items() <= {stage.name: stage.key for stage in after.stages}.items()


def test_some_frames_are_chosen_evenly_over_the_part(tmp_path: Path) -> None:
    base, folder = tmp_path / "reference", tmp_path / "train"
    for made in (base, folder):
        made.mkdir()
    positions = np.zeros((10, 1, 3))
    positions[:, 0, 0] = np.arange(10)
    frames = Frames(
        ("Cd",), positions, np.tile(30 * np.eye(3), (10, 1, 1)), (True, True, True),
        energy=np.arange(10.0), forces=np.zeros((10, 1, 3)), stress=None, timestep_fs=None,
        source="made up",
    )  # fmt: skip
    work.write_npz(frames, base / "train.npz")
    for part, chosen in {0.5: [0, 2, 4, 6, 8], 0.25: [0, 5], 0.01: [0]}.items():
        (path,) = work.some_of(["train.npz"], part, base, folder)
        assert read_npz(base / path).energy.tolist() == chosen  # type: ignore[union-attr]


# --- for real


@pytest.mark.slow
def test_a_ladder_for_real(tmp_path: Path) -> None:
    raw = copy.deepcopy(RAW)
    raw["reference"] |= {"equilibration_ps": 0.1}
    raw["models"] = raw["models"][1:]
    raw["rollout"] |= {"length_fs": 100, "ranks": 1}
    ladder = {"of": "allegro", "frames": [0.5], "r_max": [3.5], "shuffled": False}
    assert run_bench(parse_config({**raw, "ladder": ladder}, "rungs"), tmp_path).complete
    results = read_results(tmp_path)
    errors = [one.find("force_mae", RERUN_REFERENCE) for _, one in results]
    values = [one.value for one in errors if one is not None]
    assert len(set(values)) == 6
    noise = [
        read_contract(path).provenance["broken_on_purpose"]["noise"]
        for path in sorted(tmp_path.glob("deploy-allegro-noise-*/*.pt"))
    ]
    assert sorted(noise) == [0.01, 0.03, 0.1]
    trained = {
        name: read_contract(tmp_path / f"deploy-{name}" / f"{name}.pt")
        for name in ("allegro", "allegro-frames-50", "allegro-r-max-3.5")
    }
    frames = {name: one.provenance["data"]["train"]["n_frames"] for name, one in trained.items()}
    assert frames == {"allegro": [8], "allegro-frames-50": [4], "allegro-r-max-3.5": [8]}
    assert [one.r_max for one in trained.values()] == [4.8, 4.8, 3.5]
    record = json.loads((tmp_path / "scores.json").read_text())
    rungs = [row for row in record["ladder"] if row["key"] == "force_mae"]
    names = ("frames-50", "noise-1", "noise-3", "noise-10", "r-max-3.5")
    assert [row["control"] for row in rungs] == [f"allegro-{name}" for name in names]
    assert [row["value"] for row in rungs] == values[1:]
    assert {row["kind"] for row in record["resolutions"]} == {"frames", "noise", "r-max"}
    assert record["controls"] == []
    assert 'id="ladder"' in (tmp_path / "report.html").read_text()
