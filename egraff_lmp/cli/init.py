"""`egraff init`: a folder that plain `lmp` runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from egraff_lmp.cli.console import output


def command(
    folder: Annotated[Path, typer.Argument(help="Folder to write into; made if missing.")],
    structure: Annotated[
        str,
        typer.Option(help="File with atoms (npz, extxyz, POSCAR, ...), or SET:PART (gete:test)."),
    ],
    model: Annotated[Path, typer.Option(help="Model file written by `egraff deploy`.")],
    temperature: Annotated[float, typer.Option(help="K, of the velocities and the thermostat.")],
    ensemble: Annotated[str, typer.Option(help="nve, nvt, npt or minimise.")] = "nvt",
    steps: Annotated[int, typer.Option(help="Steps of the run.")] = 1000,
    timestep_fs: Annotated[float, typer.Option(help="Time step in fs.")] = 1.0,
    ranks: Annotated[int, typer.Option(help="MPI ranks in the job scripts.")] = 1,
    frame: Annotated[int, typer.Option(help="Frame of the structure file; -1: the last.")] = -1,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
) -> None:
    """Write data file, deck and job scripts with one order of elements."""
    from egraff_lmp.rollout.project import init_project

    project = init_project(
        folder,
        structure,
        model,
        temperature,
        ensemble=ensemble,
        n_steps=steps,
        timestep_fs=timestep_fs,
        ranks=ranks,
        frame=frame,
        force=force,
    )
    types = ", ".join(f"{index} {element}" for index, element in enumerate(project.elements, 1))
    lines = [f"{project.n_atoms} atoms; types: {types}", *map(str, project.files)]
    lines.append(f"next: {project.command}")
    output.print("\n".join(lines), soft_wrap=True, highlight=False, markup=False)
