"""The contract's JSON form loses nothing and refuses what it does not know."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest

from egraff_lmp.contract import SCHEMA, Contract, ShortestDistance, TrainingRange
from egraff_lmp.errors import EgraffError


def test_round_trip_is_exact(contract):
    assert Contract.from_json(contract.to_json(), "x") == contract


def test_json_is_plain_and_numbered(contract):
    raw = json.loads(contract.to_json())
    assert list(raw)[:2] == ["kind", "schema"]
    assert raw["schema"] == SCHEMA
    assert {field.name for field in fields(Contract)} < set(raw)


# Files of the first release lack them.
OPTIONAL = ("outputs", "halo_layers", "training_range", "operators", "radial_table_error")


@pytest.mark.parametrize("name", [f.name for f in fields(Contract) if f.name not in OPTIONAL])
def test_every_field_is_needed(contract, name):
    raw = json.loads(contract.to_json())
    del raw[name]
    with pytest.raises(EgraffError, match=rf"model\.pt: .*{name}.*deploy the model again"):
        Contract.from_json(json.dumps(raw), "model.pt")


def test_files_of_the_first_release(contract):
    raw = json.loads(contract.to_json())
    for name in OPTIONAL:
        del raw[name]
    old = Contract.from_json(json.dumps(raw), "model.pt")
    assert old.outputs == ()
    assert old.halo_layers == len(contract.exchange_widths) + 1
    assert old.training_range is None
    assert old.operators == ()
    assert old.radial_table_error == 0.0


def test_the_training_range_comes_back(contract):
    pairs = (ShortestDistance(("Ge", "Te"), 2.25), ShortestDistance(("Te", "Te"), 2.5))
    for force in (12.5, None):
        with_range = replace(contract, training_range=TrainingRange(pairs, force))
        assert Contract.from_json(with_range.to_json(), "x") == with_range


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": SCHEMA + 1}, rf"schema {SCHEMA} or older, got {SCHEMA + 1}: update"),
        ({"schema": 0}, "got 0"),
        ({"schema": "1"}, "got 1"),
        ({"kind": "something"}, "got 'something'"),
        ({"r_max": "wide"}, "lacks or misstates"),
        ({"self_test": {"species": []}}, "lacks or misstates"),
        ({"training_range": {"shortest_distances": []}}, "lacks or misstates 'largest_force'"),
        (
            {"training_range": {"shortest_distances": [{"elements": ["Ge"]}]}},
            "lacks or misstates",
        ),
    ],
)
def test_wrong_content(contract, change, message):
    raw = {**json.loads(contract.to_json()), **change}
    with pytest.raises(EgraffError, match=message):
        Contract.from_json(json.dumps(raw), "model.pt")


@pytest.mark.parametrize("text", ["", "{", "[]", "3"])
def test_no_contract_at_all(text):
    with pytest.raises(EgraffError, match=r"model\.pt"):
        Contract.from_json(text, "model.pt")
