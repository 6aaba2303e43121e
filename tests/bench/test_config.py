"""Bench configs: the shipped ones are sound, and every mistake is named before anything runs."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from egraff_lmp.bench.config import load_config, parse_config, shipped
from egraff_lmp.errors import EgraffError

SYSTEMS = ("demo", "gete")  # shipped configs of one system; the others are matrices


@pytest.fixture
def raw() -> dict[str, Any]:
    return dict(yaml.safe_load(shipped()["demo"].read_text(encoding="utf-8")))


def changed(raw: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A deep copy with one value replaced; `path` is dotted."""
    copied = copy.deepcopy(raw)
    node: Any = copied
    *parents, last = path.split(".")
    for part in parents:
        node = node[int(part)] if part.isdigit() else node[part]
    node[last] = value
    return copied


@pytest.mark.parametrize("name", SYSTEMS)
def test_shipped_configs_parse(name: str) -> None:
    config = load_config(name)
    assert config.name == name
    assert {model.forcefield for model in config.models} >= {"nequip", "allegro"}
    assert config.steps % config.dump_every == 0
    assert config.rollout.ranks == 2


def test_held_out_frames_never_come_before_a_training_frame() -> None:
    for name in SYSTEMS:
        split = load_config(name).split
        assert split.held_out.first >= max(split.train.last, split.validation.last), name


def test_rollouts_end_within_the_reference() -> None:
    """Otherwise the trajectory comparison would be cut short without a word."""
    for name in SYSTEMS:
        config = load_config(name)
        frames = config.steps // config.dump_every
        assert max(config.rollout.starts) + frames <= config.split.held_out.last, name


def test_dumps_fall_on_the_times_of_the_reference(raw: dict[str, Any]) -> None:
    config = parse_config(raw, "demo")
    assert config.dump_every * config.rollout.timestep_fs == pytest.approx(config.stride_fs)
    with pytest.raises(EgraffError, match="whole multiple of the time step"):
        parse_config(changed(raw, "rollout.timestep_fs", 3.0), "demo")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("temperature_kelvin", -5, "temperature_kelvin"),
        ("temprature_kelvin", 900, "temprature_kelvin"),
        ("models", [], "models"),
        ("models.0.forcefield", "nequipp", "nequip, allegro"),
        ("models.1.name", "nequip", "name of its own"),
        ("models.0.name", "../../etc", "models.0.name"),
        ("split.held_out", {"first": 700, "last": 2000}, "share frames"),
        ("split.train", {"first": 5, "last": 5}, "last > first"),
        ("rollout.starts", [10], "not in the held-out part"),
        ("training.batchsize", 3, "batch_size"),
        ("training.forcefield", "mace", "must be left to"),
        ("reference.kind", "dft", "classical"),
        ("seed", 0, "seed"),
    ],
)
def test_mistakes_are_named(raw: dict[str, Any], path: str, value: Any, message: str) -> None:
    with pytest.raises(EgraffError, match=message):
        parse_config(changed(raw, path, value), "my.yaml")


def test_several_mistakes_are_all_listed(raw: dict[str, Any]) -> None:
    wrong = changed(changed(raw, "seed", "x"), "rollout.ranks", 0)
    with pytest.raises(EgraffError) as caught:
        parse_config(wrong, "my.yaml")
    assert "my.yaml" in str(caught.value)
    assert "seed" in str(caught.value)
    assert "rollout.ranks" in str(caught.value)


def test_a_model_may_change_the_common_training_settings(raw: dict[str, Any]) -> None:
    wanted = changed(raw, "models.1.training", {"batch_size": 3})
    config = parse_config(wanted, "my.yaml")
    sizes = [config.train_settings(m, "a.npz", "b.npz").batch_size for m in config.models]
    assert sizes == [raw["training"]["batch_size"], 3]
    assert config.train_settings(config.models[0], "a.npz", "b.npz").data.train == ["a.npz"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "shipped configs"), ("a: [1", "YAML"), ("- 1\n", "mapping"), ("", "mapping")],
)
def test_unreadable_files(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "c.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(EgraffError, match=message):
        load_config(path)


def test_fields_that_came_later_leave_old_results_valid(raw):
    from egraff_lmp.bench.config import Scoring
    from egraff_lmp.score.stability import TEMPERATURE_BOUNDS

    assert Scoring().temperature_bounds == TEMPERATURE_BOUNDS
    plain = parse_config(raw, "plain")
    assert "temperature_bounds" not in plain.model_dump()["scoring"]
    assert "temperature_bounds" not in plain.model_dump_json()
    chosen = parse_config({**raw, "scoring": {"temperature_bounds": [0.5, 2]}}, "chosen")
    dumped = chosen.model_dump(mode="json")
    assert dumped["scoring"]["temperature_bounds"] == [0.5, 2]
    assert parse_config(dumped, "again") == chosen
    with pytest.raises(EgraffError, match="multiples of the target below and above 1"):
        parse_config({**raw, "scoring": {"temperature_bounds": [2, 3]}}, "wrong")


def test_the_launcher_is_recorded_nowhere_and_needs_the_ranks(raw: dict[str, Any]) -> None:
    raw["rollout"]["launcher"] = "srun -n {ranks}"
    config = parse_config(raw, "mini")
    assert config.rollout.launcher == "srun -n {ranks}"
    assert "launcher" not in config.model_dump_json()
    with pytest.raises(EgraffError, match=r"rollout\.launcher: .*srun -n \{ranks\}"):
        parse_config(changed(raw, "rollout.launcher", "srun"), "mini")


def test_recovered_velocities_need_frames_around_every_start(raw: dict[str, Any]) -> None:
    first = raw["split"]["held_out"]["first"]
    raw["rollout"]["velocities"] = "recovered"
    with pytest.raises(EgraffError, match=f"frame {first} needs a held-out frame before"):
        parse_config(changed(raw, "rollout.starts", [first]), "mini")
    config = parse_config(changed(raw, "rollout.starts", [first + 1]), "mini")
    assert config.rollout.model_dump()["velocities"] == "recovered"
    shuffled = load_config("gete").model_dump(mode="json")
    shuffled["reference"]["time_series"] = False
    shuffled["rollout"] |= {"velocities": "recovered", "starts": [400]}
    with pytest.raises(EgraffError, match="only a time series has velocities"):
        parse_config(shuffled, "gete")


def test_frames_of_a_force_field_have_an_oracle(raw: dict[str, Any]) -> None:
    read = {"kind": "ab-initio", "sources": ["water:trajectory"], "stride_fs": 10.0}
    raw = changed(raw, "rollout.timestep_fs", 1.0) | {"reference": read}
    without = parse_config(raw, "water")
    asked = parse_config(changed(raw, "reference", {**read, "oracle": "water"}), "water")
    name = asked.models[0].name
    assert f"oracle-{name}" in asked.stages_of(asked.models[0])
    assert f"oracle-{name}" not in without.stages_of(without.models[0])
    # What was found before there were oracles is found again.
    assert "oracle" not in without.model_dump_json()
    committee = changed(raw, "reference", {**read, "oracle": "water"})
    committee.setdefault("scoring", {})["committee_every"] = 10
    with pytest.raises(EgraffError, match="ground truth itself is evaluated"):
        parse_config(committee, "water")
    with pytest.raises(EgraffError, match="reference"):
        parse_config(changed(raw, "reference", {**read, "oracle": "dft"}), "water")


def test_the_oracles_of_configs_are_those_there_are() -> None:
    from typing import get_args

    from egraff_lmp.bench.config import AbInitio
    from egraff_lmp.references.oracle import ORACLES

    literal, _ = get_args(AbInitio.model_fields["oracle"].annotation)
    assert set(get_args(literal)) == set(ORACLES)
