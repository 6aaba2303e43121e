"""scores.json and scores.csv of a matrix: by the schema, strict JSON, units in a row."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from egraff_lmp.report.value import SCHEMA_FILE, CellSummary, Value, to_csv, to_json

jsonschema = pytest.importorskip("jsonschema")

VALUE = Value(
    "GeTe", 920.0, "nequip", "nequip", "wf", "WF", "%", "structure", "egraff", "total",
    7.5, (6.5, 8.5), 1.5, "r < 9.5 A", 840, 290, 3, "",
)  # fmt: skip
ABSENT = replace(VALUE, key="fv", value=None, interval=None, floor=None, note="not available: why")
BROKEN = replace(
    VALUE, key="force_rmse", comparison="accuracy", mode="", pair="", unit="meV/A",
    value=float("nan"), interval=(1.0, float("inf")), floor=float("-inf"), n_starts=None,
)  # fmt: skip


def cells() -> list[CellSummary]:
    done = CellSummary(
        "gete", "GeTe", "GeTe", 920.0, "nequip", "done", "", (VALUE, ABSENT, BROKEN), None
    )
    return [done, replace(done, model="mace", state="failed", reason="lost atoms", values=())]


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_json_is_strict_and_valid(validator) -> None:
    record = json.loads(json.dumps(to_json("matrix", cells()), allow_nan=False))
    validator.validate(record)
    wf, absent, broken = record["scores"]
    assert (wf["value"], wf["interval"]) == (7.5, [6.5, 8.5])
    assert absent["value"] is None
    assert (broken["value"], broken["interval"], broken["floor"]) == (None, None, None)
    assert broken["note"] == "not available: the value is not finite (nan)"


@pytest.mark.parametrize(
    ("key", "wrong"), [("unit", ""), ("comparison", "guess"), ("value", "7"), ("interval", 3)]
)
def test_the_schema_refuses(validator, key, wrong) -> None:
    record = json.loads(json.dumps(to_json("matrix", cells())))
    record["scores"][0][key] = wrong
    assert not validator.is_valid(record)


def test_the_csv_has_a_row_of_units_and_no_nan() -> None:
    units, *rows = csv.DictReader(io.StringIO(to_csv(cells())))
    assert (units["temperature_kelvin"], units["value"]) == ("K", "see unit")
    assert [row["value"] for row in rows] == ["7.5", "", ""]
    assert [row["unit"] for row in rows] == ["%", "%", "meV/A"]
    assert (rows[0]["interval_low"], rows[2]["interval_high"]) == ("6.5", "")
