"""What commands share: options, the structure of a task, the result of a task as JSON."""

from __future__ import annotations

import logging
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from egraff_lmp.cli.console import output, print_json
from egraff_lmp.errors import EgraffError

if TYPE_CHECKING:
    from ase import Atoms

logger = logging.getLogger(__name__)

Model = Annotated[Path, typer.Argument(help="File written by `egraff deploy`.")]
StructureFile = Annotated[
    str, typer.Argument(help="File that egraff or ASE reads, or SET:PART such as gete:test.")
]
Frame = Annotated[int, typer.Option(help="Index of the frame in the file; -1 is the last one.")]
Plot = Annotated[Path | None, typer.Option(help="Write a picture to this PNG, PDF or SVG file.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else.")]

Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A key of the config and its value, such as seed=3 or a dotted key of a section, in "
        "place of the file's; the option may be repeated.",
    ),
]


def load(model: Path, structure: str, frame: int, *, held: bool) -> Atoms:
    """The structure with the model as its calculator; see `tasks.structure`.

    Args:
        model: the deployed file.
        structure: file, or SET:PART.
        frame: index in it.
        held: whether the atoms that the file fixes stay where they are; else a warning says that
            they do not.
    """
    from egraff_lmp.data.table import constraints_of_source, read_source
    from egraff_lmp.tasks.structure import atoms_of, with_model

    atoms = atoms_of(read_source(structure), frame)
    constraints = constraints_of_source(structure, frame)
    if held:
        atoms.set_constraint(constraints)
    elif constraints:
        logger.warning("%s: the atoms that it fixes are not held fixed here.", structure)
    return with_model(atoms, model)


def held_words(atoms: Atoms) -> str | None:
    """How many atoms are held; None for none."""
    from egraff_lmp.tasks.structure import n_held

    n = n_held(atoms)
    return f"the file holds {n} of {len(atoms)} atoms fixed, wholly or in part" if n else None


def other_than(out: Path, *inputs: str | Path) -> None:
    """Refuse to write over what is read, before the work.

    Raises:
        EgraffError: `out` is one of the inputs.
    """
    for path in map(Path, inputs):
        if out.exists() and path.exists() and out.samefile(path):
            raise EgraffError(
                f"{out}: expected another file than the one that is read, which would be lost: "
                "choose a name with --out."
            )


def writable(*paths: Path | None) -> None:
    """Refuse, before the work, files that cannot be written; None is no file."""
    from egraff_lmp.fileio import require_writable

    for path in paths:
        if path is not None:
            require_writable(path.absolute().parent)


def picture_format(path: Path | None) -> str:
    """Of a picture that is asked for, checked before the work; "png" without one."""
    from egraff_lmp.fileio import picture_format as named

    writable(path)
    return "png" if path is None else named(path)


def print_record(found: Any, **more: Any) -> None:
    """A record's numbers as JSON, without the structures in it."""
    named = {field.name: getattr(found, field.name) for field in fields(found)}
    print_json({**more, **{name: value for name, value in named.items() if _is_plain(value)}})


def say(*lines: str | Path | None) -> None:
    """Lines of text or paths, as they are; None is left out."""
    text = "\n".join(str(line) for line in lines if line is not None)
    output.print(text, soft_wrap=True, highlight=False, markup=False)


def finish(converged: bool) -> None:
    """Exit with status 1, and say why, where a relaxation inside of a task did not converge."""
    if not converged:
        logger.warning(
            "A relaxation of positions did not reach its bound: the result is not that of relaxed "
            "positions; begin with `egraff relax`, or take --fixed."
        )
        raise typer.Exit(1)


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    # Arrays have a dtype, structures have none.
    return hasattr(value, "dtype") or isinstance(value, bool | int | float | str | None)
