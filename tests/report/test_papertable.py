"""The rebuilt tables: which number stands where, means over systems, reasons for dashes."""

from __future__ import annotations

import sys
from dataclasses import replace
from math import sqrt
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from matrix_synthetic import KEYS, page, value_of

from egraff_lmp.report.matrix import MatrixPage
from egraff_lmp.report.numbers import DASH, number
from egraff_lmp.report.papertable import fields_of, rebuilt, untouched
from egraff_lmp.report.printed import PaperRow


def tables(found: MatrixPage, controls: tuple[str, ...] = ()) -> dict[str, Any]:
    fields = fields_of(found.forcefields, controls)
    return {table["key"]: table for table in rebuilt(found.cells, found.paper, fields)}


def entry(found: dict[str, Any], table: str, metric: str, row: str, column: int) -> Any:
    part = next(p for p in found[table]["parts"] if p["metric"] == metric)
    line = next(line for line in part["rows"] if line["label"] == row)
    return line["entries"][column]["parts"]


def place(key: str, comparison: str, mode: str) -> int:
    return next(k for k, row in enumerate(KEYS) if row[:3] == (key, comparison, mode))


@pytest.mark.parametrize(
    ("table", "metric", "paper", "egraff", "factor"),
    [
        ("T1", "energy_mae", ("energy_mae", "accuracy", "paper"), ("energy_mae", "accuracy", ""),
         1),
        ("T2", "jsd", ("jsd_raw", "structure", "paper"), ("jsd", "structure", "egraff"), 1),
        ("T2", "wf", ("wf_unrooted", "structure", "paper"), ("wf", "structure", "egraff"), 1),
        ("T3", "ev", ("ev_released", "trajectory", "paper"), ("ev", "rerun-reference", "egraff"),
         1e5),
        ("T3", "fv", ("fv", "trajectory", "paper"), ("fv", "rerun-reference", "egraff"), 1),
        ("T4", "train_time", ("training_time", "cost", "paper"), ("training_time", "cost", ""), 1),
    ],
)  # fmt: skip
def test_both_forms_and_the_printed_number_stand_in_their_places(
    table: str, metric: str, paper: Any, egraff: Any, factor: float
) -> None:
    first, second, printed = entry(tables(page()), table, metric, "GeTe", 0)
    assert first["text"] == number(factor * value_of(0, 0, place(*paper)))
    assert second["text"] == number(value_of(0, 0, place(*egraff)))
    assert printed["text"] != DASH


def test_a_row_of_several_systems_is_their_mean_and_says_how_many() -> None:
    found = tables(page())
    first, _, _ = entry(found, "T2", "jsd", "LiPS20", 0)
    values = [value_of(c, 0, place("jsd_raw", "structure", "paper")) for c in (3, 4)]
    mean = sum(values) / 2
    assert float(first["sort"]) == pytest.approx(mean, rel=1e-12)
    # Intervals reach 10 % below and 20 % above each value; independent errors add in squares.
    spread = sqrt(sum(v * v for v in values)) / 2
    expected = f"{number(mean - 0.1 * spread)}\u202f–\u202f{number(mean + 0.2 * spread)}"
    assert first["aside"] == expected
    assert "mean of 2 of 2 systems" in first["hint"]
    rows = found["T2"]["parts"][0]["rows"]
    assert [r["count"] for r in rows if r["label"] == "LiPS20"] == ["mean of 2"]


def test_a_system_without_results_is_left_out_of_the_mean_and_named() -> None:
    whole = page()
    cells = [replace(c, values=(), state="failed", reason="rollout-nequip-1: lost atoms.")
             if (c.cell, c.model) == ("cell3", "nequip") else c for c in whole.cells]  # fmt: skip
    first, _, _ = entry(tables(replace(whole, cells=cells)), "T2", "jsd", "LiPS20", 0)
    alone = value_of(4, 0, place("jsd_raw", "structure", "paper"))
    assert first["text"] == f"{number(alone)} (1/2)"
    assert "without cell3: rollout-nequip-1: lost atoms." in first["hint"]


def test_dashes_say_why() -> None:
    found = tables(page(models=5))
    reasons = {
        "no run": entry(found, "T2", "wf", "Ethanol", 0)[0],
        "not run": entry(found, "T2", "wf", "GeTe", 4)[0],
        "no model": entry(found, "T2", "wf", "GeTe", 5)[0],
        "unprinted": entry(found, "T2", "wf", "GeTe", 4)[2],
        "no text": entry(found, "T7b", "wf", "LiPS20, Train structures", 0)[2],
    }
    assert {r["text"] for r in reasons.values()} == {DASH}
    assert {r["sort"] for r in reasons.values()} == {""}
    assert reasons["no run"]["hint"] == "no system of this run stands for this row"
    assert "not run yet" in reasons["not run"]["hint"]
    assert reasons["no model"]["hint"] == "this force field is not part of this run"
    assert reasons["unprinted"]["hint"] == "no number in the paper"
    assert reasons["no text"]["hint"] == "no number in the paper"


def test_models_of_one_force_field_have_columns_of_their_own_and_controls_none() -> None:
    fields = fields_of({"small": "mace", "broken": "mace", "nequip": "nequip"}, ("broken",))
    assert [(f.title, f.printed, f.model) for f in fields] == [
        ("small", "MACE", "small"),
        ("nequip", "NEQUIP", "nequip"),
        ("ALLEGRO", "ALLEGRO", None),
        ("BOTNET", "BOTNET", None),
        ("EQUIFORMER", "EQUIFORMER", None),
        ("TORCHMDNET", "TORCHMDNET", None),
    ]


def test_tables_in_which_nothing_stands_are_named_and_not_drawn() -> None:
    alone = {"cell0": (PaperRow("GeTe"),)}
    found = tables(replace(page(cells=1), paper=alone))
    assert list(found) == ["T1", "T2", "T3", "T4"]
    assert [title.split(":")[0] for title in untouched(alone)] == [
        "Table 5", "Table 6", "Table 7a", "Table 7b", "Table 18", "Table 19",
    ]  # fmt: skip
    assert list(tables(page())) == [
        "T1", "T2", "T3", "T4", "T5", "T6", "T7a", "T7b", "T18", "T19",
    ]  # fmt: skip
