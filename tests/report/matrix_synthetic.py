"""A page of a matrix with every part filled, of any size, made of closed forms."""

from __future__ import annotations

import math
from typing import Any

from egraff_lmp.report.matrix import MatrixPage
from egraff_lmp.report.printed import PaperRow
from egraff_lmp.report.record import Curve
from egraff_lmp.report.traces import Traces
from egraff_lmp.report.value import DONE, NOT_RUN, CellSummary, Value

FORCEFIELDS = ("nequip", "allegro", "botnet", "mace", "equiformer", "torchmdnet")
ROWS = (
    (PaperRow("GeTe"),),
    (PaperRow("LiPS"),),
    (PaperRow("Acetylacetone"), PaperRow("Acetylacetone", "300K")),
    (PaperRow("LiPS20"), PaperRow("LiPS20", "Train structures")),
    (PaperRow("LiPS20"), PaperRow("LiPS20", "Test structures")),
    (PaperRow("Benzene", "trained on Aspirin"),),
)
R = [0.05 * k + 0.025 for k in range(180)]
T = [10.0 * k for k in range(80)]
# key, comparison, mode, pair, unit
KEYS = (
    ("wf", "structure", "egraff", "total", "%"),
    ("wf_unrooted", "structure", "paper", "total", "%"),
    ("jsd", "structure", "egraff", "total", "bit"),
    ("jsd_raw", "structure", "paper", "total", "1"),
    ("ev", "rerun-reference", "egraff", "", "1"),
    ("fv", "rerun-reference", "egraff", "", "1"),
    ("ev", "trajectory", "egraff", "", "1"),
    ("fv", "trajectory", "egraff", "", "1"),
    ("ev_released", "trajectory", "paper", "", "1"),
    ("fv", "trajectory", "paper", "", "1"),
    ("energy_mae", "accuracy", "", "", "meV/atom"),
    ("energy_mae", "accuracy", "paper", "", "meV"),
    ("force_mae", "accuracy", "", "", "meV/A"),
    ("training_time", "cost", "", "", "s"),
    ("training_time", "cost", "paper", "", "min/epoch"),
    ("ms_per_step", "cost", "", "", "ms/step"),
    ("ms_per_step", "cost", "paper", "", "min"),
    ("us_per_atom_step", "cost", "", "", "us/atom/step"),
)


def value_of(cell: int, model: int, key: int) -> float:
    """The number that stands in a place of the page; all differ."""
    return round(0.05 + 0.01 * cell + 0.1 * model + 0.0007 * key, 6)


def summary(cell: int, model: int, name: str, **changes: Any) -> CellSummary:
    values = []
    for k, (key, comparison, mode, pair, unit) in enumerate(KEYS):
        number = value_of(cell, model, k)
        values.append(
            Value(
                f"system{cell}", 300.0, name, name, key, key, unit, comparison, mode, pair, number,
                (0.9 * number, 1.2 * number), n_frames=10, n_starts=2,
            )
        )  # fmt: skip
    fields = {"state": DONE, "reason": "", "values": tuple(values), **changes}
    return CellSummary(f"cell{cell}", f"System {cell}", f"system{cell}", 300.0, name,
                       page=None, **fields)  # fmt: skip


def traces(cell: int, model: int, name: str) -> Traces:
    peak = [math.exp(-(((r - 2.5 - 0.02 * model) / 0.4) ** 2)) for r in R]
    fv = [0.7071 - 0.4 * math.exp(-t / (50 + 20 * model)) for t in T]
    low, high = [0.9 * v for v in fv], [1.1 * v for v in fv]
    rmsd = [0.01 * math.sqrt(t * (1 + model)) for t in T]
    curves = {
        "ev": Curve("", T, [0.1 * v for v in fv]),
        "fv": Curve("", T, fv, low, high),
        "rmsd": Curve("", T, rmsd),
        "displacement": Curve("", T, rmsd),
    }
    reference = Curve("", R, [math.exp(-(((r - 2.5) / 0.4) ** 2)) for r in R])
    return Traces(f"cell{cell}", name, "g" if cell % 2 else "h", reference, Curve("", R, peak),
                  curves, (790.0, 400.0), 790.0)  # fmt: skip


def page(cells: int = 6, models: int = 6) -> MatrixPage:
    """`cells` systems and `models` force fields; of several, the last model has not been run on
    the first system.
    """
    names = FORCEFIELDS[:models]
    found = [summary(c, m, name) for c in range(cells) for m, name in enumerate(names)]
    curves = [traces(c, m, name) for c in range(cells) for m, name in enumerate(names)]
    if cells > 1:
        del curves[models - 1]
        found[models - 1] = summary(0, models - 1, names[-1], state=NOT_RUN, values=(),
                                    reason="not run yet, or not to its end")  # fmt: skip
    return MatrixPage(
        title="A matrix of closed forms",
        models=names,
        labels={f"cell{c}": f"system{c}, 300 K" for c in range(cells)},
        cells=found,
        limits=["Nothing was run."],
        config="kind: matrix",
        seed=1,
        forcefields={name: name for name in names},
        paper={f"cell{c}": ROWS[c % len(ROWS)] for c in range(cells)},
        traces=curves,
    )
