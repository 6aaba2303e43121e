"""The numbers that the paper printed, as it printed them.

Source: V. Bihani et al., EGraFFBench, arXiv 2310.02428, Tables 1-7, 18 and 19. `egraffbench.csv`
has a row for each number: table, dataset, condition, model, metric, unit, value, and the standard
deviation where one is printed. Table 7b is not among them: its numbers are not machine-readable.

`FOOTNOTES` (`footnotes.json`) says what is known of how the numbers came about; pages must show it
beside them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from egraff_lmp.errors import EgraffError
from egraff_lmp.results.record import PaperRow

SOURCE = "arXiv 2310.02428"
_FILE = Path(__file__).with_name("egraffbench.csv")

# Key of a force field in this package to its name in the paper, in the order of its columns.
PRINTED_NAMES = {
    "nequip": "NEQUIP",
    "allegro": "ALLEGRO",
    "botnet": "BOTNET",
    "mace": "MACE",
    "equiformer": "EQUIFORMER",
    "torchmdnet": "TORCHMDNET",
}

_notes = json.loads(_FILE.with_name("footnotes.json").read_text(encoding="utf-8"))
# What is known of the printed numbers, by table.
FOOTNOTES: dict[str, tuple[str, ...]] = {
    table: tuple(_notes["notes"][name] for name in names)
    for table, names in _notes["tables"].items()
}


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
    known = known_rows()
    for row in rows:
        if row not in known:
            raise EgraffError(
                f"expected a row of the paper's tables, got dataset '{row.dataset}' with condition "
                f"'{row.condition}': use one of {'; '.join(_quoted(k) for k in known)}."
            )


def _quoted(row: PaperRow) -> str:
    return f"'{row.dataset}'" + (f" with '{row.condition}'" if row.condition else "")
