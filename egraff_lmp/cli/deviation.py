"""`egraff deviation`: where an ensemble disagrees along a trajectory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from egraff_lmp.cli.console import counting, print_json
from egraff_lmp.cli.task import Json, other_than, say, writable
from egraff_lmp.errors import EgraffError

if TYPE_CHECKING:
    from egraff_lmp.evaluation.deviation import Deviations


def command(
    files: Annotated[
        list[str],
        typer.Argument(
            help="Two or more files written by `egraff deploy`, and then the trajectory: a LAMMPS "
            "dump, or any file that egraff or ASE reads."
        ),
    ],
    select: Annotated[
        int, typer.Option(min=0, help="Number of frames to pick, those of largest deviation.")
    ] = 0,
    gap: Annotated[
        int, typer.Option(min=1, help="Least distance between picked frames, in frames.")
    ] = 10,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File of the picked frames, for labelling.")
    ] = Path("picked.extxyz"),
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write the deviations of each frame to this file.")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Look at every so many frames.")] = 1,
    as_json: Json = False,
) -> None:
    """Print how far models disagree on the frames of a trajectory, and pick frames to label.

    The deviation of an atom is sqrt(mean over models |F - mean F|^2), as that of `pair_style
    egraff`. Exit status 0 however large it is.
    """
    from egraff_lmp.data.table import read_source
    from egraff_lmp.deployed import DeployedModel
    from egraff_lmp.evaluation.deviation import deviations, most_uncertain
    from egraff_lmp.fileio import write_text
    from egraff_lmp.tasks.structure import atoms_of, write_structure

    *models, trajectory = files
    if len(models) < 2:
        raise EgraffError(
            f"expected two or more models and then a trajectory, got {len(models)} model(s): one "
            "model cannot disagree."
        )
    writable(out if select else None, csv_file)
    if select:
        other_than(out, *files)
    members = [DeployedModel(model) for model in models]
    frames = read_source(trajectory)
    frames = frames.select(slice(None, None, every))
    with counting("frames") as progress:
        found = deviations(members, frames, progress)
    rows = _rows(found, every)
    if csv_file is not None:
        lines = [",".join(rows[0]), *(",".join(_text(v) for v in row.values()) for row in rows)]
        write_text(csv_file, "\n".join(lines) + "\n")
    picked = [int(t) for t in most_uncertain(found.largest, select, gap)] if select else []
    if select:
        write_structure(out, [atoms_of(frames, t) for t in picked])
    if as_json:
        print_json(
            {
                "models": models,
                "trajectory": trajectory,
                "n_atoms": frames.n_atoms,
                "frames": rows,
                "picked": [t * every for t in picked],
                "out": out if select else None,
            }
        )
        return
    worst = int(found.largest.argmax())
    say(
        f"{len(frames)} frames of {frames.n_atoms} atoms, {len(members)} models",
        f"largest deviation of an atom's force: {found.largest[worst]:.4f} eV/A, atom "
        f"{found.worst_atom[worst] + 1} ({frames.species[found.worst_atom[worst]]}) of frame "
        f"{worst * every}; mean over atoms and frames {found.mean.mean():.4f} eV/A",
        f"deviation of the energy: {1000 * found.energy.mean():.3f} meV/atom on average",
        csv_file,
        f"{out}: frames {', '.join(str(t * every) for t in picked)}, to be labelled"
        if select
        else None,
    )


def _rows(found: Deviations, every: int) -> list[dict[str, int | float]]:
    """A row a frame, as the CSV file and the JSON have it; atoms are counted from 1."""
    columns = zip(found.largest, found.mean, found.energy, found.worst_atom, strict=True)
    return [
        {
            "frame": t * every,
            "largest_ev_per_angstrom": float(largest),
            "mean_ev_per_angstrom": float(mean),
            "energy_ev_per_atom": float(energy),
            "worst_atom": int(worst) + 1,
        }
        for t, (largest, mean, energy, worst) in enumerate(columns)
    ]


def _text(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"
