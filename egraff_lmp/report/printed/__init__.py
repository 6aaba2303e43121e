"""The numbers that papers printed, as they printed them: a JSON file a paper, with CSV of numbers.

EGraFFBench: V. Bihani et al., arXiv 2310.02428, Tables 1-7 and 17-19; Table 7b has no numbers here,
as its are not machine-readable. "Forces are not enough": X. Fu et al., arXiv 2210.07237, Tables
3-6. A CSV file has a row for each number: table, dataset, condition, model, metric, unit, value,
and the standard deviation where one is printed; in tables that compare papers, also its source.

A JSON file has the tables and, for each quantity in them, our values that stand for it in the
paper's form and in our own. Its notes say what is known of how the numbers came about; pages must
show them beside them. A row is a dataset and a condition (`PaperRow`), by the same name in every
paper that has it: a system that stands for a row does so in all of them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from egraff_lmp.errors import EgraffError
from egraff_lmp.results.record import PaperRow

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Pick:
    """Which of our values stands in a table: `factor` times it, in `unit`; `part` as in `Score`."""

    key: str
    comparison: str
    unit: str
    factor: float = 1.0
    part: str = ""


@dataclass(frozen=True)
class Column:
    """A quantity of a table.

    Attributes:
        metric: its name among the printed numbers.
        title: for a reader.
        unit: of the printed numbers, for a reader.
        says: what a reader must know to compare.
        forms: ours by their mode.
    """

    metric: str
    title: str
    unit: str
    says: str
    forms: Mapping[str, Pick]


@dataclass(frozen=True)
class PaperTable:
    """A table of a paper.

    Attributes:
        key: its name among the printed numbers.
        title: for a reader.
        columns: its quantities.
        notes: what is known of its numbers.
        sources: whose numbers it compares, () where they are all its own.
        printed: dataset to how its printed numbers were made.
        rows_as: key of the table whose rows and columns it has: another one where its own numbers
            cannot be read.
    """

    key: str
    title: str
    columns: tuple[Column, ...]
    notes: tuple[str, ...]
    sources: tuple[str, ...] = ()
    printed: Mapping[str, str] = field(default_factory=dict)
    rows_as: str = ""


@dataclass(frozen=True)
class Printed:
    """One printed number.

    Attributes:
        table: key of its table.
        row: dataset and condition.
        model: as printed.
        metric: of a `Column`.
        unit: of the two numbers, "1e-5" for EV, "as printed" for JSD.
        value: the number.
        std: its printed standard deviation over rollouts, or None.
        source: whose it is, in tables that compare papers; else "".
    """

    table: str
    row: PaperRow
    model: str
    metric: str
    unit: str
    value: float
    std: float | None
    source: str = ""


@dataclass(frozen=True)
class Paper:
    """A paper with its tables and numbers.

    Attributes:
        key: of its files.
        title, source: its name, and where it is found.
        intro: what holds for all of its tables.
        hardware: what its times are of, "" where a table says so.
        models: its force fields in the order of its columns, as printed.
        names: key of a force field in this package to its name in the paper.
        tables: those that are rebuilt.
        numbers: all that it printed in them, in its order.
    """

    key: str
    title: str
    source: str
    intro: str
    hardware: str
    models: tuple[str, ...]
    names: Mapping[str, str]
    tables: tuple[PaperTable, ...]
    numbers: tuple[Printed, ...]

    def find(
        self, table: str, row: PaperRow, model: str, metric: str, source: str = ""
    ) -> Printed | None:
        """The printed number, or None where the paper has none."""
        return _index(self.key).get((table, row, model, metric, source))

    def rows_of(self, table: PaperTable) -> tuple[PaperRow, ...]:
        """The rows of a table in their order."""
        return tuple(dict.fromkeys(one.row for one in self.numbers if one.table == table.rows_as))

    def models_of(self, table: PaperTable) -> tuple[str, ...]:
        """The force fields in a table, as printed, in order."""
        found = {one.model for one in self.numbers if one.table == table.rows_as}
        return tuple(model for model in self.models if model in found)


@cache
def paper(key: str) -> Paper:
    """A paper by the name of its files."""
    known = json.loads((_FOLDER / f"{key}.json").read_text(encoding="utf-8"))
    return Paper(
        key=key,
        title=known["title"],
        source=known["source"],
        intro=known["intro"],
        hardware=known["hardware"],
        models=tuple(known["models"]),
        names=known["names"],
        tables=tuple(_table(name, one, known) for name, one in known["tables"].items()),
        numbers=tuple(number for file in known["numbers"] for number in _numbers(file)),
    )


def papers() -> tuple[Paper, ...]:
    """All of them, in the order of pages."""
    return tuple(map(paper, ("egraffbench", "forces_are_not_enough")))


@cache
def known_rows() -> tuple[PaperRow, ...]:
    """Every row of every table."""
    return tuple(dict.fromkeys(one.row for paper in papers() for one in paper.numbers))


def check_rows(rows: Iterable[PaperRow]) -> None:
    """Refuse rows that no paper has.

    Raises:
        EgraffError: one of them is unknown; all known ones are listed.
    """
    known = {
        row: f"'{row.dataset}'" + (f" with '{row.condition}'" if row.condition else "")
        for row in known_rows()
    }
    for row in rows:
        if row not in known:
            raise EgraffError(
                f"expected a row of the papers' tables, got dataset '{row.dataset}' with condition "
                f"'{row.condition}': use one of {'; '.join(known.values())}."
            )


@cache
def _index(key: str) -> dict[tuple[str, PaperRow, str, str, str], Printed]:
    return {(p.table, p.row, p.model, p.metric, p.source): p for p in paper(key).numbers}


def _table(key: str, table: Mapping[str, Any], known: Mapping[str, Any]) -> PaperTable:
    return PaperTable(
        key=key,
        title=table["title"],
        columns=tuple(_column(name, known["quantities"][name]) for name in table["quantities"]),
        notes=tuple(known["notes"][name] for name in table["notes"]),
        sources=tuple(table.get("sources", ())),
        printed=table.get("printed", {}),
        rows_as=table.get("rows_as", key),
    )


def _column(name: str, found: Mapping[str, Any]) -> Column:
    forms = {mode: Pick(**pick) for mode, pick in found["forms"].items()}
    return Column(found.get("metric", name), found["title"], found["unit"], found["says"], forms)


def _numbers(file: str) -> Iterable[Printed]:
    with open(_FOLDER / file, newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            yield Printed(
                table=row["table"],
                row=PaperRow(row["dataset"], row["condition"]),
                model=row["model"],
                metric=row["metric"],
                unit=row["unit"],
                value=float(row["value"]),
                std=float(row["std"]) if row["std"].strip("-") else None,  # "-" is printed too
                source=row.get("source", ""),
            )
