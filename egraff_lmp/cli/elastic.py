"""`egraff elastic`: elastic constants."""

from __future__ import annotations

from typing import Annotated

import typer

from egraff_lmp.cli.task import Frame, Json, Model, StructureFile, finish, load, print_record, say

# Above what relaxed cells keep: a bound of 0.01 eV/A leaves a few hundredths of it.
STRESSED_GPA = 0.5


def command(
    model: Model,
    structure: StructureFile,
    strain: Annotated[float, typer.Option(help="Largest strain.")] = 0.01,
    fixed: Annotated[
        bool, typer.Option("--fixed", help="Strain positions only, without relaxing them.")
    ] = False,
    frame: Frame = -1,
    as_json: Json = False,
) -> None:
    """Print the elastic constants of a crystal in GPa, from stresses of strained cells.

    The structure should be relaxed with its cell (`egraff relax --cell`). Exit status 1 if a
    relaxation did not converge; the result is printed all the same.
    """
    from egraff_lmp.tasks.elastic import elastic_constants

    atoms = load(model, structure, frame, held=False)
    found = elastic_constants(atoms, strain=strain, relaxed=not fixed)
    if as_json:
        print_record(found, n_atoms=len(atoms))
        finish(found.converged)
        return
    rows = [" ".join(f"{value:8.1f}" for value in row) for row in found.stiffness_gpa]
    say(
        "elastic constants in GPa (xx yy zz yz xz xy)",
        *rows,
        f"bulk modulus {found.bulk_modulus_gpa:.1f} GPa, shear modulus "
        f"{found.shear_modulus_gpa:.1f} GPa (Voigt)",
        "The crystal is stable against strain."
        if found.stable
        else "The crystal is unstable against a strain: an eigenvalue is not positive.",
        f"The structure given is under a stress of up to {found.largest_stress_gpa:.1f} GPa, and "
        "these are constants of the stressed crystal: begin with `egraff relax --cell`."
        if found.largest_stress_gpa > STRESSED_GPA
        else None,
    )
    finish(found.converged)
