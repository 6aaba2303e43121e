"""The documentation of a matrix holds its numbers, each stage's time once, and no long columns."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

COLUMNS = ("system", "temperature_kelvin", "model", "key", "comparison", "mode", "part", "value",
           "floor", "window", "facts")  # fmt: skip
ROWS = (
    ("", "K", *[""] * 5, *["see unit"] * 2, "", ""),
    ("gete", "920.0", "nequip", "wf", "structure", "egraff", "total", "5.432", "8.1", "w", "n"),
    ("gete", "920.0", "broken", "wf", "structure", "egraff", "total", "", "8.1", "w", "n"),
    ("gete", "920.0", "nequip", "wf", "structure", "egraff", "Ge-Te", "77", "8.1", "w", "n"),
    ("lips", "520.0", "nequip", "wf", "structure", "egraff", "total", "12.0", "", "w", "n"),
    (
        "gete",
        "920.0",
        "nequip",
        "force_mae",
        "rerun-reference",
        "egraff",
        "",
        "260.1",
        "",
        "w",
        "n",
    ),
)


@pytest.fixture
def script(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("d", root / "benchmarks" / "describe_matrix.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    with (tmp_path / "scores.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([COLUMNS, *ROWS])
    verdict = {"control": "broken", "key": "wf", "comparison": "structure", "part": "total",
               "sees": "structure"}  # fmt: skip
    controls = [{**verdict, "ranking": {"rank": rank, "of": 2}} for rank in (2, 1, None)]
    rung = {"key": "wf", "comparison": "structure", "part": "total", "sees": "structure",
            "kind": "noise"}  # fmt: skip
    resolutions = [
        {**rung, "cell": "gete", "strength": 0.03, "strength_seen": 0.01},
        {**rung, "cell": "lips", "strength": None, "strength_seen": None},
        {**rung, "cell": "lips", "strength": 3.5, "strength_seen": 3.5, "kind": "r-max"},
    ]
    (tmp_path / "scores.json").write_text(
        json.dumps({"name": "tiny", "controls": controls, "resolutions": resolutions})
    )
    shared = {"key": "train", "seconds": 3600.0}
    for cell in ("gete", "lips"):
        (tmp_path / cell).mkdir()
        stages = [
            shared,
            {"key": f"score {cell}", "seconds": 1800.0},
            {"key": "x", "seconds": None},
        ]
        (tmp_path / cell / "bench.json").write_text(json.dumps({"stages": stages}))
    return tmp_path


def test_tables_hold_the_totals_and_floors(script: ModuleType, runs: Path) -> None:
    rows = list(csv.DictReader((runs / "scores.csv").open()))[1:]
    text = "\n".join(script.document(runs, rows, ["Run on a Tuesday."]))
    assert "| gete, 920 K | 5.43 |  | 8.1 |" in text
    assert "| lips, 520 K | 12 |  |  |" in text
    assert "| gete, 920 K | 260 |  |" in text
    assert "77" not in text
    assert "| WF | structure | 1 of 2 |" in text
    assert "| WF | structure | 3 % (1 %) | – |" in text
    assert "Run on a Tuesday." in text
    assert "JSD" not in text.split("![report]")[1]  # no row, no table


def test_large_numbers_are_whole(script: ModuleType) -> None:
    assert [script.shown(text, ".3g") for text in ("", "1209.0", "999.0", "0.01234")] == [
        "", "1209", "999", "0.0123",
    ]  # fmt: skip


def test_a_shared_training_costs_once(script: ModuleType, runs: Path) -> None:
    assert script.cost(runs) == (4, 7200.0, 2)


def test_the_short_table_holds_values_and_no_pairs_of_elements(
    script: ModuleType, runs: Path
) -> None:
    kept = list(csv.DictReader(script.short((runs / "scores.csv").read_text().splitlines())
                               .splitlines()))  # fmt: skip
    assert [row["value"] for row in kept] == ["see unit", "5.432", "12.0", "260.1"]
    assert {row["part"] for row in kept} == {"", "total"}
    assert not {"window", "facts"} & set(kept[0])
