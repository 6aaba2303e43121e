"""Running a matrix: its cells one after the other, and the summary of whatever is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from egraff_lmp.bench.folder import COPY, MODELS, REPORT, RESERVED, made
from egraff_lmp.bench.gather import matrix_results
from egraff_lmp.bench.matrix import CellConfig, Matrix, yaml_text
from egraff_lmp.bench.run import WAIT, Begin, End, nobody, run_bench
from egraff_lmp.bench.work import Progress
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import write_text
from egraff_lmp.locking import locked
from egraff_lmp.report.page import write_page
from egraff_lmp.results.record import DONE, Results
from egraff_lmp.score.words import counted

BeginCell = Callable[[int, int, CellConfig], None]
RefuseCell = Callable[[CellConfig, str], None]


@dataclass(frozen=True)
class MatrixResult:
    """What a run of a matrix gave."""

    report: Path  # the summary page
    results: Results  # of all cells, also of those run by others or not at all
    # Whether every cell that was asked for has all its results and every one of its rollouts
    # reached its end.
    complete: bool


def run_matrix(
    matrix: Matrix,
    cells: Sequence[CellConfig],
    out: str | Path,
    only: Sequence[CellConfig] | None = None,
    begin_cell: BeginCell = nobody,
    begin: Begin = nobody,
    end: End = nobody,
    progress: Progress | None = None,
    refuse_cell: RefuseCell = nobody,
    trust: bool = False,
) -> MatrixResult:
    """Run, or go on with, cells of a matrix; the summary is written anew after each of them.

    A cell that fails is part of the result. Several processes may run different cells of one
    matrix at a time; a model that two of them need is trained by one while the other waits.

    Args:
        matrix, cells, out: the matrix, all its cells, folder of the results.
        only: the cells to run; None runs all, () only writes the summary.
        begin_cell: told (number of the cell, cells in all, the cell) before each.
        begin, end, progress, trust: as in `run_bench`.
        refuse_cell: told (cell, reason) of each that could not even begin.

    Raises:
        EgraffError: `out` is a file, or a cell has the name of a file of the matrix itself.
    """
    out = prepare(matrix, cells, out)
    chosen = list(cells if only is None else only)
    refused: dict[str, str] = {}
    summary = partial(_write_summary, matrix, cells, out, refused)
    summary()
    for number, cell in enumerate(chosen, 1):
        begin_cell(number, len(chosen), cell)
        try:
            run_bench(
                cell.config, out / cell.name, begin, end, progress, models=out / MODELS, trust=trust
            )
        except EgraffError as error:
            refused[cell.name] = str(error)
            refuse_cell(cell, str(error))
        summary()
    results = summary(figures=True)
    asked = {cell.name for cell in chosen}
    # A negative control may break down.
    complete = all(
        result.state == DONE and (result.model.control is not None or not result.troubles)
        for system, result in results
        if system.name in asked
    )
    return MatrixResult(out / REPORT, results, complete)


def prepare(matrix: Matrix, cells: Sequence[CellConfig], out: str | Path) -> Path:
    """Make the folder of a matrix and write the matrix into it.

    Raises:
        EgraffError: `out` is a file, or a cell has the name of a file of the matrix itself.
    """
    taken = sorted(RESERVED & {cell.name for cell in cells})
    if taken:
        raise EgraffError(
            f"expected systems with names other than {', '.join(sorted(RESERVED))}, got "
            f"{', '.join(taken)}: rename it."
        )
    out = made(out)
    write_text(out / COPY, yaml_text(matrix))
    return out


def _write_summary(
    matrix: Matrix,
    cells: Sequence[CellConfig],
    out: Path,
    refused: dict[str, str],
    figures: bool = False,
) -> Results:
    """Write the page and the tables of whatever cells have results.

    Under a lock, so that of several processes the last one to end sees the results of all. The
    figures over all cells take seconds, and are left out while cells are still run.
    """
    with locked(out, WAIT):
        results = matrix_results(matrix, cells, out, refused)
        write_page(results, out / REPORT, figures=figures)
    return results


def describe(cell: CellConfig) -> str:
    """One line on what a cell will do."""
    config, rollout = cell.config, cell.config.rollout
    models = ", ".join(model.name for model in config.models)
    return (
        f"{cell.name}: {models}; {counted(len(rollout.starts), 'start')} of {config.steps} steps "
        f"({config.steps * rollout.timestep_fs / 1000:.3g} ps) at {config.temperature_kelvin:g} K "
        f"on {counted(rollout.ranks, 'rank')}"
    )
