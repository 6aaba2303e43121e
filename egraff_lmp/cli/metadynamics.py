"""`egraff metadynamics`: the free energy of two torsions, of a model or a reference force field."""

from __future__ import annotations

from math import degrees
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from egraff_lmp.cli.console import counting, print_json
from egraff_lmp.cli.task import Json, StructureFile, say
from egraff_lmp.errors import EgraffError

if TYPE_CHECKING:
    from egraff_lmp.metadynamics import Comparison, Driver, Result

BROKE_DOWN = 3  # exit status of a simulation that broke down


def command(
    structure: StructureFile,
    model: Annotated[Path | None, typer.Option(help="File written by `egraff deploy`.")] = None,
    oracle: Annotated[
        str | None,
        typer.Option(
            help="A reference force field in place of a model: alanine_dipeptide or "
            "alanine_dipeptide_vacuum (AMBER-03)."
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the results.")] = Path(
        "metadynamics"
    ),
    against: Annotated[
        Path | None,
        typer.Option(help="Folder of a finished metadynamics that the surface is compared with."),
    ] = None,
    torsion: Annotated[
        list[str] | None,
        typer.Option(
            help="A torsion: phi or psi of alanine dipeptide, or the numbers of four atoms from 1, "
            "such as 2,7,8,9; the option is given twice [default: phi and psi]."
        ),
    ] = None,
    steps: Annotated[int, typer.Option(help="MD steps of each run.")] = 5_000_000,
    runs: Annotated[int, typer.Option(help="Independent runs, from evenly spaced frames.")] = 6,
    temperature: Annotated[float, typer.Option(help="Temperature in K.")] = 300.0,
    timestep_fs: Annotated[float, typer.Option(help="Time step in fs.")] = 1.0,
    friction: Annotated[
        float, typer.Option(help="Friction of the Langevin thermostat in 1/ps.")
    ] = 1.0,
    height: Annotated[float, typer.Option(help="Height of the first hill in kJ/mol.")] = 1.2,
    width: Annotated[float, typer.Option(help="Width (sigma) of a hill in rad.")] = 0.35,
    bias_factor: Annotated[
        float, typer.Option(help="Bias factor (T + dT) / T of the well-tempered scheme.")
    ] = 10.0,
    hill_every: Annotated[int, typer.Option(help="Steps between hills.")] = 1000,
    bins: Annotated[int, typer.Option(help="Bins of the grid along each torsion.")] = 72,
    limit: Annotated[
        float,
        typer.Option(help="Bins below this free energy in the reference are compared, kcal/mol."),
    ] = 6.0,
    seed: Annotated[int, typer.Option(help="Seed of velocities and thermostats.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the model.")] = 1,
    as_json: Json = False,
) -> None:
    """Sample the free energy of two torsions of a molecule by well-tempered metadynamics.

    COLVARS in LAMMPS places the hills, for a model (pair_style egraff) and for a reference force
    field (OpenMM through fix external) alike. Writes metadynamics.json, surfaces.npz and
    surface.png; with --against also comparison.json and comparison.png. Repeating the command
    goes on with what is missing.

    A deployed file is loaded, and a TorchScript file is a program that runs when it is loaded.

    Exit status 3 if a run broke down (a bond, lost atoms, not a number); the others count.
    """
    from egraff_lmp.data.table import read_source
    from egraff_lmp.metadynamics import Settings, read_result, run_metadynamics, torsion_of
    from egraff_lmp.metadynamics.compare import require_comparable
    from egraff_lmp.metadynamics.settings import BACKBONE, KJ_EV

    truth = None if against is None else read_result(against)
    frames = read_source(structure)
    named = torsion or list(BACKBONE)
    if len(named) != 2:
        raise EgraffError(f"expected --torsion twice, got it {len(named)} times.")
    first, second = (torsion_of(one, frames.species, frames.positions[0]) for one in named)
    settings = Settings(
        torsions=(first, second),
        temperature_kelvin=temperature,
        timestep_fs=timestep_fs,
        friction_per_ps=friction,
        height_ev=height * KJ_EV,
        width_degrees=degrees(width),
        bias_factor=bias_factor,
        hill_every=hill_every,
        steps=steps,
        runs=runs,
        seed=seed,
        bins=bins,
    )
    if truth is not None:
        require_comparable(settings, truth, limit)
    driver = _driver(model, oracle, temperature, threads)
    with counting("segments") as progress:
        found = run_metadynamics(frames, driver, settings, out, progress)
    compared = _conclude(found, truth, out, limit)
    if as_json:
        more = None if compared is None else compared.to_json()
        print_json({**found.to_json(), "out": out, "comparison": more})
    else:
        _print(found, compared, out)
    if found.broken:
        raise typer.Exit(BROKE_DOWN)


def _driver(model: Path | None, oracle: str | None, temperature: float, threads: int) -> Driver:
    from egraff_lmp.metadynamics import model_driver, oracle_driver

    if model is not None and oracle is None:
        return model_driver(model, temperature, threads)
    if oracle is not None and model is None:
        return oracle_driver(oracle)
    got = "both" if model is not None else "neither"
    raise EgraffError(f"expected a potential by --model or by --oracle, got {got}.")


def _conclude(found: Result, truth: Result | None, out: Path, limit: float) -> Comparison | None:
    """Draw, and compare where there is something to compare."""
    from egraff_lmp.fileio import write_json
    from egraff_lmp.metadynamics import compare_surfaces
    from egraff_lmp.metadynamics.picture import draw_comparison, draw_surface

    if not len(found.free_energy_kcal):
        return None
    draw_surface(found, out / "surface.png", "png", limit)
    if truth is None:
        return None
    compared = compare_surfaces(found, truth, limit)
    write_json(out / "comparison.json", compared.to_json())
    draw_comparison(found, truth, out / "comparison.png", "png", limit)
    return compared


def _print(found: Result, compared: Comparison | None, out: Path) -> None:
    for number, run in enumerate(found.runs, 1):
        if run.half_time_kcal is None:
            say(
                f"run {number}: broken at {run.time_ps:g} ps: {run.reason}; its surface is not used"
            )
        else:
            say(
                f"run {number}: {run.time_ps:g} ps, {run.bins_visited} of "
                f"{found.settings.bins**2} bins visited; half of the time gives a surface "
                f"{run.half_time_kcal:.2f} kcal/mol off"
            )
    minimum = found.minimum_degrees()
    if minimum is not None:
        say(f"minimum at {minimum[0]:g}, {minimum[1]:g} degrees")
    if found.floor_kcal is not None:
        say(f"runs differ from the mean of the others by {found.floor_kcal:.2f} kcal/mol")
    if compared is not None:
        _print_comparison(compared)
    say(out)


def _print_comparison(found: Comparison) -> None:
    interval = ""
    if found.low_kcal is not None and found.high_kcal is not None:
        interval = f" (95 %: {found.low_kcal:.2f} to {found.high_kcal:.2f})"
    floor = "" if found.floor_kcal is None else f"; the reference's own {found.floor_kcal:.2f}"
    say(
        f"error against {found.reference}: {found.mae_kcal:.2f} kcal/mol{interval}, of the mean "
        f"surface {found.mean_surface_kcal:.2f}{floor}; {found.bins} of {found.bins_in_all} bins, "
        f"those below {found.limit_kcal:g} kcal/mol in the reference, of which "
        f"{found.bins_not_visited} were not visited"
    )
    for one in found.marginals:
        say(f"integral of the error of F({one.torsion}): {one.integral_kj_rad:.1f} kJ/mol rad")
    if found.different_settings:
        say(f"settings that differ from the reference's: {', '.join(found.different_settings)}")
