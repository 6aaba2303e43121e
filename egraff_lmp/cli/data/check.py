"""`egraff data check`: what is wrong with a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from egraff_lmp.cli.console import output, print_json
from egraff_lmp.cli.task import Json

if TYPE_CHECKING:
    from egraff_lmp.data.finding import CheckResult

_STYLES = {"error": "red", "warning": "yellow", "note": ""}


def command(
    sources: Annotated[
        list[str],
        typer.Argument(help="Data sets (gete), parts of one (gete:test gete:val), or paths."),
    ],
    as_json: Json = False,
    r_max: Annotated[
        float | None, typer.Option("--r-max", help="Cutoff in A [default: the set's, or 5].")
    ] = None,
    timestep_fs: Annotated[
        float | None,
        typer.Option(help="Time in fs between frames of a path, if they are a series."),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Temperature in K that a path should have.")
    ] = None,
    format: Annotated[str | None, typer.Option(help="Format of the paths.")] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 for warnings too, not for errors alone.")
    ] = False,
) -> None:
    """Find what is wrong with data before training on them.

    Missing and empty arrays, frames in two parts, shuffled frames and gaps in time, dE against
    -F.dx, temperature, units, cells below twice the cutoff. Exits with 1 if there are errors.
    """
    from egraff_lmp.data.diagnose import check_paths, check_set
    from egraff_lmp.data.table import DATA_SETS

    parts: dict[str, list[str] | None] = {}
    paths: list[Path] = []
    for source in sources:
        key, _, part = source.partition(":")
        if key not in DATA_SETS:
            paths.append(Path(source).expanduser())
        elif not part:
            parts[key] = None
        elif parts.get(key, []) is not None:
            parts[key] = [*(parts.get(key) or []), part]
    results = [check_set(DATA_SETS[key], names, r_max=r_max) for key, names in parts.items()]
    if paths:
        results.append(
            check_paths(
                paths,
                timestep_fs=timestep_fs,
                temperature_kelvin=temperature,
                r_max=5.0 if r_max is None else r_max,
                format=format,
            )
        )
    if as_json:
        print_json([result.to_dict() for result in results])
    else:
        for result in results:
            _show(result)
    bad = sum(result.count("error") + strict * result.count("warning") for result in results)
    if bad:
        raise typer.Exit(1)


def _show(result: CheckResult) -> None:
    from rich.padding import Padding

    output.print(Text(result.name, style="bold"))
    for part, facts in result.parts.items():
        output.print(
            Padding(Text(f"{part}: {facts['n_frames']} frames of {facts['n_atoms']} atoms"), (0, 2))
        )
    for level in _STYLES:
        # One sentence for all parts that share it: a set of twenty compositions stays readable.
        grouped: dict[str, list[str]] = {}
        for finding in result.findings:
            if finding.level == level:
                grouped.setdefault(f"{finding.check}: {finding.message}", []).append(finding.part)
        for text, parts in grouped.items():
            line = Text(f"{level}: {', '.join(parts)}: {text}", style=_STYLES[level])
            output.print(Padding(line, (0, 0, 0, 2)))
    if not result.findings:
        output.print(Padding(Text("nothing found"), (0, 2)))
