"""`egraff deploy`: a model file for LAMMPS from a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from egraff_lmp.cli.console import errors, output, print_json
from egraff_lmp.cli.inspect import contract_values
from egraff_lmp.cli.task import Json


def command(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            help="best.ckpt written by `egraff train`, a NequIP or Allegro .ckpt or .nequip.zip, "
            "or a MACE .model."
        ),
    ],
    out: Annotated[Path, typer.Argument(help="Model file to write, such as model.pt.")],
    dtype: Annotated[
        str | None, typer.Option(help="float32 or float64. Default: as trained.")
    ] = None,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="Open a file that runs code when it is opened (MACE .model, .nequip.zip): only "
            "if you trust its author.",
        ),
    ] = False,
    kernels: Annotated[
        bool,
        typer.Option(
            "--kernels/--reference",
            help="Take the network on fused CPU kernels, after it "
            "was found equal to the reference network, or keep the reference network.",
        ),
    ] = True,
    structure: Annotated[
        Path | None,
        typer.Option(
            help="File whose first frame becomes the self test. Default: a frame of the "
            "validation set, or a made one.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the model file that LAMMPS and Python load, from a checkpoint or a native file."""
    from egraff_lmp.contract import KERNELS_UNAVAILABLE
    from egraff_lmp.fileio import require_writable
    from egraff_lmp.train.deploy_file import deploy_file

    require_writable(out.absolute().parent)
    self_test = None
    if structure is not None:
        from egraff_lmp.data.read import read_frames

        self_test = read_frames(structure)
    contract = deploy_file(
        checkpoint, out, dtype=dtype, trust=trust, frame=self_test, kernels=kernels
    )
    if kernels and not contract.operators:
        reason = contract.provenance[KERNELS_UNAVAILABLE]
        errors.print(
            f"{out}: no fused kernels for this model ({reason}); the file holds the reference "
            "network, which is slower and gives the same results.",
            soft_wrap=True,
            highlight=False,
            markup=False,
        )
    if as_json:
        print_json(contract_values(out))
        return
    elements = " ".join(contract.species)
    name = f'"{out}"' if " " in str(out) else out  # as LAMMPS reads a word
    output.print(
        f"{out}: {contract.architecture}, {elements}, r_max {contract.r_max:g} A, "
        f"{contract.dtype}, {out.stat().st_size / 2**20:.1f} MiB\n"
        f"next: pair_style egraff; pair_coeff * * {name} {elements}",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )
