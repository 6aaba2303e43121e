"""Models that were trained before the benchmark: taken from checkpoints and deployed files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from bench_fakes import Fakes, config

from egraff_lmp.bench import run_bench, work
from egraff_lmp.bench.matrix import parse_matrix
from egraff_lmp.bench.model import Model
from egraff_lmp.bench.stage import DONE, StageResult
from egraff_lmp.contract import read_contract
from egraff_lmp.data.split import frame_hashes
from egraff_lmp.data.table import read_source
from egraff_lmp.errors import EgraffError
from egraff_lmp.forcefields.fast import proof
from egraff_lmp.train.config import parse_config as parse_training
from egraff_lmp.train.deploy import deploy
from egraff_lmp.train.finished import read_finished, seen_by_deployed, seen_frames
from egraff_lmp.train.run import train

FRAMES = 12
TRAIN_MODEL = work.train_model  # which the fakes replace


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copper with random displacements, by a potential of ASE."""
    from ase.calculators.emt import EMT

    images = []
    for seed in range(FRAMES):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        atoms.calc = EMT()
        atoms.get_forces()
        images.append(atoms)
    path = tmp_path_factory.mktemp("data") / "copper.extxyz"
    ase.io.write(path, images)
    return path


@pytest.fixture(scope="module")
def checkpoint(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that was trained on half of them for an epoch."""
    raw = {
        "forcefield": "allegro", "preset": "small", "r_max": 4.0, "seed": 1, "threads": 1,
        "device": "cpu", "stop": {"max_epochs": 1},
        "data": {"train": [str(data)], "n_train": 4, "n_validation": 2},
    }  # fmt: skip
    return train(
        parse_training(raw, "test"), tmp_path_factory.mktemp("training"), progress=False
    ).checkpoint


@pytest.fixture(scope="module")
def deployed(checkpoint: Path) -> Path:
    path = checkpoint.with_name("model.pt")
    deploy(checkpoint, path)
    return path


def before(**changes: Any) -> dict[str, Any]:
    return {"name": "old", "forcefield": "allegro", "checkpoint": "old.ckpt", **changes}


# --- configs


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "paper"}, "taken from old.ckpt: leave preset, settings"),
        ({"settings": {"num_layers": 1}}, "taken from old.ckpt"),
        ({"training": {"r_max": 4}}, "taken from old.ckpt"),
        ({"control": "half-cutoff"}, "taken from old.ckpt"),
        ({"forcefield": ""}, "expected forcefield, got none"),
        ({"deployed": "old.pt"}, "expected either checkpoint or deployed, got both"),
        ({"checkpoint": None, "deployed": "old.pt", "preset": "paper"}, "taken from old.pt: leave"),
    ],
)
def test_what_is_trained_already_cannot_be_changed(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(EgraffError, match=message):
        config(models=[before(**changes)])


def test_frames_to_learn_from_are_needed_by_models_that_learn() -> None:
    alone = {"held_out": {"first": 60, "last": 100}}
    assert config(models=[before()], split=alone, training={}).split.train is None
    with pytest.raises(EgraffError, match="expected train and validation, of which model new"):
        config(models=[before(), {"name": "new", "forcefield": "nequip"}], split=alone)


def test_controls_of_what_was_trained_before() -> None:
    """Its weights can be changed; it cannot be trained again on less."""
    split = {"held_out": {"first": 60, "last": 100}}
    noise = {"name": "noisy", "control": "noise", "of": "old", "strength": 0.1}
    assert len(config(models=[before(), noise], split=split).models) == 2
    less = {"name": "less", "control": "frames", "of": "old", "strength": 0.5}
    with pytest.raises(EgraffError, match="model less is trained as old is, which is taken from"):
        config(models=[before(), less], split=split)
    fixed = before(checkpoint=None, deployed="old.pt")
    assert len(config(models=[fixed], split=split).models) == 1
    with pytest.raises(EgraffError, match="weights of old, which are fixed in a deployed file"):
        config(models=[fixed, noise], split=split)


def test_a_matrix_names_a_checkpoint_for_each_system() -> None:
    sections = config().model_dump(mode="json")
    raw = {
        "kind": "matrix", "name": "m", "title": "M", "seed": 3,
        "models": [
            before(checkpoint="trained/{system}/best.ckpt"),
            before(name="file", checkpoint=None, deployed="{system}.pt"),
        ],
        "rollout": {"timestep_fs": 2.0, "length_fs": 200, "starts": 2, "ranks": 1},
        "systems": [
            {"name": name, "title": name, "temperature": 900, "reference": sections["reference"],
             "split": {"held_out": {"first": 60, "last": 100}}}
            for name in ("first", "second")
        ],
    }  # fmt: skip
    _, cells = parse_matrix(raw, "matrix")
    paths = [cell.config.models[0].checkpoint for cell in cells]
    assert paths == ["trained/first/best.ckpt", "trained/second/best.ckpt"]
    assert [cell.config.models[1].deployed for cell in cells] == ["first.pt", "second.pt"]


# --- the chain


def test_nothing_is_trained_and_another_file_is_another_model(
    fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[Path] = []

    def take(model: Model, path: Path, folder: Path) -> work.Outcome:
        taken.append(path)
        return fakes.outcome(
            folder,
            {"best_epoch": 2, "epochs": 2, "validation": {}, "wall_seconds": 1.0, "stop": "",
             "precision": "float32"},
            checkpoint=path.read_text(), log="epoch\n1\n",
        )  # fmt: skip

    monkeypatch.setattr(work, "take_checkpoint", take)
    path = tmp_path / "old.ckpt"
    path.write_text("weights")
    asked = config(
        models=[
            before(checkpoint=str(path)),
            {"name": "noisy", "control": "noise", "of": "old", "strength": 0.1},
        ],
        split={"held_out": {"first": 60, "last": 100}},
    )
    out = tmp_path / "out"
    result = run_bench(asked, out)
    assert result.complete, [(s.name, s.reason) for s in result.stages]
    assert taken == [path]
    page = result.report.read_text()
    assert "trained before the benchmark: " + str(path) in page
    assert "Old had been trained before. The reference is a classical potential" in page
    assert "trained on 0 frames" not in page
    fakes.done.clear()
    run_bench(asked, out)
    assert fakes.done == []
    path.write_text("other weights")
    run_bench(asked, out)
    assert {"train-old", "deploy-old", "rollout-old-1"} <= set(fakes.done)


def test_a_checkpoint_that_is_not_there_is_a_failed_stage(fakes: Fakes, tmp_path: Path) -> None:
    asked = config(models=[before(checkpoint=str(tmp_path / "none.ckpt"))])
    result = run_bench(asked, tmp_path / "out")
    (one,) = result.models
    assert one.train.state == "failed"
    assert "none.ckpt" in one.train.reason
    assert "Traceback" not in one.train.reason


# --- a real checkpoint


def test_what_a_checkpoint_says(checkpoint: Path, tmp_path: Path) -> None:
    found = read_finished(checkpoint)
    assert (found.forcefield, found.epochs, found.best_epoch) == ("allegro", 1, 1)
    assert found.validation["forces_mae_mev_per_angstrom"] > 0
    assert found.log == (checkpoint.parent / "log.csv").read_text()
    outcome = work.take_checkpoint(Model(**before()), checkpoint, tmp_path)
    assert outcome.files["checkpoint"].read_bytes() == checkpoint.read_bytes()
    with pytest.raises(EgraffError, match="expected a checkpoint of nequip"):
        work.take_checkpoint(Model(**before(forcefield="nequip")), checkpoint, tmp_path)


def test_errors_are_those_on_frames_that_it_has_not_seen(checkpoint: Path, data: Path) -> None:
    frames = read_source(str(data))
    unseen = work._unseen(frames, checkpoint)
    assert len(unseen) == FRAMES - 6  # 4 trained on, 2 chosen by
    seen = seen_frames(checkpoint)
    hashes = frame_hashes(frames)
    assert {hashes[k] for k in range(FRAMES) if k not in unseen} == set(seen)
    learnt = np.setdiff1d(np.arange(FRAMES), unseen)
    with pytest.raises(EgraffError, match="it was trained on all of them"):
        work._unseen(frames.select(learnt), checkpoint)


def test_data_that_are_gone_or_changed_are_named(
    checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    text = data.read_text()
    try:
        data.write_text("".join(text.splitlines(keepends=True)[: 6 * (FRAMES - 1)]))
        with pytest.raises(EgraffError, match="frames as they were when it was trained"):
            seen_frames(checkpoint)
        data.unlink()
        with pytest.raises(EgraffError, match="so as to leave them out here"):
            seen_frames(checkpoint)
    finally:
        data.write_text(text)


@pytest.mark.parametrize("control", [None, "shuffled"])
def test_a_control_whose_rounding_grows_keeps_its_reference_network(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, control: str | None
) -> None:
    """Shuffled weights of a trained MACE missed the bound of float32 by a sixth."""
    monkeypatch.setattr(proof, "TOLERANCE", dict.fromkeys(proof.TOLERANCE, -1.0))
    model = Model(name="m", forcefield="allegro") if control is None else Model(
        name="m", forcefield="allegro", control=control, of="old")  # fmt: skip
    files = {"checkpoint": (checkpoint.name, "")}
    trained = StageResult("train", DONE, "", {}, files, "", 1.0, 1, "", checkpoint.parent)
    if control is None:
        with pytest.raises(EgraffError, match="expected the network on the kernels to equal"):
            work.deploy_model(model, trained, 1, tmp_path)
        return
    made = work.deploy_model(model, trained, 1, tmp_path)
    assert not read_contract(made.files["model"]).operators


# --- a real deployed file


def test_a_deployed_file_is_run_as_it_is(deployed: Path, tmp_path: Path) -> None:
    model = Model(**before(checkpoint=None, deployed=str(deployed)))
    taken = work.take_deployed(model, deployed, tmp_path)
    assert taken.files["checkpoint"].read_bytes() == deployed.read_bytes()
    assert (taken.value["epochs"], taken.value["precision"]) == (1, "float32")
    with pytest.raises(EgraffError, match="expected a deployed nequip, as model old says, got all"):
        work.take_deployed(Model(**before(forcefield="nequip")), deployed, tmp_path)


def test_a_deployed_file_names_the_frames_that_it_has_seen(
    deployed: Path, checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    assert seen_by_deployed(deployed) == seen_frames(checkpoint)
    frames = read_source(str(data), None)
    assert work._unseen(frames, deployed) == work._unseen(frames, checkpoint)


def test_a_file_that_does_not_say_what_it_was_trained_on(
    fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of another package: nothing is known of its training, and the page says so."""

    def take(model: Model, path: Path, folder: Path) -> work.Outcome:
        value = {"stop": work.BEFORE, "precision": "float64"}
        return fakes.outcome(folder, value, checkpoint=path.read_text())

    def check(*arguments: Any) -> work.Outcome:
        known = fakes.check_model(*arguments)
        return work.Outcome({**known.value, "seen_unknown": True}, known.files)

    monkeypatch.setattr(work, "take_deployed", take)
    monkeypatch.setattr(work, "check_model", check)
    path = tmp_path / "foreign.pt"
    path.write_text("weights")
    asked = config(
        models=[before(checkpoint=None, deployed=str(path))],
        split={"held_out": {"first": 60, "last": 100}},
    )
    result = run_bench(asked, tmp_path / "out")
    assert result.complete, [(s.name, s.reason) for s in result.stages]
    page = result.report.read_text()
    assert f"trained before the benchmark: {path}; its file does not say which frames" in page


def test_a_training_that_starts_from_a_file(
    fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its path starts where that of a checkpoint does, and another file is another training."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "old.model"
    path.write_text("weights")
    asked = config(models=[before(checkpoint=None, training={"start_from": "old.model"})])
    (model,) = asked.models
    assert asked.train_settings(model, "a", "b").start_from == str(path)
    run_bench(asked, "out")
    fakes.done.clear()
    run_bench(asked, "out")
    assert fakes.done == []
    path.write_text("other weights")
    run_bench(asked, "out")
    assert "train-old" in fakes.done


@pytest.mark.parametrize("trust", [False, True])
def test_trust_reaches_the_training_alone_where_it_is_given(
    fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trust: bool
) -> None:
    seen = []

    def note(*_: Any, **options: Any) -> None:
        seen.append(options["trust"])
        raise EgraffError("seen")

    monkeypatch.setattr(work, "train_model", TRAIN_MODEL)
    monkeypatch.setattr("egraff_lmp.train.run.train", note)
    run_bench(config(models=[before(checkpoint=None)]), tmp_path / "out", trust=trust)
    assert seen == [trust]
