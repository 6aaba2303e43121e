"""`egraff data list`: the registered data sets."""

from __future__ import annotations

import os

from egraff_lmp.cli.console import output, print_json
from egraff_lmp.cli.task import Json

WIDE = 80  # columns from which on the table has titles


def command(
    as_json: Json = False,
) -> None:
    """List the data sets: composition, conditions, and how many of their parts are here."""
    from rich import box
    from rich.table import Table

    from egraff_lmp.data.table import DATA_SETS, DATA_VARIABLE, data_root

    rows = [
        {
            "key": entry.key,
            "title": entry.title,
            "species": list(entry.species),
            "temperature_kelvin": [c.temperature_kelvin for c in entry.conditions],
            "timestep_fs": [c.timestep_fs for c in entry.conditions],
            "parts": list(entry.files),
            "present": [part for part in entry.files if entry.exists(part)],
        }
        for entry in DATA_SETS.values()
    ]
    if as_json:
        print_json({"folder": data_root(), "data_sets": rows})
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    # The key is what is typed: it is never cut. On a narrow terminal there are no titles.
    table.add_column("set", no_wrap=True)
    titled = output.width >= WIDE
    if titled:
        table.add_column("title")
    table.add_column("elements", no_wrap=True)
    for name in ("T / K", "step / fs", "here"):
        table.add_column(name, justify="right", no_wrap=True)
    for row, entry in zip(rows, DATA_SETS.values(), strict=True):
        table.add_row(
            entry.key,
            *([entry.title] if titled else []),
            " ".join(entry.species),
            ", ".join(f"{c.temperature_kelvin:g}" for c in entry.conditions),
            ", ".join(f"{c.timestep_fs:g}" for c in entry.conditions),
            f"{len(row['present'])} of {len(entry.files)}",
        )
    output.print(table)
    chosen = (
        "as EGRAFF_DATA says" if os.environ.get(DATA_VARIABLE) else "set EGRAFF_DATA to change it"
    )
    line = f"folder: {data_root()} ({chosen})"
    output.print(line, highlight=False, markup=False, soft_wrap=True)
