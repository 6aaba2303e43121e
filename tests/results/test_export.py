"""scores.json and scores.csv of a benchmark: by the schema, strict JSON, units in a row."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest
from synthetic_results import of_models, places, results, score, with_scores

from egraff_lmp.results.export import SCHEMA_FILE, export, schema_text, to_csv, to_dict
from egraff_lmp.score.records import RERUN_REFERENCE, Fact
from egraff_lmp.score.table import METRICS

jsonschema = pytest.importorskip("jsonschema")
ABSENT = score(None, "fv", RERUN_REFERENCE, absence=Fact("no-rerun-reference"))
WHOLE = of_models(results(2, 3, 1), lambda system, one: with_scores(one, ABSENT)
                  if one.scores is not None else one)  # fmt: skip


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    found = json.dumps(to_dict(export(WHOLE)), allow_nan=False)
    return dict(json.loads(found))


def test_the_schema_is_that_of_the_records() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text()


def test_the_json_is_strict_and_valid(validator: Any, record: dict[str, Any]) -> None:
    validator.validate(record)
    mine = [row for row in record["scores"] if (row["cell"], row["model"]) == ("cell1", "nequip")]
    by_place = {(row["key"], row["comparison"], row["mode"], row["part"]): row for row in mine}
    assert set(by_place) == set(places())
    wf = by_place["wf", "structure", "egraff", "total"]
    assert wf["interval"] == [0.9 * wf["value"], 1.2 * wf["value"]]
    assert wf["temperature_kelvin"] == 300.0
    absent = by_place["fv", RERUN_REFERENCE, "egraff", ""]
    assert absent["value"] is None
    assert absent["absence"]["code"] == "no-rerun-reference"


def test_every_metric_of_the_table_is_there_without_a_change(record: dict[str, Any]) -> None:
    assert {row["key"] for row in record["scores"]} == set(METRICS)


def test_states_and_verdicts_stand_beside_the_values(record: dict[str, Any]) -> None:
    assert (record["kind"], record["schema"], record["name"]) == (
        "egraff benchmark scores", 3, "closed",
    )  # fmt: skip
    states = {(one["cell"], one["model"]): one for one in record["models"]}
    assert states["cell0", "botnet"]["state"] == "not run"
    assert states["cell0", "botnet"]["troubles"][0]["reason"].startswith("not run yet")
    assert states["cell1", "botnet"]["control"] == "shuffled"
    wf = next(r for r in record["controls"] if (r["key"], r["cell"]) == ("wf", "cell1"))
    assert (wf["ranking"]["verdict"], wf["ranking"]["rank"], wf["ranking"]["of"]) == ("tells", 3, 3)
    assert (wf["control"], wf["kind"], wf["sees"]) == ("botnet", "shuffled", "structure")


@pytest.mark.parametrize(("key", "wrong"), [("unit", 3), ("value", "7"), ("interval", 3)])
def test_the_schema_refuses(validator: Any, record: dict[str, Any], key: str, wrong: Any) -> None:
    broken = {**record, "scores": [{**record["scores"][0], key: wrong}]}
    assert not validator.is_valid(broken)


def test_the_csv_has_a_row_of_units_and_no_nan() -> None:
    found = export(replace(WHOLE, systems=WHOLE.systems[1:]))
    units, *rows = csv.DictReader(io.StringIO(to_csv(found)))
    assert (units["temperature_kelvin"], units["value"]) == ("K", "see unit")
    assert len(rows) == len(found.scores)
    assert list(rows[0])[:6] == [
        "cell", "system", "temperature_kelvin", "model", "forcefield", "control",
    ]  # fmt: skip
    for row, given in zip(rows, found.scores, strict=True):
        assert (row["key"], row["model"]) == (given.key, given.model)
        assert (row["control"] == "shuffled") is (given.model == "botnet")
    first = rows[0]
    assert (float(first["value"]), first["unit"]) == (found.scores[0].value, "%")
