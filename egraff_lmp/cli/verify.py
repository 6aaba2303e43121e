"""`egraff verify`: a certificate for one deployed file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from egraff_lmp.cli.compare import rank_counts
from egraff_lmp.cli.console import errors, output, print_json
from egraff_lmp.cli.task import Json

if TYPE_CHECKING:
    from egraff_lmp.verify import Certificate, Progress

_STYLES = {"passed": "green", "failed": "red", "not applicable": "dim"}


def command(
    model: Annotated[Path, typer.Argument(help="File written by `egraff deploy`.")],
    structure: Annotated[
        Path | None,
        typer.Option(
            help="Structure to verify on, in any format that ASE or egraff reads; by default "
            "the frame in the contract."
        ),
    ] = None,
    frame: Annotated[
        int, typer.Option(help="Index of the frame in the structure file; -1 is the last one.")
    ] = -1,
    ranks: Annotated[
        str, typer.Option(help="Numbers of MPI ranks, separated by commas.")
    ] = "1,2,4",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Certificate to write, with its JSON form beside it; by default it is "
            "NAME.certificate.md beside the model.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Make this check alone (parity, ranks, ...) and write no certificate; the "
            "option may be repeated."
        ),
    ] = None,
    launcher: Annotated[
        str | None,
        typer.Option(
            help='Command that starts the ranks, such as "srun -n {ranks}"; mpiexec by default.'
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Verify a deployed file and write a certificate beside it.

    The file is loaded to be verified, and a TorchScript file is a program that runs when it is
    loaded: do not verify a file from a source that you would not run a program of.

    Exit status: 0 all that applies passed, 1 something failed.
    """
    from egraff_lmp.fileio import require_writable
    from egraff_lmp.verify import certificate as paper
    from egraff_lmp.verify import verify

    path = None if only and out is None else out or paper.default_path(model)
    if path is not None:
        require_writable(path.absolute().parent)
    with _progress() as progress:
        found = verify(
            model, _structure(structure, frame), rank_counts(ranks), only or (), launcher, progress
        )
    if path is not None:
        paper.write(found, path)
    if as_json:
        print_json(paper.to_json(found))
    else:
        _show(found)
        if path is not None:
            output.print(f"certificate: {path}", highlight=False, markup=False, soft_wrap=True)
    if not found.passed:
        raise typer.Exit(1)


def _structure(path: Path | None, frame: int):  # type: ignore[no-untyped-def]
    if path is None:
        return None
    from egraff_lmp.data import read_frames
    from egraff_lmp.rollout.datafile import Structure

    return Structure.from_frames(read_frames(path), frame)


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """On a terminal, a bar with the name of what ended last."""
    import rich.progress as rich

    from egraff_lmp.verify import Progress

    if not errors.is_terminal:
        yield None
        return
    columns = (
        rich.TextColumn("verifying"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TimeElapsedColumn(),
        rich.TextColumn("{task.description}"),
    )
    with rich.Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task("", total=None)

        class Bar(Progress):
            def start(self, total: int) -> None:
                bar.update(task, total=total)

            def step(self, name: str) -> None:
                bar.update(task, advance=1, description=name)

        yield Bar()


def _show(found: Certificate) -> None:
    from egraff_lmp.verify import certificate as paper

    for finding in found.all_findings:
        verdict = Text(finding.verdict.ljust(15), style=_STYLES[finding.verdict])
        output.print(verdict.append(paper.sentence(finding).replace("`", ""), style="default"))
    n_failed = sum(finding.verdict == "failed" for finding in found.all_findings)
    end = f"{found.model}: {f'{n_failed} failed' if n_failed else 'passed'}"
    output.print(f"\n{end}", style="red" if n_failed else "green", highlight=False)
