"""What `egraff score --json` prints obeys the schema that is shipped with it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from score_frames import score_frames

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.score import Scores
from egraff_lmp.score.cost import Cost
from egraff_lmp.score.records import SCHEMA_FILE, schema_text

pytest.importorskip("MDAnalysis")
jsonschema = pytest.importorskip("jsonschema")

QUICK = {"n_resamples": 10, "mode": "both"}
COST = Cost(20, 12, 0.5, None, "a processor", 2, 1, "float32")


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def frames(n_frames=30, seed=0, periodic=True, labels=True):
    rng = np.random.default_rng(seed)
    shape = (n_frames, 12, 3)
    return Frames(
        species=("Ge",) * 4 + ("Te",) * 8,
        positions=rng.random((12, 3)) * 8 + 0.1 * rng.normal(size=shape),
        cell=np.broadcast_to(8 * np.eye(3) * periodic, (n_frames, 3, 3)).copy(),
        pbc=(periodic,) * 3,
        energy=rng.normal(size=n_frames) if labels else None,
        forces=rng.normal(size=shape) if labels else None,
        timestep_fs=2.0,
        source=f"random {seed}",
    )


def broken():
    rollout = frames(seed=2)
    positions, energy = rollout.positions.copy(), np.array(rollout.energy)
    positions[20:], energy[25:] = np.nan, np.inf
    return replace(rollout, positions=positions, energy=energy)


@pytest.mark.parametrize(
    ("reference", "rollouts", "choices"),
    [
        (frames(), [frames(seed=1)], {}),
        (frames(), [frames(seed=1), frames(seed=2), frames(seed=3)], {"temperature_kelvin": 300.0}),
        (frames(), [broken()], {}),
        (frames(labels=False), [frames(seed=1, labels=False)], {}),
        (frames(periodic=False), [frames(periodic=False, seed=1)], {"costs": [COST]}),
        (frames(1), [frames(1, seed=1)], {"costs": [None]}),
    ],
    ids=["bulk", "starts", "not finite", "no labels", "molecule", "one frame"],
)
def test_real_output_is_valid(validator, reference, rollouts, choices):
    text = score_frames(reference, rollouts, **choices, **QUICK).to_json()
    for token in ("NaN", "Infinity"):
        assert token not in text
    record = json.loads(text)
    validator.validate(record)
    absent = [score for score in record["scores"] if score["value"] is None]
    assert absent
    assert all(score["absence"]["code"] for score in absent)
    assert Scores.from_json(text).to_json() == text


def test_the_schema_is_that_of_the_records():
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), "run `make schema`"


@pytest.mark.parametrize(
    ("where", "wrong"),
    [
        (("kind",), "other"),
        (("scores", 0, "value"), "7"),
        (("scores", 0, "mode"), "both"),
        (("scores", 0, "interval"), [1.0]),
        (("scores", 0, "counts", "frames"), -1),
        (("reference", "sha256"), "abc"),
    ],
)
def test_the_schema_refuses(validator, where, wrong):
    record = json.loads(score_frames(frames(), frames(seed=1), **QUICK).to_json())
    place = record
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = wrong
    assert not validator.is_valid(record)
    with pytest.raises(EgraffError, match="score the rollouts again"):
        Scores.from_json(json.dumps(record), "scores.json")


def test_no_value_needs_a_reason(validator):
    record = json.loads(score_frames(frames(), frames(seed=1), **QUICK).to_json())
    record["scores"][0] |= {"value": None, "interval": None, "absence": None}
    assert not validator.is_valid(record)
