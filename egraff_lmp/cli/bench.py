"""`egraff bench`: train, deploy, run, score and report in one command that can be repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from egraff_lmp.cli.console import errors, output


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
    from egraff_lmp.bench import StageResult, load_config, run_bench

    settings = load_config(config)
    folder = out if out is not None else Path(f"bench-{settings.name}")

    def begin(number: int, total: int, title: str) -> None:
        errors.print(f"[{number:>2}/{total}] {title} ...", highlight=False, markup=False)

    def end(number: int, total: int, result: StageResult) -> None:
        if result.done and result.fresh:
            text, style = f"done in {result.seconds:.1f} s", "green"
        elif result.done:
            text, style = "finished earlier", "cyan"
        else:
            text, style = f"{result.state}: {result.reason}", "yellow"
        line = f"[{number:>2}/{total}] {result.name}: {text}"
        errors.print(line, style=style, highlight=False, markup=False, soft_wrap=True)

    result = run_bench(settings, folder, begin=begin, end=end)
    output.print(
        f"report: {result.report.resolve()}", highlight=False, markup=False, soft_wrap=True
    )
    if not result.complete:
        errors.print(
            "egraff: some stages gave no result; the report says which and why. Repeating the "
            "command tries them again.",
            style="yellow",
            highlight=False,
        )
        raise typer.Exit(1)
