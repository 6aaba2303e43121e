"""`egraff relax`: the nearest minimum of a structure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from egraff_lmp.cli.task import (
    Frame,
    Json,
    Model,
    StructureFile,
    held_words,
    load,
    other_than,
    print_record,
    say,
    writable,
)  # fmt: skip
from egraff_lmp.errors import EgraffError


def command(
    model: Model,
    structure: StructureFile,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File to write, in the format of its name.")
    ] = Path("relaxed.extxyz"),
    cell: Annotated[bool, typer.Option("--cell", help="Relax the cell, too.")] = False,
    pressure: Annotated[float, typer.Option(help="External pressure in GPa, with --cell.")] = 0.0,
    fmax: Annotated[float, typer.Option(help="Bound on the force of an atom in eV/A.")] = 0.01,
    max_steps: Annotated[int, typer.Option(min=0, help="Most steps of the optimiser.")] = 500,
    frame: Frame = -1,
    as_json: Json = False,
) -> None:
    """Relax positions, and with --cell the cell, by L-BFGS in ASE.

    Atoms that the file fixes (selective dynamics, move_mask) stay where they are in the cell.
    Exit status 1 if the forces did not fall below --fmax; the last structure is written all the
    same.
    """
    from egraff_lmp.tasks.relax import relax
    from egraff_lmp.tasks.structure import write_structure

    if pressure and not cell:
        raise EgraffError("--pressure: expected --cell with it, since only a cell feels pressure.")
    writable(out)
    other_than(out, structure, model)
    atoms = load(model, structure, frame, held=True)
    found = relax(atoms, fmax=fmax, max_steps=max_steps, cell=cell, pressure_gpa=pressure)
    write_structure(out, found.atoms)
    if as_json:
        print_record(found, n_atoms=len(atoms), out=str(out))
    else:
        change = ""
        if cell:
            change = (
                f"; volume {found.volume_before_angstrom3:.3f} to {found.volume_angstrom3:.3f} A^3"
            )
        state = "relaxed" if found.converged else "not relaxed"
        say(
            f"{state} in {found.steps} steps: largest force "
            f"{found.largest_force_ev_per_angstrom:.4f} eV/A, energy {found.energy_before_ev:.6f} "
            f"to {found.energy_ev:.6f} eV{change}; an atom moved by at most "
            f"{found.largest_move_angstrom:.3f} A",
            held_words(atoms),
            out,
        )
    if not found.converged:
        raise typer.Exit(1)
