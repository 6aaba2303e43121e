"""`egraff bench`: train, deploy, run, score and report in one command that can be repeated."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from egraff_lmp.cli.console import errors, output

if TYPE_CHECKING:
    from rich.status import Status

    from egraff_lmp.bench import StageResult


def command(
    config: Annotated[
        str, typer.Argument(help="YAML file, or a shipped config: demo (no data needed) or gete.")
    ] = "demo",
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the results [default: bench-NAME].")
    ] = None,
) -> None:
    """Train force fields, run them in LAMMPS, score the rollouts and write an HTML report.

    Repeating the command goes on where it stopped and repeats nothing that is finished; a changed
    config repeats what depends on the change.
    """
    from egraff_lmp.bench import load_config, run_bench

    settings = load_config(config)
    folder = out if out is not None else Path(f"bench-{settings.name}")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("egraff_lmp.train").setLevel(logging.INFO)  # one line an epoch in a log
    logging.getLogger("MDAnalysis").setLevel(logging.ERROR)  # it misses formats not used here
    display = _Display()
    try:
        result = run_bench(
            settings, folder, begin=display.begin, end=display.end, progress=display.progress
        )
    finally:
        display.close()
    output.print(
        f"report: {result.report.absolute()}", highlight=False, markup=False, soft_wrap=True
    )
    if not result.complete:
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
