"""`egraff report`: one page of finished benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from egraff_lmp.cli.console import output, print_json
from egraff_lmp.cli.task import Json


def command(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Output folders of `egraff bench`: matrices or single systems."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="HTML file of the page.")] = Path(
        "report.html"
    ),
    as_json: Json = False,
) -> None:
    """Write one self-contained HTML page of benchmark results, with the paper's tables rebuilt.

    Several folders are merged. Every figure is also written as PNG with its data as CSV, and all
    scores as scores.json and scores.csv, into the folder NAME-files beside the page.
    """
    from egraff_lmp.bench.gather import write_report  # start-up time
    from egraff_lmp.fileio import require_writable

    require_writable(out.absolute().parent)
    page = write_report(runs, out)
    if as_json:
        scores = page.with_name(f"{page.stem}-files") / "scores.json"
        print_json({"report": page, "scores": scores})
        return
    output.print(f"report: {page}", highlight=False, markup=False, soft_wrap=True)
