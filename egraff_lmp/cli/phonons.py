"""`egraff phonons`: frequencies of a crystal."""

from __future__ import annotations

from typing import Annotated

import typer

from egraff_lmp.cli.task import (
    Frame,
    Json,
    Model,
    Plot,
    StructureFile,
    load,
    picture_format,
    print_record,
    say,
)  # fmt: skip


def command(
    model: Model,
    structure: StructureFile,
    supercell: Annotated[
        tuple[int, int, int] | None,
        typer.Option(help="Repetitions of the cell; by default every side is at least 10 A long."),
    ] = None,
    displacement: Annotated[float, typer.Option(help="Displacement of an atom in A.")] = 0.01,
    plot: Plot = None,
    frame: Frame = -1,
    as_json: Json = False,
) -> None:
    """Compute phonons by finite displacements (phonopy), and draw the bands with --plot.

    The structure should be relaxed with its cell (`egraff relax --cell`).
    """
    from egraff_lmp.tasks.phonons import draw_bands, phonons

    kind = picture_format(plot)
    atoms = load(model, structure, frame, held=False)
    found = phonons(atoms, supercell=supercell, displacement=displacement)
    if plot is not None:
        draw_bands(found, plot, kind)
    if as_json:
        print_record(found, n_atoms=len(atoms))
        return
    say(
        f"{found.n_displacements} displacements in a supercell of "
        f"{' x '.join(map(str, found.supercell))}",
        f"frequencies from {found.lowest_thz:.2f} to {found.largest_thz:.2f} THz"
        + ("" if found.stable else ": imaginary ones (below 0), so that this is no minimum"),
        f"zero-point energy {found.zero_point_ev / len(atoms):.5f} eV/atom; at 300 K free energy "
        f"{found.free_energy_300_kelvin_ev / len(atoms):.5f} eV/atom and heat capacity "
        f"{found.heat_capacity_300_kelvin_kb / len(atoms):.3f} k_B/atom",
        plot,
    )
