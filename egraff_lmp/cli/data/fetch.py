"""`egraff data fetch`: the files of a data set from their recorded addresses."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from egraff_lmp.cli.console import errors, output, print_json
from egraff_lmp.cli.task import Json
from egraff_lmp.errors import EgraffError


def command(
    wanted: Annotated[
        list[str], typer.Argument(help="SET or SET:PART, such as aspirin or lips20:Li2S.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Data folder [default: EGRAFF_DATA, else the one of `egraff data list`].",
        ),
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(help="Address of a folder with the same layout, in place of the recorded."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Download data sets and verify their checksums; a repeated command goes on.

    Without a part, all published parts that make up the split are fetched.
    """
    from egraff_lmp.data.fetch import fetch_part
    from egraff_lmp.data.table import data_set

    failed = 0
    files: list[dict[str, Any]] = []
    with errors.status("") as status:

        def progress(name: str, done: int, total: int | None) -> None:
            size = "" if total is None else f" of {total / 2**20:.1f}"
            status.update(f"{name}: {done / 2**20:.1f}{size} MiB")

        for word in wanted:
            key, _, part = word.partition(":")
            entry = data_set(key)
            published = [name for name in entry.files if name not in entry.made]
            split = [name for name in published if entry.in_split(name)]
            for name in [part] if part else split or published:
                try:
                    found = fetch_part(entry, name, root=out, mirror=mirror, progress=progress)
                except EgraffError as error:
                    if part and len(wanted) == 1:
                        raise
                    failed += 1
                    text = f"{key}:{name}: {error}"
                    errors.print(text, style="yellow", highlight=False, markup=False)
                    continue
                for file in found:
                    files.append({"part": f"{key}:{name}", **asdict(file)})
                    if as_json:
                        continue
                    state = "fetched" if file.fresh else "was here"
                    proof = "verified" if file.verified else f"no checksum known, {file.sha256}"
                    output.print(
                        f"{file.path}: {state}, {proof}",
                        highlight=False,
                        markup=False,
                        soft_wrap=True,
                    )
    if as_json:
        print_json(files)
    if failed:
        raise typer.Exit(1)
