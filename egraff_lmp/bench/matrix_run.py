"""Running a matrix: its cells one after the other, and the summary of whatever is there.

OUT/matrix.yaml                     the matrix as it was asked for
OUT/models/HASH/                    trained models, shared by all cells that train the same
OUT/SYSTEM[-TEMPERATUREK]/          an ordinary `egraff bench` folder
OUT/report.html, scores.json, scores.csv
OUT/report-files/                   every figure of the page as PNG, its data as CSV
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from egraff_lmp.bench.collect import collect
from egraff_lmp.bench.matrix import CellConfig, Matrix
from egraff_lmp.bench.model import Model
from egraff_lmp.bench.run import REPORT, WAIT, Begin, End, run_bench
from egraff_lmp.bench.work import Progress
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import write_json, write_text
from egraff_lmp.locking import locked
from egraff_lmp.report.numbers import counted
from egraff_lmp.report.value import DONE, NOT_RUN, CellSummary, to_csv, to_json

if TYPE_CHECKING:
    from egraff_lmp.report.matrix import MatrixPage
    from egraff_lmp.report.traces import Traces

MODELS, COPY, SCORES, TABLE = "models", "matrix.yaml", "scores.json", "scores.csv"
FIGURES = "report-files"
RESERVED = {MODELS, REPORT, COPY, SCORES, TABLE, FIGURES}

# Called with (number of the cell, cells in all, the cell).
BeginCell = Callable[[int, int, CellConfig], None]
# Called with (the cell, why it could not even begin).
RefuseCell = Callable[[CellConfig, str], None]


@dataclass(frozen=True)
class MatrixResult:
    """What a run of a matrix gave.

    Attributes:
        report: the summary page.
        cells: one summary for each cell and model, also of cells run by others or not at all.
        complete: whether every cell that was asked for has all its results and every one of its
            rollouts reached its end.
    """

    report: Path
    cells: tuple[CellSummary, ...]
    complete: bool


def run_matrix(
    matrix: Matrix,
    cells: Sequence[CellConfig],
    out: str | Path,
    only: Sequence[CellConfig] | None = None,
    begin_cell: BeginCell | None = None,
    begin: Begin | None = None,
    end: End | None = None,
    progress: Progress | None = None,
    refuse_cell: RefuseCell | None = None,
) -> MatrixResult:
    """Run, or go on with, cells of a matrix; the summary is written anew after each of them.

    A cell that fails is part of the result. Several processes may run different cells of one
    matrix at a time; a model that two of them need is trained by one while the other waits.

    Args:
        matrix: the matrix.
        cells: all its cells.
        out: folder of the results.
        only: the cells to run; None runs all, () only writes the summary.
        begin_cell: told of each cell before it begins.
        begin: told of each stage of a cell before it begins.
        end: told of each stage's result.
        progress: told of (steps done, steps in all) while LAMMPS runs.
        refuse_cell: told of each cell that could not begin, and why.

    Raises:
        EgraffError: `out` is a file, or a cell has the name of a file of the matrix itself.
    """
    out = prepare(matrix, cells, out)
    chosen = list(cells if only is None else only)
    refused: dict[str, str] = {}
    summaries = write_summary(matrix, cells, out, refused)
    for number, cell in enumerate(chosen, 1):
        if begin_cell is not None:
            begin_cell(number, len(chosen), cell)
        try:
            run_bench(cell.config, out / cell.name, begin, end, progress, models=out / MODELS)
        except EgraffError as error:
            refused[cell.name] = str(error)
            if refuse_cell is not None:
                refuse_cell(cell, str(error))
        summaries = write_summary(matrix, cells, out, refused)
    summaries = write_summary(matrix, cells, out, refused, figures=True)
    asked = {cell.name for cell in chosen}
    # What is broken on purpose may break down.
    complete = all(
        s.state == DONE and (s.control is not None or not s.reason)
        for s in summaries
        if s.cell in asked
    )
    return MatrixResult(out / REPORT, tuple(summaries), complete)


def prepare(matrix: Matrix, cells: Sequence[CellConfig], out: str | Path) -> Path:
    """Make the folder of a matrix and write the matrix into it.

    Raises:
        EgraffError: `out` is a file, or a cell has the name of a file of the matrix itself.
    """
    out = Path(out).absolute()
    if out.exists() and not out.is_dir():
        raise EgraffError(f"{out}: expected a folder for the results, got a file: choose another.")
    taken = sorted(RESERVED & {cell.name for cell in cells})
    if taken:
        raise EgraffError(
            f"expected systems with names other than {', '.join(sorted(RESERVED))}, got "
            f"{', '.join(taken)}: rename it."
        )
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / COPY, yaml_text(matrix))
    return out


def yaml_text(matrix: Matrix) -> str:
    """The matrix as YAML that `load_matrix` reads."""
    plain = matrix.model_dump(mode="json", exclude_defaults=True)
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=90))


def write_summary(
    matrix: Matrix,
    cells: Sequence[CellConfig],
    out: Path,
    refused: dict[str, str] | None = None,
    figures: bool = False,
) -> list[CellSummary]:
    """Write the page and the tables of whatever cells have results.

    Under a lock, so that of several processes the last one to end sees the results of all. The
    figures over all cells take seconds, and are left out while cells are still run.
    """
    from egraff_lmp.bench.collect_traces import collect_traces
    from egraff_lmp.report.matrix import write_page

    with locked(out, WAIT):
        found = collect(cells, out, refused)
        write_json(out / SCORES, to_json(matrix.name, found))
        write_text(out / TABLE, to_csv(found))
        run = {summary.cell for summary in found if summary.state != NOT_RUN}
        known = [cell for cell in cells if cell.name in run]
        traces = collect_traces(known, out) if figures else []
        page = replace(
            matrix_page(cells, matrix.models, found, traces),
            title=matrix.title,
            limits=list(matrix.remarks),
            config=yaml_text(matrix),
            seed=matrix.seed,
        )
        write_page(page, out / REPORT, figures)
    return found


def matrix_page(
    cells: Sequence[CellConfig],
    models: Sequence[Model],
    summaries: Sequence[CellSummary],
    traces: Sequence[Traces],
) -> MatrixPage:
    """The page of these cells, without what is known of their matrix alone."""
    from egraff_lmp.report.matrix import MatrixPage

    return MatrixPage(
        title="",
        models=[model.name for model in models],
        labels={cell.name: label(cell) for cell in cells},
        cells=summaries,
        remarks={cell.name: list(cell.config.remarks) for cell in cells if cell.config.remarks},
        forcefields={model.name: model.forcefield for model in models},
        paper={cell.name: cell.paper for cell in cells},
        traces=traces,
    )


def label(cell: CellConfig) -> str:
    """Row title of a cell."""
    return f"{cell.system}, {cell.temperature_kelvin:g} K"


def describe(cell: CellConfig) -> str:
    """One line on what a cell will do."""
    config = cell.config
    rollout = config.rollout
    models = ", ".join(model.name for model in config.models)
    length = config.steps * rollout.timestep_fs / 1000
    return (
        f"{cell.name}: {models}; {counted(len(rollout.starts), 'start')} of {config.steps} steps "
        f"({length:.3g} ps) at {cell.temperature_kelvin:g} K on "
        f"{counted(rollout.ranks, 'rank')}"
    )
