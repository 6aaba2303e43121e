"""`egraff init train`: a first config of a training."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from egraff_lmp.cli.console import log_once, output, print_json
from egraff_lmp.cli.task import Json


def command(
    data: Annotated[
        list[str],
        typer.Argument(help="Training frames: files that egraff or ASE reads, or SET:PART."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Config to write.")] = Path("train.yaml"),
    settings: Annotated[
        str, typer.Option(help="Shipped settings to build on (see `egraff config list`).")
    ] = "mace-small",
    validation: Annotated[
        list[str] | None,
        typer.Option(
            help="Validation frames; by default a tenth of the training frames is split off."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    as_json: Json = False,
) -> None:
    """Write a commented config for `egraff train` from labelled frames.

    Cutoff, split and loss follow from the frames, which are read and checked as a training does.
    """
    from egraff_lmp.train.first_config import write_first_config

    log_once()
    found = write_first_config(
        out, data, settings=settings, validation=validation or (), force=force
    )
    following = f"egraff train {shlex.quote(str(out))}"
    if as_json:
        print_json({"file": out, **asdict(found), "command": following})
        return
    lines = [
        f"{found.systems}; elements {' '.join(found.elements)}; r_max "
        f"{found.r_max_angstrom:g} A, {found.n_neighbours:.0f} neighbours within it",
        str(out),
        f"next: {following}",
    ]
    output.print("\n".join(lines), soft_wrap=True, highlight=False, markup=False)
