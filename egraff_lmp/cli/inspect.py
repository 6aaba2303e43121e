"""`egraff inspect`: what a deployed file says about itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from egraff_lmp.cli.console import output


def command(
    file: Annotated[Path, typer.Argument(help="Model file written by `egraff deploy`.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the whole contract as JSON, and nothing else.")
    ] = False,
) -> None:
    """Print the contract of a deployed model: species, cutoff, training, citations.

    Only the contract is read: the network is a TorchScript program, which runs when it is loaded,
    and is not loaded here. Compare the SHA-256 with what its author states before you run it.
    """
    from egraff_lmp.contract import read_contract
    from egraff_lmp.contract.describe import describe
    from egraff_lmp.fileio import sha256_file

    digest = sha256_file(file) if file.is_file() else ""
    contract = read_contract(file)
    if as_json:
        value = {"file": str(file), "sha256": digest, **json.loads(contract.to_json())}
        typer.echo(json.dumps(value, indent=1))
    else:
        output.print(describe(contract, str(file), digest))
