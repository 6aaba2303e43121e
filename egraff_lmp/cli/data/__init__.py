"""`egraff data`: the data sets of the benchmark, one file per command."""

from __future__ import annotations

import typer

from egraff_lmp.cli.data import check, convert, fetch, make, show
from egraff_lmp.cli.data import list as list_sets
from egraff_lmp.cli.names import Command

app = typer.Typer(
    help=(
        "Data sets: what there is, how to get it, what is wrong with it. Their files lie in the "
        "folder that the environment variable EGRAFF_DATA names; without it in a folder of your "
        "own (on Linux ~/.local/share/egraff_lmp), which `egraff data list` prints."
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
)
for name, module in (
    ("list", list_sets),
    ("show", show),
    ("fetch", fetch),
    ("make", make),
    ("check", check),
    ("convert", convert),
):
    app.command(name, cls=Command)(module.command)
