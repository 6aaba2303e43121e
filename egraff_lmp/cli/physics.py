"""`egraff physics`, also `egraff bench physics`: physics without reference trajectories."""

from __future__ import annotations

import logging
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from egraff_lmp.cli.console import errors, output, print_json
from egraff_lmp.cli.task import Frame, Json, Model
from egraff_lmp.errors import EgraffError

if TYPE_CHECKING:
    from rich.status import Status

    from egraff_lmp.physics import CheckResult, Report
    from egraff_lmp.physics.record import Check
    from egraff_lmp.rollout.datafile import Structure

_STYLES = {"passed": "green", "failed": "red", "not applicable": "dim"}
_SENTENCES = 4  # of a check on a terminal


def command(
    model: Model,
    structure: Annotated[
        str | None,
        typer.Option(
            help="Start of dynamics and compression, which is relaxed beside the known crystals: a "
            "file that egraff or ASE reads, or SET:PART such as gete:test; by default dynamics "
            "start from the frame in the contract."
        ),
    ] = None,
    frame: Frame = -1,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder of the results [default: physics-NAME]."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Make this check alone (diatomics, crystals, defects, heating, compression, nve); "
            "the option may be repeated."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=1, help="Seed of the velocities.")] = 12345,
    steps: Annotated[
        int, typer.Option(min=10, help="Steps of the heating ramp, and of the run without one.")
    ] = 2000,
    atoms: Annotated[
        int, typer.Option(min=1, help="Atoms that the cell of the NVE run has at least.")
    ] = 1000,
    ranks: Annotated[int, typer.Option(min=1, help="Number of MPI ranks.")] = 1,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of a rank [default: cores by ranks].")
    ] = None,
    launcher: Annotated[
        str | None,
        typer.Option(
            help='Command that starts the ranks, such as "srun -n {ranks}"; mpiexec by default.'
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check the physics of a deployed file where there is no reference trajectory.

    Curves of all pairs of atoms, known crystals and their defects, a heating and a compression
    ramp, and conservation in a large cell: a verdict, numbers and a picture each, and a page of
    them. `egraff bench physics` is the same command. Repeating it makes what is missing.

    The file is loaded, and a TorchScript file is a program that runs when it is loaded.

    Exit status: 0 all that applies passed, 1 a check failed, 75 after a batch system's signal, 130
    after Ctrl-C.
    """
    from egraff_lmp.physics import Settings, run_physics
    from egraff_lmp.physics.page import PAGE
    from egraff_lmp.physics.record import Launch

    # It speaks of stress that was not trained on, and MDAnalysis of what is not used here.
    logging.getLogger("MDAnalysis").setLevel(logging.ERROR)
    folder = out if out is not None else Path(f"physics-{model.stem}")
    display = _Display(quiet=as_json)
    try:
        report = run_physics(
            model,
            folder,
            _structure(structure, frame),
            only=only or (),
            settings=Settings(seed, steps, atoms),
            launch=Launch(ranks, threads or "auto", launcher),
            begin=display.begin,
            end=display.end,
            progress=display.progress,
        )
    finally:
        display.close()
    _close(report, folder / PAGE, only, as_json)


def _close(report: Report, page: Path, only: list[str] | None, as_json: bool) -> None:
    if as_json:
        print_json(report.to_json())
    else:
        output.print(f"page: {page}", highlight=False, markup=False, soft_wrap=True)
    made = set(only or report.results)
    if made & set(report.failed):
        raise typer.Exit(1)


def _structure(name: str | None, frame: int) -> Structure | None:
    if name is None:
        return None
    from egraff_lmp.data.table import read_source
    from egraff_lmp.rollout.datafile import Structure as Found

    if frame < 0 and not name:
        raise EgraffError("--structure: expected a file or SET:PART, got nothing.")
    return Found.from_frames(read_source(name), frame)


class _Display:
    """The verdicts as they come; steps of a rollout on a terminal."""

    def __init__(self, quiet: bool) -> None:
        self._status: Status | None = None
        self._name = ""
        self._quiet = quiet

    def begin(self, check: Check) -> None:
        """A check begins."""
        self._name = check.name
        self._show(f"{check.name} ...")

    def progress(self, done: int, total: int) -> None:
        """LAMMPS has done `done` of `total` steps."""
        self._show(f"{self._name}: step {done} of {total}")

    def end(self, result: CheckResult, fresh: bool) -> None:
        """A check has its result."""
        self.close()
        if not self._quiet:
            _print_result(result, fresh)

    def close(self) -> None:
        """Take the status line away."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _show(self, text: str) -> None:
        if not errors.is_terminal:
            return
        if self._status is None:
            self._status = errors.status(text)
            self._status.start()
        self._status.update(text)


def _print_result(result: CheckResult, fresh: bool) -> None:
    from egraff_lmp.physics.words import sentence

    head = Text(result.name.ljust(13), style="bold")
    head.append(result.verdict, style=_STYLES[result.verdict])
    n_failed, n_all = len(result.failures), len(result.findings)
    head.append(f" ({n_failed} of {n_all} failed", style="default not bold")
    head.append(f", {result.seconds:.0f} s)" if fresh else ", made earlier)", style="not bold")
    output.print(head)
    shown = result.failures or result.findings[:_SENTENCES]
    for finding in shown[:_SENTENCES]:
        _print_item(sentence(finding))
    if len(shown) > _SENTENCES:
        _print_item(f"{len(shown) - _SENTENCES} more are on the page.")


def _print_item(text: str) -> None:
    """An indented item of a list, wrapped at the width of the terminal."""
    lines = textwrap.wrap(text, output.width - 5)
    output.print(
        "\n".join([f"  - {lines[0]}", *(f"    {line}" for line in lines[1:])]), highlight=False
    )
