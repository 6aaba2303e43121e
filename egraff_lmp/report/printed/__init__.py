"""The numbers that the paper printed, as it printed them.

Source: V. Bihani et al., EGraFFBench, arXiv 2310.02428, Tables 1-7, 18 and 19. `egraffbench.csv`
has a row for each number: table, dataset, condition, model, metric, unit, value, and the standard
deviation where one is printed. Table 7b is not among them: its numbers are not machine-readable.

`FOOTNOTES` says what is known of how the numbers came about; pages must show it beside them.
"""

from __future__ import annotations

import csv
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

_NOT_PERIODIC = (
    "TorchMD-NET and Equiformer were run without periodic boundaries on bulk systems: they saw "
    "72 % of the edges of GeTe and 56 % of those of LiPS."
)
_BOTNET = "“BOTNET” was MACE with correlation 1."
_JSD = (
    "JSD is the mean over bins of divergence terms of g(r) that is not normalised, and scales with "
    "V/N²: hence 28 for acetylacetone in a box of 50 Å and 0 for bulk systems."
)
_WF = (
    "WF is without the square root; the 9 % rule belongs to the rooted form, in which every bulk "
    "system of Table 2 fails."
)
_EV = (
    "EV is |Ê − E|/(|Ê| + |E|) of total energies with their arbitrary zero, times 10⁵, not the "
    "paper's Eq. 4; it lies within a factor of 1 to 3 of what two random reference frames give."
)
_FV = (
    "FV compares forces at equal times of two trajectories: 0.7071 is what unrelated forces of "
    "equal size give, and says nothing about a model."
)
_ROLLOUTS = (
    "Rollouts started with zero velocities from consecutive frames, without seeds, and lasted 0.12 "
    "to 1 ps: below the target temperature, and hardly independent."
)
_BENZENE = "For benzene the JSD of raw g(r) reaches 360854: the form, not the structures."
# What is known of the printed numbers, by table.
FOOTNOTES: dict[str, tuple[str, ...]] = {
    "T1": (
        "Allegro's two LiPS20 numbers are 23 times too small: a factor from kcal was applied to "
        "data in eV.",
        _NOT_PERIODIC,
        _BOTNET,
    ),
    "T2": (_JSD, _WF, _ROLLOUTS, _NOT_PERIODIC, _BOTNET),
    "T3": (_EV, _FV, _ROLLOUTS, _NOT_PERIODIC, _BOTNET),
    "T4": (
        "Times are those of ASE on 16 cores with a frame written every step; for GeTe that is "
        "6.3 s a step for NequIP, 13.2 Allegro, 4.7 BOTNet, 1.6 MACE, 8.6 Equiformer, "
        "1.3 TorchMD-NET.",
        _BOTNET,
    ),
    "T5": (_EV, _FV, _ROLLOUTS, _BOTNET),
    "T6": (_JSD, _WF, _ROLLOUTS, _BOTNET),
    "T7a": (_EV, _FV, _ROLLOUTS, _NOT_PERIODIC, _BOTNET),
    "T7b": (
        "The printed numbers of Table 7b are not machine-readable: they are not shown.",
        _JSD,
        _WF,
        _BOTNET,
    ),
    "T18": (_EV, _FV, _ROLLOUTS, _BOTNET),
    "T19": (_JSD, _BENZENE, _WF, _ROLLOUTS, _BOTNET),
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
