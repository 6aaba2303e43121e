"""`egraff inspect`: what a deployed file says about itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from egraff_lmp.cli.console import output, print_json
from egraff_lmp.cli.task import Json, Model


def command(model: Model, as_json: Json = False) -> None:
    """Print the contract of a deployed model: species, cutoff, training, citations.

    Only the contract is read: the network is a TorchScript program, which runs when it is loaded,
    and is not loaded here. Compare the SHA-256 with what its author states before you run it.
    """
    from egraff_lmp.contract import read_contract
    from egraff_lmp.contract.describe import describe
    from egraff_lmp.fileio import sha256_file

    if as_json:
        print_json(contract_values(model))
        return
    contract = read_contract(model)
    output.print(describe(contract, str(model), sha256_file(model)))


def contract_values(model: Path) -> dict[str, Any]:
    """What a deployed file says of itself, with its path and SHA-256, as plain values."""
    from egraff_lmp.contract import read_contract
    from egraff_lmp.fileio import sha256_file

    contract = json.loads(read_contract(model).to_json())
    return {"file": str(model), "sha256": sha256_file(model), **contract}
