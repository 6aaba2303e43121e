"""`egraff report`: one page of finished benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from egraff_lmp.cli.console import output as console


def command(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Output folders of `egraff bench`: matrices or single systems."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The page.")] = Path("report.html"),
) -> None:
    """Write one self-contained HTML page of benchmark results, with the paper's tables rebuilt.

    Several folders are merged. Every figure is also written as PNG with its data as CSV, and all
    scores as scores.json and scores.csv, into the folder NAME-files beside the page.
    """
    from egraff_lmp.bench.gather import write_report  # start-up time
    from egraff_lmp.fileio import require_writable

    require_writable(output.absolute().parent)
    page = write_report(runs, output)
    console.print(f"report: {page}", highlight=False, markup=False, soft_wrap=True)
