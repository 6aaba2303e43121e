"""`egraff init bench`: a first config of a benchmark."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from egraff_lmp.cli.console import errors, log_once, output, print_json
from egraff_lmp.cli.task import Json


def command(
    data: Annotated[
        list[str],
        typer.Argument(
            help="Labelled frames of one composition, in order of time: files that egraff or ASE "
            "reads, or SET:PART."
        ),
    ],
    temperature: Annotated[float, typer.Option(help="Temperature of frames and rollouts in K.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Config to write.")] = Path("bench.yaml"),
    forcefield: Annotated[
        list[str] | None,
        typer.Option(
            help="Force field to compare; the option may be repeated. [default: nequip, mace]"
        ),
    ] = None,
    timestep_fs: Annotated[float, typer.Option(help="MD time step of the rollouts in fs.")] = 1.0,
    reference_timestep_fs: Annotated[
        float | None,
        typer.Option(help="Time between frames of DATA in fs, where the files do not tell it."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    as_json: Json = False,
) -> None:
    """Write a commented config for `egraff bench` from labelled frames.

    The first half is trained on, the last third is kept for rollouts to start from and to be
    compared with.
    """
    from egraff_lmp.bench.first_config import write_first_config

    log_once()
    found, times = write_first_config(
        out,
        data,
        temperature,
        forcefields=forcefield or ("nequip", "mace"),
        timestep_fs=timestep_fs,
        stride_fs=reference_timestep_fs,
        force=force,
    )
    following = f"egraff bench {shlex.quote(str(out))} --dry-run"
    if as_json:
        print_json({"file": out, **asdict(found), **asdict(times), "command": following})
        return
    if not times.series:
        errors.print(
            "egraff: warning: the frames tell no time between them, so that structure alone is "
            "compared; where they are a series, give --reference-timestep-fs.",
            style="yellow", highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
    lines = [
        f"{found.systems}; elements {' '.join(found.elements)}; r_max "
        f"{found.r_max_angstrom:g} A, {found.n_neighbours:.0f} neighbours within it",
        str(out),
        f"next: {following}",
    ]
    output.print("\n".join(lines), soft_wrap=True, highlight=False, markup=False)
