"""`egraff data convert`: any readable data to the one on-disk form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from egraff_lmp.cli.console import errors, output, print_json
from egraff_lmp.cli.task import Json
from egraff_lmp.errors import EgraffError


def command(
    source: Annotated[str, typer.Argument(help="File or folder, SET:PART, or SET for all of it.")],
    out: Annotated[Path, typer.Argument(help="File to write (.npz); for a SET a folder.")],
    format: Annotated[str | None, typer.Option(help="Format of a file, if not found out.")] = None,
    timestep_fs: Annotated[
        float | None, typer.Option(help="Time between frames in fs, if they are a series.")
    ] = None,
    energy_unit: Annotated[
        str, typer.Option(help="eV, kcal/mol, kJ/mol, hartree or rydberg.")
    ] = "eV",
    length_unit: Annotated[str, typer.Option(help="A, bohr or nm.")] = "A",
    force_unit: Annotated[
        str | None, typer.Option(help="Such as hartree/bohr [default: energy over length].")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    as_json: Json = False,
) -> None:
    """Convert data once: A, eV and float64, with provenance and hashes.

    Reads every format of the package, VASP output (vasprun.xml, OUTCAR) and CP2K trajectories
    (PROJECT-pos-1.xyz with forces and cell beside it) among them. Units matter for files whose
    format does not tell them.
    """
    from egraff_lmp.data.convert import InputUnits, convert_file, convert_part
    from egraff_lmp.data.table import DATA_SETS

    key, _, part = source.partition(":")
    if key not in DATA_SETS:
        units = InputUnits(energy_unit, length_unit, force_unit)
        header = convert_file(
            Path(source).expanduser(),
            out,
            format=format,
            timestep_fs=timestep_fs,
            units=units,
            overwrite=force,
        )
        _say({out: header}, as_json)
        return
    entry = DATA_SETS[key]
    if part:
        _say({out: convert_part(entry, part, out, overwrite=force)}, as_json)
        return
    present = [name for name in entry.files if entry.exists(name)]
    if not present:
        raise EgraffError(
            f"data set {key}: expected at least one of its parts, got none: see "
            f"`egraff data fetch {key}`."
        )
    headers = {}
    for name in entry.files:
        if name not in present:
            errors.print(f"{key}:{name}: not here", style="yellow", highlight=False)
            continue
        file = out / f"{name}.npz"
        headers[file] = convert_part(entry, name, file, overwrite=force)
        if not as_json:  # as they are finished
            _say({file: headers[file]}, as_json)
    if as_json:
        _say(headers, as_json)


def _say(headers: dict[Path, dict[str, Any]], as_json: bool) -> None:
    """Files and their headers: sentences, or a list for programs."""
    if as_json:
        print_json([{"file": path, **header} for path, header in headers.items()])
        return
    for path, header in headers.items():
        output.print(
            f"{path}: {header['n_frames']} frames of {header['n_atoms']} atoms, SHA-256 "
            f"{header['sha256']}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
