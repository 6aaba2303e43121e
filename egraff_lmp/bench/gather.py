"""From the output folders of `egraff bench` to one page: a matrix, a single system, or several."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import yaml

from egraff_lmp.bench.collect import collect
from egraff_lmp.bench.collect_traces import collect_traces
from egraff_lmp.bench.config import parse_config
from egraff_lmp.bench.matrix import CellConfig, load_matrix
from egraff_lmp.bench.matrix_run import COPY, SCORES, TABLE, matrix_page, yaml_text
from egraff_lmp.bench.model import Model
from egraff_lmp.bench.run import SUMMARY
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import write_json, write_text
from egraff_lmp.report.matrix import MatrixPage, write_page
from egraff_lmp.report.traces import Traces
from egraff_lmp.report.value import NOT_RUN, CellSummary, to_csv, to_json


@dataclass(frozen=True)
class Run:
    """What one output folder holds.

    Attributes:
        folder: the folder.
        name: of the matrix or the system.
        title: of its page.
        seed: of everything random.
        models: in the order of the matrix.
        cells: all of them, also those without results.
        summaries: one for each cell and model; the addresses of pages are absolute paths.
        traces: curves of the cells that have results.
        limits: sentences on what the numbers cannot say.
        config: as YAML.
    """

    folder: Path
    name: str
    title: str
    seed: int
    models: tuple[Model, ...]
    cells: tuple[CellConfig, ...]
    summaries: tuple[CellSummary, ...]
    traces: tuple[Traces, ...]
    limits: tuple[str, ...]
    config: str

    def results_of(self, cell: str) -> tuple[CellSummary, ...]:
        """The summaries of a cell, () where it has not been run."""
        found = tuple(s for s in self.summaries if s.cell == cell)
        return () if all(s.state == NOT_RUN for s in found) else found


def write_report(folders: Sequence[str | Path], output: str | Path) -> Path:
    """One page of several output folders, with figures, scores.json and scores.csv beside it.

    Args:
        folders: of matrices or of single systems.
        output: the page; figures and tables go to STEM-files beside it.

    Raises:
        EgraffError: a folder is missing or holds no results, two hold different results of one
            cell, or the output cannot be written.
    """
    output = Path(output).absolute()
    if output.is_dir():
        raise EgraffError(f"{output}: expected a file for the page, got a folder: name a file.")
    if not output.parent.is_dir():
        raise EgraffError(
            f"{output}: expected a file in a folder that exists, {output.parent} does not: make "
            "it, or choose another."
        )
    files = output.with_name(f"{output.stem}-files")
    if files.exists() and not files.is_dir():
        raise EgraffError(f"{files}: expected a folder for the figures, got a file: move it away.")
    runs = [read_run(folder) for folder in dict.fromkeys(Path(f).absolute() for f in folders)]
    page = merge(runs)
    page = replace(page, cells=[_relative(cell, output.parent) for cell in page.cells],
                   tables=f"{quote(files.name)}/")  # fmt: skip
    files.mkdir(exist_ok=True)
    name = "+".join(dict.fromkeys(run.name for run in runs))
    write_json(files / SCORES, to_json(name, page.cells))
    write_text(files / TABLE, to_csv(page.cells))
    return write_page(page, output)


def read_run(folder: str | Path) -> Run:
    """What is in an output folder of `egraff bench`.

    Raises:
        EgraffError: there is no such folder, or no results in it.
    """
    folder = Path(folder).absolute()
    if not folder.is_dir():
        raise EgraffError(f"{folder}: expected an output folder of `egraff bench`, found none.")
    if (folder / COPY).is_file():
        run = _matrix(folder)
    elif (folder / SUMMARY).is_file():
        run = _single(folder)
    else:
        raise EgraffError(
            f"{folder}: expected an output folder of `egraff bench` with {COPY} or {SUMMARY}, "
            "found neither: name the folder given to --out."
        )
    if not any(run.results_of(cell.name) for cell in run.cells):
        reasons = "; ".join(dict.fromkeys(s.reason for s in run.summaries))
        raise EgraffError(
            f"{folder}: expected results, no cell has any ({reasons}): run `egraff bench` first."
        )
    return run


def _matrix(folder: Path) -> Run:
    matrix, cells = load_matrix(str(folder / COPY))
    return Run(
        folder, matrix.name, matrix.title, matrix.seed, matrix.models, cells,
        *_found(cells, folder), matrix.remarks, yaml_text(matrix),
    )  # fmt: skip


def _single(folder: Path) -> Run:
    try:
        raw = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))["config"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EgraffError(
            f"{folder / SUMMARY}: expected the record of a run, got {error!r}: run `egraff bench` "
            "again."
        ) from None
    config = parse_config(raw, str(folder / SUMMARY))
    cells = (CellConfig(folder.name, config.name, config.temperature_kelvin, config),)
    text = yaml.safe_dump(raw, sort_keys=False, allow_unicode=True, width=90)
    return Run(
        folder, config.name, config.title, config.seed, config.models, cells,
        *_found(cells, folder.parent), (), text,
    )  # fmt: skip


def _found(
    cells: Sequence[CellConfig], out: Path
) -> tuple[tuple[CellSummary, ...], tuple[Traces, ...]]:
    summaries = tuple(
        replace(s, page=str(out / s.page) if s.page and (out / s.page).is_file() else None)
        for s in collect(cells, out)
    )
    run = {s.cell for s in summaries if s.state != NOT_RUN}
    return summaries, tuple(collect_traces([c for c in cells if c.name in run], out))


def merge(runs: Sequence[Run]) -> MatrixPage:
    """One page of several runs; a cell that several of them list has the results of one.

    Raises:
        EgraffError: two runs have different results of a cell, or give one name to two models.
    """
    models: dict[str, Model] = {}
    for run in runs:
        for model in run.models:
            if models.setdefault(model.name, model) != model:
                raise EgraffError(
                    f"{run.folder}: expected model {model.name} to be that of the runs before it, "
                    "got other settings: report them apart, or rename one."
                )
    cells: dict[str, CellConfig] = {}
    owner: dict[str, Run] = {}
    for run in runs:
        for cell in run.cells:
            old = owner.get(cell.name)
            if old is None or not old.results_of(cell.name):
                cells[cell.name], owner[cell.name] = cell, run
            elif run.results_of(cell.name):
                _same(cell.name, old, run)
    summaries = [s for name in cells for s in owner[name].summaries if s.cell == name]
    traces = [t for name in cells for t in owner[name].traces if t.cell == name]
    page = matrix_page(tuple(cells.values()), tuple(models.values()), summaries, traces)
    configs = dict.fromkeys(run.config for run in runs)
    return replace(
        page,
        title=" + ".join(dict.fromkeys(run.title for run in runs)),
        limits=list(dict.fromkeys(sentence for run in runs for sentence in run.limits)),
        config="---\n".join(configs),
        seed=", ".join(dict.fromkeys(str(run.seed) for run in runs)),
    )


def _same(cell: str, one: Run, other: Run) -> None:
    """Refuse two folders with different results of one cell; where it lies does not matter."""
    a, b = (
        [replace(s, page=None) for s in run.results_of(cell)]
        for run in (one, other)
    )  # fmt: skip
    if a != b:
        raise EgraffError(
            f"expected cell {cell} to have results in one folder, or the same in all, got "
            f"different ones in {one.folder} and {other.folder}: leave one out."
        )


def _relative(cell: CellSummary, folder: Path) -> CellSummary:
    if cell.page is None:
        return cell
    return replace(cell, page=quote(Path(os.path.relpath(cell.page, folder)).as_posix()))
