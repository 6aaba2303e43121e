"""Configs: what is right is read, what is wrong is named with what would be right."""

from __future__ import annotations

import pytest

from egraff_lmp.errors import EgraffError
from egraff_lmp.train.config import TrainConfig, load_config, parse_config

MINIMAL = {"forcefield": "nequip", "data": {"train": ["gete:test"], "n_validation": 10}}


def test_minimal_config_has_usable_defaults():
    config = parse_config(MINIMAL, "x")
    assert config.r_max == 5.0
    assert config.dtype == "float32"
    assert config.stop.max_epochs >= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 0.1}, r"unknown key 'lr': did you mean 'optimiser.learning_rate'\?$"),
        ({"epochs": 5}, r"unknown key 'epochs': did you mean 'stop.max_epochs'\?$"),
        ({"max_minutes": 5}, r"unknown key 'max_minutes': did you mean 'stop.max_minutes'\?$"),
        ({"warp": 5}, r"unknown key 'warp': the keys there are forcefield, data, preset"),
        ({"batchsize": 2}, r"unknown key 'batchsize': did you mean 'batch_size'\?$"),
        (
            {"optimiser": {"speed": 0.1}},
            r"unknown key 'speed' in 'optimiser': the keys there are name, learning_rate",
        ),
        ({"dtype": "float16"}, r"'dtype': input should be 'float32' or 'float64', got 'float16'"),
        ({"r_max": -1}, r"'r_max'.*greater than 0, got -1"),
        ({"data": {"train": []}}, r"'data.train'.*at least 1"),
        ({"data": {}}, r"the key 'data.train' is missing"),
        ({"loss": {"energy": 0, "forces": 0}}, r"nothing would be learnt"),
        ({"species": ["Ge", "Ge"]}, r"lists an element twice"),
    ],
)
def test_mistakes_are_named(change, message):
    with pytest.raises(EgraffError, match=message):
        parse_config({**MINIMAL, **change}, "config.yaml")


def test_all_mistakes_are_named_at_once():
    with pytest.raises(EgraffError) as caught:
        parse_config({**MINIMAL, "r_max": "wide", "sed": 1}, "config.yaml")
    assert "r_max" in str(caught.value)
    assert "did you mean 'seed'" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("forcefield: [", "in YAML"),
        ("- 1\n- 2\n", "got list"),
        ("", "got NoneType"),
        ("seed: 1\nseed: 2\n", "the key 'seed' is given twice"),
        ("stop:\n  max_epochs: 1\n  max_epochs: 2\n", "'max_epochs' is given twice"),
    ],
)
def test_files_that_are_no_config(tmp_path, text, message):
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(EgraffError, match=message):
        load_config(file)


def test_missing_file(tmp_path):
    with pytest.raises(EgraffError, match="no such file"):
        load_config(tmp_path / "none.yaml")


def test_exponents_as_people_write_them(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text(
        "forcefield: mace\n"
        "data: {train: [a.npz], n_validation: 1}\n"
        "optimiser: {learning_rate: 1e-3}\n"
    )
    assert load_config(file).optimiser.learning_rate == 1e-3


def test_hash_follows_the_course_of_the_training_only():
    def digest(**changes):
        return parse_config({**MINIMAL, **changes}, "x").sha256()

    plain = digest()
    assert digest(stop={"max_epochs": 5, "patience": 3}) == plain
    assert digest(threads=2) == plain
    assert digest(seed=1) != plain
    assert digest(loss={"forces": 2.0}) != plain
    # the length of a cosine is part of its course
    cosine = {"schedule": {"name": "cosine"}}
    assert digest(**cosine, stop={"max_epochs": 5}) != digest(**cosine, stop={"max_epochs": 6})
    fixed = {"schedule": {"name": "cosine", "epochs": 9}}
    assert digest(**fixed, stop={"max_epochs": 5}) == digest(**fixed, stop={"max_epochs": 6})


@pytest.mark.parametrize(
    ("changes", "digest"),
    [
        ({}, "a1b5f341992ae96e3d08621850ee5dec381c22aa6f198f0fad51f5178dbaa686"),
        (
            {
                "schedule": {"name": "cosine"},
                "optimiser": {"name": "adamw", "weight_decay": 1e-6},
            },
            "5bcb58e76300395b7cd9b563f9f9795715b78b91c0f59c346fb64d9bd7335f24",
        ),
        (
            {"second_stage": {"start_epoch": 2}},
            "45f0665ceade0c09bbca7fcbe91b14f95e77291261a62052a5eb997499aac97a",
        ),
    ],
)
def test_hashes_of_earlier_versions(changes, digest):
    """Keys that came later do not keep a run that does without them from being resumed."""
    assert parse_config({**MINIMAL, **changes}, "x").sha256() == digest
    decayed = {**changes, "optimiser": {"weight_decay_on": "authors", "weight_decay": 1e-6}}
    assert parse_config({**MINIMAL, **decayed}, "x").sha256() != digest
    said = {**changes.get("optimiser", {}), "weight_decay_on": "all"}
    assert parse_config({**MINIMAL, **changes, "optimiser": said}, "x").sha256() == digest


def test_config_survives_its_own_json():
    config = parse_config({**MINIMAL, "ema_decay": None, "overrides": {"l_max": 2}}, "x")
    assert TrainConfig.model_validate_json(config.model_dump_json()) == config
