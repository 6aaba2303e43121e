"""The project's copy of the paper's numbers."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from egraff_lmp.errors import EgraffError
from egraff_lmp.report.printed import (
    FOOTNOTES,
    PRINTED_NAMES,
    check_rows,
    find,
    known_rows,
    printed,
    rows_of,
)
from egraff_lmp.report.sections.paper import TABLES
from egraff_lmp.results.record import PaperRow

SOURCE = Path(__file__).parents[3] / "shared" / "paper" / "egraffbench_tables.csv"


def test_the_copy_is_the_numbers_that_were_read_from_the_paper() -> None:
    if not SOURCE.is_file():
        pytest.skip(f"{SOURCE} is absent: there is nothing to compare the copy with")
    with SOURCE.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(printed())
    for row, ours in zip(rows, printed(), strict=True):
        assert (row["table"], row["dataset"], row["condition"]) == (
            ours.table, ours.row.dataset, ours.row.condition,
        )  # fmt: skip
        assert (row["model"], row["metric"], row["unit"]) == (ours.model, ours.metric, ours.unit)
        assert float(row["value"]) == ours.value
        assert (float(row["std"]) if row["std"].strip("-") else None) == ours.std


def test_single_numbers_stand_where_the_paper_has_them() -> None:
    known = (
        ("T1", PaperRow("GeTe"), "NEQUIP", "energy_mae", 1780.951, None),
        ("T2", PaperRow("Acetylacetone"), "NEQUIP", "jsd", 28.24, None),
        ("T3", PaperRow("GeTe"), "NEQUIP", "ev", 495.30, 36.945),
        ("T4", PaperRow("GeTe"), "NEQUIP", "inference_time_1000_steps", 105.62, None),
        ("T6", PaperRow("3BPA", "600K"), "MACE", "wf", 5.120, None),
        ("T7a", PaperRow("LiPS20", "Test structures"), "TORCHMDNET", "fv", 0.902, None),
    )
    for table, row, model, metric, value, std in known:
        found = find(table, row, model, metric)
        assert found is not None
        assert (found.value, found.std) == (value, std)
    assert find("T2", PaperRow("GeTe"), "EQUIFORMER", "wf") is None


def test_every_table_has_rows_footnotes_and_a_known_form() -> None:
    assert [table.key for table in TABLES] == list(FOOTNOTES)
    assert {p.table for p in printed()} == set(FOOTNOTES) - {"T7b"}
    for table in TABLES:
        assert rows_of(table.key)
        metrics = {p.metric for p in printed() if p.table == table.key}
        assert metrics <= {column.metric for column in table.columns}
    assert {p.model for p in printed()} == set(PRINTED_NAMES.values())
    assert "23 times" in FOOTNOTES["T1"][0]


def test_a_row_that_the_paper_does_not_have_is_refused_with_those_it_has() -> None:
    check_rows(known_rows())
    with pytest.raises(EgraffError, match=r"'Gete' with condition ''.*'GeTe'.*trained on Eth"):
        check_rows([PaperRow("Gete")])
    with pytest.raises(EgraffError, match="'GeTe' with condition '300K'"):
        check_rows([PaperRow("GeTe", "300K")])
