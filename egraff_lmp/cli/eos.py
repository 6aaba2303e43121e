"""`egraff eos`: energy over volume."""

from __future__ import annotations

from typing import Annotated

import typer

from egraff_lmp.cli.task import (
    Frame,
    Json,
    Model,
    Plot,
    StructureFile,
    finish,
    load,
    picture_format,
    print_record,
    say,
)  # fmt: skip


def command(
    model: Model,
    structure: StructureFile,
    strain: Annotated[float, typer.Option(help="Largest change of lengths, as a share.")] = 0.06,
    points: Annotated[int, typer.Option(help="Number of volumes, at least 5.")] = 11,
    fixed: Annotated[
        bool, typer.Option("--fixed", help="Scale positions only, without relaxing them.")
    ] = False,
    plot: Plot = None,
    frame: Frame = -1,
    as_json: Json = False,
) -> None:
    """Fit the equation of state of a crystal (Birch and Murnaghan, third order).

    Exit status 1 if a relaxation did not converge; the result is printed all the same.
    """
    from egraff_lmp.tasks.eos import draw_equation, equation_of_state

    kind = picture_format(plot)
    atoms = load(model, structure, frame, held=True)
    found = equation_of_state(atoms, strain=strain, points=points, relaxed=not fixed)
    if plot is not None:
        draw_equation(found, len(atoms), plot, kind)
    if as_json:
        print_record(found, n_atoms=len(atoms))
        finish(found.converged)
        return
    edge = None
    if not found.inside:
        edge = (
            "The minimum lies outside of the volumes: these are extrapolations; start from `egraff "
            "relax --cell`, or take a larger --strain."
        )
    say(
        f"volume {found.volume_angstrom3 / len(atoms):.4f} A^3/atom, energy "
        f"{found.energy_ev / len(atoms):.6f} eV/atom, bulk modulus "
        f"{found.bulk_modulus_gpa:.1f} GPa",
        f"lengths are {found.length_factor:.5f} of those given; the fit is off by "
        f"{1000 * found.residual_ev / len(atoms):.2g} meV/atom (root mean square)",
        edge,
        plot,
    )
    finish(found.converged)
