"""`egraff bench`: train, deploy, run, score and report in one command that can be repeated."""

from __future__ import annotations

import logging
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from egraff_lmp.cli.console import errors, output, print_json
from egraff_lmp.cli.task import Changes, Json
from egraff_lmp.errors import EgraffError

if TYPE_CHECKING:
    from rich.status import Status

    from egraff_lmp.bench import BenchConfig, CellConfig, Matrix, StageResult


class Scheduler(str, Enum):
    """Programs that run job arrays."""

    slurm = "slurm"


def command(
    config: Annotated[
        str,
        typer.Argument(
            help="YAML file, or a shipped config: demo (no data needed), gete, and the matrices "
            "reduced, full, benzene and molecules."
        ),
    ] = "demo",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder of the results [default: bench-NAME]."),
    ] = None,
    changes: Changes = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be run, and run nothing.")
    ] = False,
    cell: Annotated[
        list[str] | None,
        typer.Option(
            "--cell",
            help="Run only this cell of a matrix, by name or number; the option may be repeated.",
        ),
    ] = None,
    summary: Annotated[
        bool,
        typer.Option(
            "--summary", help="Write only the page of the results that a matrix has so far."
        ),
    ] = False,
    submit: Annotated[
        Scheduler | None,
        typer.Option(
            "--submit",
            help="Write a matrix as a job array and hand it to sbatch; with --dry-run it is "
            "only written.",
        ),
    ] = None,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="Open a start_from of a training that runs code when it is opened. Give it only "
            "if you trust where the file came from.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Train force fields, run them in LAMMPS, score the rollouts and write an HTML report.

    A matrix does so for several systems and temperatures and sums them up on one page. Repeating
    the command goes on where it stopped and repeats nothing that is finished; a changed config
    repeats what depends on the change. Exit status 75 after a batch system's signal, 130 after
    Ctrl-C.

    `egraff bench physics MODEL` checks a deployed file without a reference trajectory; see `egraff
    physics --help`.
    """
    from egraff_lmp.bench import parse_config, parse_matrix
    from egraff_lmp.bench.config import read_raw  # start-up time
    from egraff_lmp.bench.matrix import KIND

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("egraff_lmp.train").setLevel(logging.INFO)  # one line an epoch in a log
    logging.getLogger("MDAnalysis").setLevel(logging.ERROR)  # it misses formats not used here
    raw, source = read_raw(config, changes or ())
    if raw.get("kind") == KIND:
        matrix, cells = parse_matrix(raw, source)
        _matrix(
            matrix,
            cells,
            out,
            dry_run=dry_run,
            names=cell,
            summary=summary,
            submit=submit,
            trust=trust,
            as_json=as_json,
        )
        return
    if cell or summary or submit:
        raise EgraffError(
            f"{source}: expected a matrix (`kind: matrix`) for --cell, --summary and --submit, got "
            "the config of one system: leave these options out."
        )
    _single(parse_config(raw, source), out, dry_run, trust, as_json)


def _single(
    settings: BenchConfig, out: Path | None, dry_run: bool, trust: bool, as_json: bool
) -> None:
    from egraff_lmp.bench import run_bench  # start-up time

    if dry_run:
        named = dict.fromkeys(name for m in settings.models for name in settings.stages_of(m))
        stages = ["reference", *named]
        if as_json:
            print_json({"name": settings.name, "title": settings.title, "stages": stages})
            return
        lines = [f"{settings.title}, {len(stages)} stages:", *stages]
        output.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)
        return
    folder = out if out is not None else Path(f"bench-{settings.name}")
    display = _Display()
    try:
        result = run_bench(
            settings,
            folder,
            begin=display.begin,
            end=display.end,
            progress=display.progress,
            trust=trust,
        )
    finally:
        display.close()
    told = [
        {"name": one.name, "state": one.state, "reason": one.reason, "seconds": one.seconds}
        for one in result.stages
    ]
    _close(result.report, result.complete, {"stages": told} if as_json else None)


def _matrix(
    matrix: Matrix,
    cells: tuple[CellConfig, ...],
    out: Path | None,
    *,
    dry_run: bool,
    names: list[str] | None,
    summary: bool,
    submit: Scheduler | None,
    trust: bool,
    as_json: bool,
) -> None:
    from egraff_lmp.bench import describe, run_matrix  # start-up time

    folder = out if out is not None else Path(f"bench-{matrix.name}")
    if submit is not None:
        _submit(matrix, cells, folder, dry_run, trust, as_json)
        return
    chosen = cells if names is None else tuple(_chosen(cells, name) for name in names)
    if dry_run:
        if as_json:
            print_json([_plan(n, cell) for n, cell in enumerate(cells) if cell in chosen])
            return
        for number, entry in enumerate(cells):
            if entry in chosen:
                output.print(
                    f"{number:>2}  {describe(entry)}", highlight=False, markup=False, soft_wrap=True
                )
        return
    display = _Display()
    try:
        result = run_matrix(
            matrix,
            cells,
            folder,
            () if summary else chosen,
            begin_cell=display.begin_cell,
            begin=display.begin,
            end=display.end,
            progress=display.progress,
            refuse_cell=display.refuse_cell,
            trust=trust,
        )
    finally:
        display.close()
    systems = [{"name": system.name, "ran": system.ran} for system in result.results.systems]
    _close(result.report, result.complete, {"cells": systems} if as_json else None)


def _plan(number: int, cell: CellConfig) -> dict[str, Any]:
    """What a cell will do, in the names of its config."""
    config, rollout = cell.config, cell.config.rollout
    return {
        "number": number,
        "name": cell.name,
        "models": [model.name for model in config.models],
        "temperature_kelvin": config.temperature_kelvin,
        "starts": rollout.starts,
        "steps": config.steps,
        "timestep_fs": rollout.timestep_fs,
        "ranks": rollout.ranks,
    }


def _chosen(cells: tuple[CellConfig, ...], name: str) -> CellConfig:
    """The cell of that name, or of that number in the order of the matrix."""
    for number, cell in enumerate(cells):
        if name in (cell.name, str(number)):
            return cell
    raise EgraffError(
        f"--cell: expected a number from 0 to {len(cells) - 1} or one of "
        f"{', '.join(cell.name for cell in cells)}, got '{name}'."
    )


def _submit(
    matrix: Matrix,
    cells: tuple[CellConfig, ...],
    folder: Path,
    dry_run: bool,
    trust: bool,
    as_json: bool,
) -> None:
    from egraff_lmp.bench.slurm import render_script, submit  # start-up time

    script = render_script(matrix, cells, folder, Path.cwd(), trust)
    if not as_json:
        output.print(f"script: {script}", highlight=False, markup=False, soft_wrap=True)
    job = None if dry_run else submit(script)
    if as_json and (dry_run or job is not None):
        print_json({"script": script, "job": job, "n_tasks": len(cells)})
        return
    if dry_run:
        return
    if job is None:
        raise EgraffError(
            f"expected the program sbatch to submit {script}, there is none on the PATH: run this "
            "command, or `sbatch` with the script, where Slurm is."
        )
    output.print(f"job: {job}, {len(cells)} tasks", highlight=False, markup=False)


def _close(report: Path, complete: bool, values: dict[str, Any] | None) -> None:
    """The page, or for programs `values` besides; status 1 where something is missing."""
    report = report.absolute()
    if values is not None:
        print_json({"report": report, "complete": complete, **values})
    else:
        output.print(f"report: {report}", highlight=False, markup=False, soft_wrap=True)
    if not complete:
        errors.print(
            "egraff: some stages gave no result, or a rollout broke down; the report says which "
            "and why. Repeating the command tries failed stages again.",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )
        raise typer.Exit(1)


class _Display:
    """One line a stage; within a rollout a status line, or in a log a line each quarter."""

    def __init__(self) -> None:
        self._status: Status | None = None
        self._quarter = 0

    def begin_cell(self, number: int, total: int, cell: CellConfig) -> None:
        """A cell of a matrix begins."""
        errors.print(f"cell {number}/{total}: {cell.config.title}", style="bold", markup=False)

    def refuse_cell(self, cell: CellConfig, reason: str) -> None:
        """Say why a cell could not begin."""
        self.close()
        errors.print(f"{cell.name}: not run: {reason}", style="red", highlight=False, markup=False)

    def begin(self, number: int, total: int, title: str) -> None:
        """A stage begins."""
        self._quarter = 0
        errors.print(f"[{number:>2}/{total}] {title} ...", highlight=False, markup=False)

    def end(self, number: int, total: int, result: StageResult) -> None:
        """A stage has ended."""
        self.close()
        if result.done and result.fresh:
            text, style = f"done in {result.seconds:.1f} s", "green"
        elif result.done:
            text, style = "finished earlier", "cyan"
        else:
            text, style = f"{result.state}: {result.reason}", "yellow"
        line = f"[{number:>2}/{total}] {result.name}: {text}"
        errors.print(line, style=style, highlight=False, markup=False, soft_wrap=True)

    def progress(self, done: int, total: int) -> None:
        """LAMMPS has done `done` of `total` steps."""
        text = f"step {done} of {total}"
        if errors.is_terminal:
            if self._status is None:
                self._status = errors.status(text)
                self._status.start()
            self._status.update(text)
        elif 4 * done // total > self._quarter:
            self._quarter = 4 * done // total
            errors.print(f"        {text}", highlight=False)

    def close(self) -> None:
        """Take the status line away."""
        if self._status is not None:
            self._status.stop()
            self._status = None
