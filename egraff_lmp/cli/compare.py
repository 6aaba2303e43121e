"""`egraff compare`: does this file give the same numbers everywhere?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from egraff_lmp.cli.console import output, print_json
from egraff_lmp.cli.task import Json, Plot, StructureFile, picture_format
from egraff_lmp.errors import EgraffError


def command(
    model: Annotated[Path, typer.Argument(help="File written by `egraff deploy`.")],
    structure: StructureFile,
    ranks: Annotated[
        str, typer.Option(help="Numbers of MPI ranks, separated by commas.")
    ] = "1,2,4",
    frame: Annotated[
        int, typer.Option(help="Index of the frame in the file; -1 is the last one.")
    ] = -1,
    launcher: Annotated[
        str | None,
        typer.Option(
            help='Command that starts the ranks, such as "srun -n {ranks}"; mpiexec by default.'
        ),
    ] = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Print the largest differences between Python and LAMMPS, and between numbers of ranks.

    Exits with status 1 if any difference is larger than the network's precision explains. This
    runs the model: a TorchScript file is a program, so compare only files that you trust.
    """
    from egraff_lmp.compare.compare import compare
    from egraff_lmp.compare.picture import draw_comparison
    from egraff_lmp.rollout.source import read_structure

    kind = picture_format(plot)
    counts = rank_counts(ranks)
    comparison = compare(model, read_structure(structure, frame), counts, launcher)
    if plot is not None:
        draw_comparison(comparison, plot, kind)
    if as_json:
        print_json(comparison.to_json())
    else:
        _print(comparison)
        if plot is not None:
            output.print(str(plot), soft_wrap=True, highlight=False, markup=False)
    if not comparison.ok:
        raise typer.Exit(1)


def rank_counts(text: str) -> list[int]:
    """The numbers of ranks in a text such as "1,2,4".

    Raises:
        EgraffError: it is none.
    """
    try:
        counts = [int(word) for word in text.split(",")]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise EgraffError(f"expected rank counts such as 1,2,4 for --ranks, got '{text}'.")
    return counts


def _print(comparison) -> None:  # type: ignore[no-untyped-def]
    from rich.table import Table

    output.print(
        f"{comparison.model} ({comparison.dtype}, sha256 {comparison.sha256[:12]}) on "
        f"{comparison.structure}, {comparison.n_atoms} atoms",
        highlight=False,
        markup=False,
    )
    # No word or number is broken from 60 columns on.
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("largest\ndifference", no_wrap=True)
    for name in ("energy\neV/atom", "forces\neV/A", "virial\neV/atom", "atomic\nenergies eV"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("allowed", justify="right", no_wrap=True)
    atoms = max(1, comparison.n_atoms)
    for item in comparison.differences:
        table.add_row(
            f"{item.first}\n/ {item.second}",
            f"{item.energy_ev / atoms:.1e}",
            f"{item.forces_ev_per_a:.1e}",
            f"{item.virial_ev / atoms:.1e}",
            f"{item.energies_ev:.1e}",
            f"{item.tolerance:.0e}\n{'ok' if item.ok else 'TOO LARGE'}",
        )
    output.print(table)
