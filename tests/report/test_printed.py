"""The project's copy of the papers' numbers."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from egraff_lmp.errors import EgraffError
from egraff_lmp.report.printed import check_rows, known_rows, paper, papers
from egraff_lmp.results.record import PaperRow
from egraff_lmp.score.metric import BULK, MOLECULE
from egraff_lmp.score.table import METRICS

SHARED = Path(__file__).parents[3] / "shared" / "paper"
TABLES, OURS_TEXT, FU_TEXT = (
    SHARED / name
    for name in ("egraffbench_tables.csv", "egraffbench.txt", "forces_are_not_enough.txt")
)
LINES = {
    "Force": "force_mae", "Stability": "stability", "$h(r)$": "h_mae", "FPS": "fps",
    "RDF": "rdf_mae", "RDF _(O,O)": "rdf_mae_oo", "RDF _(H,H)": "rdf_mae_hh",
    "RDF _(H,O)": "rdf_mae_ho", "Diffusivity": "diffusivity_mae", "#Finished": "finished",
    "$F(\\phi)$": "f_phi_mae", "$F(\\psi)$": "f_psi_mae",
}  # fmt: skip


def text_of(path: Path) -> list[str]:
    if not path.is_file():
        pytest.skip(f"{path} is absent: there is nothing to compare the copy with")
    return path.read_text(encoding="utf-8").splitlines()


def test_the_copy_is_the_numbers_that_were_read_from_the_paper() -> None:
    rows = list(csv.DictReader(text_of(TABLES)))
    numbers = [one for one in paper("egraffbench").numbers if not one.source]
    assert len(rows) == len(numbers)
    for row, ours in zip(rows, numbers, strict=True):
        assert (row["table"], row["dataset"], row["condition"]) == (
            ours.table, ours.row.dataset, ours.row.condition,
        )  # fmt: skip
        assert (row["model"], row["metric"], row["unit"]) == (ours.model, ours.metric, ours.unit)
        assert float(row["value"]) == ours.value
        assert (float(row["std"]) if row["std"].strip("-") else None) == ours.std


def test_tables_3_to_6_of_fu_et_al_are_those_of_its_text() -> None:
    """Line by line: the values and their standard deviations, dashes left out."""
    found = paper("forces_are_not_enough")
    known = [(p.table, p.metric, p.value, p.std) for p in found.numbers]
    plain = str.maketrans("₀₁₂₃₄₅₆₇₈₉₍₎", "0123456789()")
    read, table = [], ""
    for line in text_of(FU_TEXT):
        if head := re.match(r"Table (\d+):", line):
            table = f"F{head[1]}"
        cells = line.translate(plain).split("\t")[-8:]
        metric = LINES.get(re.sub(r"\s*\(\\\w+\)\s*$", "", cells[0]))
        if len(cells) < 8 or metric is None or table not in ("F3", "F4", "F5", "F6"):
            continue
        for cell in cells[1:]:
            value, _, std = cell.replace("_", "").partition("(")
            if value.strip() != "-":
                number = float(value.split("/")[0])
                read.append((table, metric, number, float(std.strip(")")) if std else None))
    assert len(read) == 220
    assert read == known


def test_table_17_is_that_of_the_text() -> None:
    lines = text_of(OURS_TEXT)
    end = next(k for k, line in enumerate(lines) if line.startswith("Table 17"))
    cells = [line.split("\t") for line in lines[end - 22 : end] if line.count("\t") == 14]
    read = [float(x) for row in cells if "(" in row[0] for x in row[1:] if x.strip() != "-"]
    table17 = [one for one in paper("egraffbench").numbers if one.table == "T17"]
    assert read == [one.value for one in table17]
    assert len(read) == 121


def test_single_numbers_stand_where_the_papers_have_them() -> None:
    known = (
        ("T1", PaperRow("GeTe"), "NEQUIP", "energy_mae", "", 1780.951, None),
        ("T2", PaperRow("Acetylacetone"), "NEQUIP", "jsd", "", 28.24, None),
        ("T3", PaperRow("GeTe"), "NEQUIP", "ev", "", 495.30, 36.945),
        ("T4", PaperRow("GeTe"), "NEQUIP", "inference_time_1000_steps", "", 105.62, None),
        ("T6", PaperRow("3BPA", "600K"), "MACE", "wf", "", 5.120, None),
        ("T7a", PaperRow("LiPS20", "Test structures"), "TORCHMDNET", "fv", "", 0.902, None),
        ("T17", PaperRow("Ethanol"), "EQUIFORMER", "force_mae", "Liao 2023", 3.1, None),
        ("T17", PaperRow("LiPS"), "DIMENET++", "force_mae", "Fu 2023", 3.2, None),
        ("F3", PaperRow("Aspirin"), "NequIP", "stability", "", 300, 0),
        ("F4", PaperRow("Water", "10k"), "SchNet", "rdf_mae_ho", "", 0.57, 0.04),
        ("F5", PaperRow("Alanine dipeptide"), "NequIP", "finished", "", 5, None),
        ("F6", PaperRow("LiPS"), "GemNet-T", "diffusivity_mae", "", 0.24, None),
    )
    for table, row, model, metric, source, value, std in known:
        one = paper("forces_are_not_enough" if table.startswith("F") else "egraffbench")
        found = one.find(table, row, model, metric, source)
        assert found is not None
        assert (found.value, found.std) == (value, std)
    assert paper("egraffbench").find("T2", PaperRow("GeTe"), "EQUIFORMER", "wf") is None


@pytest.mark.parametrize("one", papers(), ids=lambda one: one.key)
def test_every_table_has_rows_notes_and_forms_that_the_table_of_metrics_has(one) -> None:
    assert {p.table for p in one.numbers} == {table.rows_as for table in one.tables}
    for table in one.tables:
        assert one.rows_of(table)
        assert table.notes
        metrics = {p.metric for p in one.numbers if p.table == table.key}
        assert metrics <= {column.metric for column in table.columns}
        assert {p.source for p in one.numbers if p.table == table.key} <= {*table.sources, ""}
        for column in table.columns:
            for mode, pick in column.forms.items():
                assert mode in METRICS[pick.key].modes
                assert set(METRICS[pick.key].systems) & {BULK, MOLECULE}
        assert set(table.printed) <= {row.dataset for row in one.rows_of(table)}
    assert {p.model for p in one.numbers} == set(one.models)
    assert set(one.names.values()) <= set(one.models)


def test_what_is_known_of_allegros_numbers_is_said() -> None:
    table = paper("egraffbench").tables[0]
    assert "23 times" in table.notes[0]


def test_a_row_that_no_paper_has_is_refused_with_those_there_are() -> None:
    check_rows(known_rows())
    assert PaperRow("Water", "10k") in known_rows()
    with pytest.raises(EgraffError, match=r"'Gete' with condition ''.*'GeTe'.*trained on Eth"):
        check_rows([PaperRow("Gete")])
    with pytest.raises(EgraffError, match="'GeTe' with condition '300K'"):
        check_rows([PaperRow("GeTe", "300K")])
