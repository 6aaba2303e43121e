"""Reading the contract out of a deployed file, and saying what a wrong file is.

A TorchScript file is a zip archive; the contract is one member of it. Reading it needs no torch.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from egraff_lmp.contract.schema import CONTRACT_MEMBER, Contract
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import atomic_path
from egraff_lmp.untrusted import check_element, open_archive, read_text_member

if TYPE_CHECKING:
    import torch

_EXPECTED = "expected a model file written by `egraff deploy`"


def read_contract(path: str | Path) -> Contract:
    """Contract of a deployed file.

    Raises:
        EgraffError: the file is missing, truncated, of another kind, or of a newer schema; the
            message says which, and what to do.
    """
    path = Path(path)
    if path.is_dir():
        raise EgraffError(f"{path}: {_EXPECTED}, got a folder: name the .pt file inside it.")
    if not path.is_file():
        raise EgraffError(f"{path}: {_EXPECTED}, but there is no such file: check the path.")
    with open(path, "rb") as stream:
        return contract_in(stream, path)


def contract_in(stream: IO[bytes], path: Path) -> Contract:
    """Contract of a deployed file that is open, or in memory; `path` names it in messages.

    Raises:
        EgraffError: see `read_contract`; or the file would become too large when unpacked, or its
            contract gives names that are no elements and numbers that no model has.
    """
    try:
        with open_archive(stream, path) as archive:
            members = archive.namelist()
            wanted = [m for m in members if m.endswith(f"/extra/{CONTRACT_MEMBER}")]
            if wanted:
                text = _text(read_text_member(archive, wanted[0], path), path)
                contract = Contract.from_json(text, str(path))
                _check(contract, path)
                return contract
    except zipfile.BadZipFile:
        raise EgraffError(f"{path}: {_EXPECTED}, got {_not_zip(stream)}") from None
    raise EgraffError(f"{path}: {_EXPECTED}, got {_other_zip(members)}")


def save_deployed(module: torch.jit.ScriptModule, contract: Contract, path: str | Path) -> None:
    """Write a scripted network with its contract as one file, atomically."""
    import torch

    with atomic_path(path) as temporary:
        torch.jit.save(module, str(temporary), _extra_files={CONTRACT_MEMBER: contract.to_json()})


def _text(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise EgraffError(
            f"{path}: its contract is no text ({error}): copy the file again, or deploy it again "
            "with `egraff deploy`."
        ) from None


def _check(contract: Contract, path: Path) -> None:
    """What the contract says goes into LAMMPS inputs, and decides what is allocated."""
    for element in contract.species:
        check_element(element, f"{path}: its contract")
    masses = contract.masses_amu
    faults = {
        "species, each once": len(set(contract.species)) == len(contract.species) > 0,
        "a mass above 0 for each of its species": len(masses) == len(contract.species)
        and all(0 < mass < math.inf for mass in masses),
        "a cutoff r_max above 0": 0 < contract.r_max < math.inf,
        "dtype float32 or float64": contract.dtype in ("float32", "float64"),
        "exchange widths above 0": all(width > 0 for width in contract.exchange_widths),
    }
    for what, right in faults.items():
        if not right:
            raise EgraffError(
                f"{path}: its contract should state {what}, and does not: deploy the model again "
                "with `egraff deploy`."
            )


def _not_zip(stream: IO[bytes]) -> str:
    stream.seek(0)
    head = stream.read(4)
    if not head:
        return "an empty file: copy it again or deploy it again."
    if head[:2] == b"PK":
        return "a truncated file (the end of the archive is missing): copy it again."
    if head[:1] == b"\x80":
        return (
            "a Python pickle (a checkpoint or a bare torch.save): turn the checkpoint into a "
            "model file with `egraff deploy CHECKPOINT OUT.pt`."
        )
    return "a file that is no TorchScript archive: deploy a checkpoint with `egraff deploy`."


def _other_zip(members: list[str]) -> str:
    names = [member.split("/", 1)[-1] for member in members]
    if any(name.startswith("code/") for name in names):
        if any(name in ("extra/config", "extra/metadata.json", "extra/r_max") for name in names):
            return (
                "a NequIP or Allegro export (nequip-compile): deploy the .ckpt or .nequip.zip that "
                "it was made from with `egraff deploy FILE OUT.pt` instead, or run it in LAMMPS "
                "with 'pair_style nequip' or 'pair_style allegro'."
            )
        if any(name.startswith("code/__torch__/mace/calculators/lammps_mace") for name in names):
            return (
                "a MACE export (mace_create_lammps_model): deploy the .model that it was made from "
                "with `egraff deploy FILE OUT.pt --trust` instead, or run it in LAMMPS with "
                "'pair_style mace'."
            )
        return (
            "a TorchScript file without an egraff contract (an upstream export): deploy the file "
            "that it was made from (.ckpt, .nequip.zip, MACE .model) with `egraff deploy FILE "
            "OUT.pt` instead."
        )
    if any(name == "data.pkl" for name in names):
        return (
            "a training checkpoint or a MACE .model: turn it into a model file with "
            "`egraff deploy FILE OUT.pt`."
        )
    if any(name.endswith(".nequip.zip") or ".data/" in name for name in names):
        return (
            "a packaged model (nequip-package): turn it into a model file with "
            "`egraff deploy FILE OUT.pt --trust`."
        )
    return "a zip archive of another kind: deploy a checkpoint with `egraff deploy`."
