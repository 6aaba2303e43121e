"""`egraff init`: a folder that plain `lmp` runs; `init train` and `init bench`: first configs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from egraff_lmp.cli.console import errors, output, print_json
from egraff_lmp.cli.init import bench, train
from egraff_lmp.cli.names import Command as Named
from egraff_lmp.cli.task import Json


def command(
    folder: Annotated[
        Path, typer.Argument(help="Folder to write into; it is made where it does not exist.")
    ],
    structure: Annotated[
        str,
        typer.Option(
            help="File with atoms (extxyz, POSCAR, CIF, LAMMPS data file, npz, what ASE reads), or "
            "SET:PART (gete:test)."
        ),
    ],
    model: Annotated[Path, typer.Option(help="Model file written by `egraff deploy`.")],
    temperature: Annotated[
        float, typer.Option(help="Temperature of the velocities and the thermostat in K.")
    ],
    ensemble: Annotated[str, typer.Option(help="Ensemble: nve, nvt, npt or minimise.")] = "nvt",
    steps: Annotated[int, typer.Option(help="Number of MD steps.")] = 1000,
    timestep_fs: Annotated[float, typer.Option(help="Time step in fs.")] = 1.0,
    ranks: Annotated[int, typer.Option(help="MPI ranks in the job scripts.")] = 1,
    frame: Annotated[
        int, typer.Option(help="Index of the frame in the structure file; -1 is the last one.")
    ] = -1,
    elements: Annotated[
        str | None,
        typer.Option(
            help='Element of each type of a LAMMPS data file that does not say it, as "Ge Te".'
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite files that exist already.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write data file, deck and job scripts with one order of elements.

    `egraff init train DATA` and `egraff init bench DATA` write first configs of a training and of
    a benchmark; see `egraff init train --help`.
    """
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
        elements=None if elements is None else elements.split(),
        force=force,
    )
    if project.warning:
        text = f"egraff: warning: {project.warning}"
        errors.print(text, style="yellow", highlight=False, markup=False, soft_wrap=True)
    if as_json:
        named = ("folder", "files", "elements", "n_atoms", "command")
        print_json({name: getattr(project, name) for name in named})
        return
    types = ", ".join(f"{index} {element}" for index, element in enumerate(project.elements, 1))
    lines = [f"{project.n_atoms} atoms; types: {types}", *map(str, project.files)]
    lines.append(f"next: {project.command}")
    output.print("\n".join(lines), soft_wrap=True, highlight=False, markup=False)


class Command(Named):
    """`egraff init FOLDER`, which hands `egraff init train ...` and `... bench ...` over.

    A folder may have these names, too: what has a --structure is a simulation.
    """

    @property
    def others(self) -> dict[str, Any]:
        """The commands behind this one, by their names."""
        found = {}
        for name, module in (("train", train), ("bench", bench)):
            app = typer.Typer(rich_markup_mode=None, add_completion=False)
            app.command(name, cls=Named)(module.command)
            found[name] = typer.main.get_command(app)
        return found

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """The context of the command that is meant."""
        simulation = any(word.partition("=")[0] == "--structure" for word in args)
        other = None if simulation or not args else self.others.get(args[0])
        if other is None:
            return super().make_context(info_name, args, parent=parent, **extra)
        return other.make_context(f"{info_name} {args[0]}", args[1:], parent=parent, **extra)
