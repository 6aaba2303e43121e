"""`egraff neb`: the way of least energy between two structures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from egraff_lmp.cli.task import (
    Json,
    Model,
    Plot,
    held_words,
    load,
    other_than,
    picture_format,
    print_record,
    say,
    writable,
)  # fmt: skip


def command(
    model: Model,
    first: Annotated[str, typer.Argument(help="Relaxed structure that the way begins at.")],
    last: Annotated[
        str, typer.Argument(help="Relaxed structure that it ends at, with the same order of atoms.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File of the images, in the format of its name.")
    ] = Path("neb.extxyz"),
    images: Annotated[int, typer.Option(help="Number of images with both ends.")] = 7,
    fmax: Annotated[float, typer.Option(help="Bound on the force across the band in eV/A.")] = 0.05,
    max_steps: Annotated[int, typer.Option(min=0, help="Most steps of the optimiser.")] = 500,
    no_climb: Annotated[
        bool, typer.Option("--no-climb", help="Let no image climb to the saddle point.")
    ] = False,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Find a barrier by the nudged elastic band (ASE, improved tangent, climbing image).

    Exit status 1 if the band did not converge; the last images are written all the same.
    """
    from egraff_lmp.tasks.neb import draw_path, nudged_elastic_band
    from egraff_lmp.tasks.structure import write_structure

    writable(out)
    other_than(out, first, last, model)
    kind = picture_format(plot)
    ends = load(model, first, -1, held=True), load(model, last, -1, held=True)
    found = nudged_elastic_band(
        *ends, n_images=images, fmax=fmax, max_steps=max_steps, climb=not no_climb
    )
    write_structure(out, found.images)
    if plot is not None:
        draw_path(found, plot, kind)
    if as_json:
        print_record(found, out=str(out))
    else:
        state = "converged" if found.converged else "not converged"
        say(
            f"{state} in {found.steps} steps: barrier {found.barrier_ev:.4f} eV, from the other "
            f"side {found.back_ev:.4f} eV",
            "energies of the images in eV: " + " ".join(f"{e:.4f}" for e in found.energies_ev),
            held_words(ends[0]),
            out,
            plot,
        )
    if not found.converged:
        raise typer.Exit(1)
