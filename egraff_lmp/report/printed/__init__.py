"""The numbers that the paper printed, as it printed them.

Source: V. Bihani et al., EGraFFBench, arXiv 2310.02428, Tables 1-7, 18 and 19. `egraffbench.csv`
has a row for each number: table, dataset, condition, model, metric, unit, value, and the standard
deviation where one is printed. Table 7b is not among them: its numbers are not machine-readable.

`tables.json` has the titles of the tables and, for each quantity in them, our values that stand for
it in the paper's form and in our own. Its notes (`FOOTNOTES`) say what is known of how the numbers
came about; pages must show them beside them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from egraff_lmp.errors import EgraffError
from egraff_lmp.results.record import PaperRow

SOURCE = "arXiv 2310.02428"
_FILE = Path(__file__).with_name("egraffbench.csv")

_known = json.loads(_FILE.with_name("tables.json").read_text(encoding="utf-8"))
# Key of a force field in this package to its name in the paper, in the order of its columns.
PRINTED_NAMES: dict[str, str] = _known["names"]
# What is known of the printed numbers, by table.
FOOTNOTES: dict[str, list[str]] = {
    key: [_known["notes"][name] for name in table["notes"]]
    for key, table in _known["tables"].items()
}


@dataclass(frozen=True)
class Pick:
    """Which of our values stands in a table: `factor` times it, in `unit`."""

    key: str
    comparison: str
    unit: str
    factor: float = 1.0


@dataclass(frozen=True)
class Column:
    """A quantity of a table, named as in the printed numbers; `forms` are ours by their mode."""

    metric: str
    title: str
    forms: Mapping[str, Pick]


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper and its quantities."""

    key: str
    title: str
    columns: tuple[Column, ...]


def _column(metric: str) -> Column:
    found = _known["quantities"][metric]
    return Column(metric, found["title"], {m: Pick(**pick) for m, pick in found["forms"].items()})


TABLES = tuple(
    PaperTable(key, table["title"], tuple(map(_column, table["quantities"])))
    for key, table in _known["tables"].items()
)


@dataclass(frozen=True)
class Printed:
    """One printed number.

    Attributes:
        table: "T1" ... "T7a", "T18", "T19".
        row: dataset and condition.
        model: as printed, in capitals.
        metric: "energy_mae", "force_mae", "jsd", "wf", "ev", "fv", "train_time" or
            "inference_time_1000_steps".
        unit: of the two numbers, "1e-5" for EV, "as printed" for JSD.
        value: the number.
        std: its printed standard deviation over rollouts, or None.
    """

    table: str
    row: PaperRow
    model: str
    metric: str
    unit: str
    value: float
    std: float | None


@cache
def printed() -> tuple[Printed, ...]:
    """All numbers, in the order of the paper."""
    with open(_FILE, newline="", encoding="utf-8") as stream:
        return tuple(
            Printed(
                table=row["table"],
                row=PaperRow(row["dataset"], row["condition"]),
                model=row["model"],
                metric=row["metric"],
                unit=row["unit"],
                value=float(row["value"]),
                std=float(row["std"]) if row["std"].strip("-") else None,  # "-" is printed too
            )
            for row in csv.DictReader(stream)
        )


@cache
def find(table: str, row: PaperRow, model: str, metric: str) -> Printed | None:
    """The printed number, or None where the paper has none."""
    wanted = (table, row, model, metric)
    return next((p for p in printed() if (p.table, p.row, p.model, p.metric) == wanted), None)


def rows_of(table: str) -> tuple[PaperRow, ...]:
    """The rows of a table in their order; those of 7b are those of 7a."""
    key = "T7a" if table == "T7b" else table
    return tuple(dict.fromkeys(p.row for p in printed() if p.table == key))


def known_rows() -> tuple[PaperRow, ...]:
    """Every row of every table."""
    return tuple(dict.fromkeys(p.row for p in printed()))


def check_rows(rows: Iterable[PaperRow]) -> None:
    """Refuse rows that the paper does not have.

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
                f"expected a row of the paper's tables, got dataset '{row.dataset}' with condition "
                f"'{row.condition}': use one of {'; '.join(known.values())}."
            )
