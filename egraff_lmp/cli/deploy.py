"""`egraff deploy`: a model file for LAMMPS from a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from egraff_lmp.cli.console import output


def command(
    checkpoint: Annotated[Path, typer.Argument(help="best.ckpt written by `egraff train`.")],
    out: Annotated[Path, typer.Argument(help="Model file to write, such as model.pt.")],
    dtype: Annotated[
        str | None, typer.Option(help="float32 or float64. Default: as trained.")
    ] = None,
) -> None:
    """Write the model file that LAMMPS and Python load, from a training checkpoint."""
    from egraff_lmp.train.deploy import deploy

    contract = deploy(checkpoint, out, dtype=dtype)
    elements = " ".join(contract.species)
    output.print(
        f"{out}: {contract.architecture}, {elements}, r_max {contract.r_max:g} A, "
        f"{contract.dtype}, {out.stat().st_size / 2**20:.1f} MiB\n"
        f"next: pair_style egraff; pair_coeff * * {out} {elements}",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )
