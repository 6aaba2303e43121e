"""`egraff data make`: the sets of "Forces are not enough" from their reference force fields."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from egraff_lmp.cli.console import errors, output, print_json
from egraff_lmp.cli.task import Json
from egraff_lmp.errors import EgraffError

if TYPE_CHECKING:
    from egraff_lmp.references.plan import Maker, Plan

_OF_WATER = ("molecules", "density", "pressure_ps", "ranks")


def command(
    data_set: Annotated[str, typer.Argument(help="water or alanine_dipeptide.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Data folder, in which the set lies at made/SET [default: EGRAFF_DATA, else the "
            "one of `egraff data list`].",
        ),
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(help="Frames of the trajectory [default: the paper's 100000, 50000]."),
    ] = None,
    stride_fs: Annotated[
        float | None,
        typer.Option(help="Time between frames in fs [default: the paper's 10, 2000]."),
    ] = None,
    n_train: Annotated[
        int | None, typer.Option(help="Frames to train on [default: 950, 38000].")
    ] = None,
    n_validation: Annotated[
        int | None, typer.Option(help="Frames to validate on [default: 50, 2000].")
    ] = None,
    n_test: Annotated[int | None, typer.Option(help="Frames to test on [default: 10000].")] = None,
    split: Annotated[
        str,
        typer.Option(
            help="shuffled (as in the paper) draws the parts at random; contiguous takes blocks "
            "of time."
        ),
    ] = "shuffled",
    temperature: Annotated[float, typer.Option(help="Temperature in K.")] = 300.0,
    timestep_fs: Annotated[float, typer.Option(help="Time step in fs.")] = 1.0,
    equilibration_ps: Annotated[
        float | None,
        typer.Option(help="Time before the first frame in ps [default: 50, 100]."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.")] = 1,
    molecules: Annotated[
        int | None, typer.Option(help="Of water: molecules in the cell [default: 64].")
    ] = None,
    density: Annotated[
        float | None,
        typer.Option(help="Of water: density in g/cm^3 [default: its mean at 1 atm]."),
    ] = None,
    pressure_ps: Annotated[
        float | None,
        typer.Option(help="Of water: time at 1 atm for the density in ps [default: 200]."),
    ] = None,
    ranks: Annotated[
        int | None, typer.Option(help="Of water: MPI ranks of LAMMPS [default: 1].")
    ] = None,
    solvent: Annotated[
        str | None,
        typer.Option(help="Of the peptide: implicit or vacuum [default: implicit]."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a data set with its reference force field; a repeated command goes on.

    Liquid water (SPC/Fw) is made by LAMMPS, alanine dipeptide (AMBER-03) by OpenMM, which
    `pip install openmm` brings. Writes trajectory, train, val and test, with a README.md and a
    metadata.json that say how they were made.
    """
    from egraff_lmp.data.entry import data_root
    from egraff_lmp.references import alanine, water

    papers = {"water": water.PAPER, alanine.KEY: alanine.PAPER}
    if data_set not in papers:
        raise EgraffError(
            f"expected a set that can be made ({', '.join(papers)}), got '{data_set}': "
            "`egraff data fetch` brings published ones."
        )
    paper = papers[data_set]
    asked = zip((n_train, n_validation, n_test), paper.sizes, strict=True)
    train, validation, test = (size if n is None else n for n, size in asked)
    settle = paper.equilibration_ps if equilibration_ps is None else equilibration_ps
    plan = replace(
        paper,
        frames=paper.frames if frames is None else frames,
        stride_fs=paper.stride_fs if stride_fs is None else stride_fs,
        equilibration_ps=settle,
        timestep_fs=timestep_fs,
        temperature_kelvin=temperature,
        sizes=(train, validation, test),
        method=split,
        seed=seed,
    )
    of_water = dict(zip(_OF_WATER, (molecules, density, pressure_ps, ranks), strict=True))
    maker = _maker(data_set, {k: v for k, v in of_water.items() if v is not None}, solvent)
    _make(maker, plan, (data_root() if out is None else out) / "made" / data_set, as_json)


def _maker(data_set: str, of_water: dict[str, Any], solvent: str | None) -> Maker:
    from egraff_lmp.references.alanine import Alanine
    from egraff_lmp.references.water import Water

    if data_set == "water":
        if solvent is not None:
            raise EgraffError("expected no --solvent for water, which is one: leave it out.")
        return Water(**of_water)
    if of_water:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in of_water)
        raise EgraffError(f"expected no option of water for {data_set}, got {names}: leave it out.")
    return Alanine() if solvent is None else Alanine(solvent)


def _make(maker: Maker, plan: Plan, folder: Path, as_json: bool) -> None:
    from egraff_lmp.references.make import make_set

    with errors.status("") as status:

        def progress(done: int, total: int) -> None:
            status.update(f"{maker.title}: segment {done + 1} of {total}")

        status.update(f"{maker.title}: equilibration")
        made = make_set(maker, plan, folder, progress)
    if as_json:
        print_json({"folder": str(made.folder), **made.metadata})
        return
    state = "made" if made.fresh else "was here"
    output.print(f"{made.folder}: {state}", highlight=False, markup=False, soft_wrap=True)
    for name, file in made.metadata["files"].items():
        line = f"  {name + '.npz':<15} {file['n_frames']:>7} frames, SHA-256 {file['sha256']}"
        output.print(line, highlight=False, markup=False, soft_wrap=True)
    for name, value in made.metadata["facts"].items():
        output.print(f"  {name}: {value:.6g}", highlight=False, markup=False)
