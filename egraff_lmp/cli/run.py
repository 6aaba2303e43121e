"""`egraff run`: a rollout from a YAML config."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from egraff_lmp.cli.console import errors, output, print_json
from egraff_lmp.cli.task import Changes, Json

if TYPE_CHECKING:
    from egraff_lmp.rollout.plan import Plan
    from egraff_lmp.rollout.run import RolloutResult

# Exit status of a simulation that broke down (atoms lost, not a number, too hot): a result, but
# not one that a job chain should go on from.
BROKE_DOWN = 3


def command(
    config: Annotated[Path, typer.Argument(help="YAML config of the rollout.")],
    ranks: Annotated[
        int | None, typer.Option(min=1, help="Number of MPI ranks, in place of the config's.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Number of steps, in place of the config's n_steps.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Folder of the results, in place of the config's out_dir."
        ),
    ] = None,
    changes: Changes = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Write temperature, energies, pressure and the last frame to this PNG, PDF or SVG."
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the command and the files that would be written, and write nothing.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Run a rollout in LAMMPS through MPI; repeating the command resumes it.

    Exit status: 0 finished, 1 an error to mend, 3 the simulation broke down, 75 stopped by a
    signal or wall_minutes, 130 by Ctrl-C. After the last two the same command goes on.
    """
    from egraff_lmp.data.lammps_thermo import read_thermo
    from egraff_lmp.fileio import picture_format, require_writable
    from egraff_lmp.rollout.config import read_config
    from egraff_lmp.rollout.picture import draw_rollout
    from egraff_lmp.rollout.plan import make_plan
    from egraff_lmp.rollout.run import run_rollout

    settings = read_config(
        config,
        changes or (),
        ranks=ranks,
        n_steps=steps,
        out_dir=None if out is None else out.absolute(),
    )
    if dry_run:
        _print_plan(make_plan(settings), as_json)
        return
    kind = "png" if plot is None else picture_format(plot)
    if plot is not None:
        require_writable(plot.absolute().parent)
    with _progress() as progress:
        result = run_rollout(settings, progress)
    if plot is not None:
        draw_rollout(read_thermo(result.thermo), result.frames(), plot, kind)
    if as_json:
        record = json.loads(result.record.read_text(encoding="utf-8"))
        print_json({"out_dir": result.out_dir, **record})
    else:
        _print_result(result, plot)
    if result.status != "finished":
        raise typer.Exit(BROKE_DOWN)


def _print_plan(plan: Plan, as_json: bool) -> None:
    files = [plan.deck, plan.data, plan.log, plan.out_dir / "rollout.json"]
    files += [plan.out_dir / "traj.lammpstrj", plan.out_dir / "thermo.csv"]
    if as_json:
        print_json(
            {
                "out_dir": plan.out_dir,
                "complete": plan.is_complete,
                "first_step": plan.first_step,
                "n_steps": plan.config.n_steps,
                "restart": plan.restart.path if plan.restart else None,
                "files": files,
                "command": plan.command,
            }
        )
        return
    if plan.is_complete:
        lines = [f"{plan.out_dir} is complete: nothing would be run."]
    else:
        steps = f"steps {plan.first_step} to {plan.config.n_steps}"
        origin = f" from {plan.restart.path}" if plan.restart else ""
        lines = [f"would run {steps}{origin}, and write", *(f"  {file}" for file in files)]
        lines += ["with the command", shlex.join(plan.command)]
    output.print("\n".join(lines), soft_wrap=True, highlight=False, markup=False)


def _print_result(result: RolloutResult, plot: Path | None) -> None:
    if result.status == "finished":
        head = f"finished {result.n_steps} steps"
    else:
        head = f"broke down at step {result.n_steps}: {result.reason}"
    starts = "" if result.starts == 1 else f" in {result.starts} starts"
    lines = [f"{head} ({result.wall_seconds:.1f} s{starts})"]
    files = (result.trajectory, result.thermo, result.record, plot)
    lines += [str(path) for path in files if path is not None]
    output.print("\n".join(lines), soft_wrap=True, highlight=False, markup=False)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, one line a per cent in a log."""
    if not errors.is_terminal:
        yield _lines()
        return
    from rich import progress as rich

    columns = ("steps", rich.BarColumn(), rich.MofNCompleteColumn(), rich.TimeRemainingColumn())
    with rich.Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task("steps", total=None)
        yield lambda step, total: bar.update(task, completed=step, total=total)


def _lines() -> Callable[[int, int], None]:
    last = -1

    def report(step: int, total: int) -> None:
        nonlocal last
        percent = 100 * step // total
        if percent > last:
            last = percent
            errors.print(f"step {step} of {total} ({percent} %)", highlight=False)

    return report
