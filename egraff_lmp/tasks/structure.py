"""A structure with a deployed file as its calculator, and structures as files."""

from __future__ import annotations

from pathlib import Path

from ase import Atoms
from ase.constraints import constrained_indices
from ase.io import write
from ase.io.formats import UnknownFileTypeError

from egraff_lmp.calculator import EgraffCalculator
from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import atomic_path


def atoms_of(frames: Frames, index: int = -1) -> Atoms:
    """One frame as `ase.Atoms`, without its labels.

    Args:
        frames: of one composition.
        index: of the frame; negative from the end.

    Raises:
        EgraffError: there is no such frame.
    """
    if not -len(frames) <= index < len(frames):
        raise EgraffError(
            f"{frames.source}: expected a frame from {-len(frames)} to {len(frames) - 1}, got "
            f"{index}."
        )
    return Atoms(frames.species, frames.positions[index], cell=frames.cell[index], pbc=frames.pbc)


def with_model(atoms: Atoms, model: str | Path) -> Atoms:
    """The atoms with a deployed file as their calculator.

    Raises:
        EgraffError: not a deployed file, or an element that it does not know.
    """
    calculator = EgraffCalculator(model)
    calculator.model.check_species(atoms.get_chemical_symbols())
    atoms.calc = calculator
    return atoms


def n_held(atoms: Atoms) -> int:
    """How many atoms have a constraint."""
    return len(constrained_indices(atoms))


def require_crystal(atoms: Atoms, task: str) -> None:
    """Refuse what has no volume.

    Raises:
        EgraffError: not periodic in three directions, or a cell without a volume.
    """
    if not atoms.pbc.all() or not atoms.cell.rank == 3:
        raise EgraffError(
            f"{task}: expected a crystal, periodic in three directions, got pbc "
            f"{atoms.pbc.tolist()} and a cell of rank {atoms.cell.rank}: its volume is needed."
        )


def write_structure(path: Path, images: Atoms | list[Atoms]) -> None:
    """Write a file in the format that its name says, whole or not at all.

    Raises:
        EgraffError: ASE knows no such format.
    """
    with atomic_path(path) as temporary:
        named = temporary.with_name(f"{temporary.name}{path.suffix}")
        try:
            write(named, images)
            named.replace(temporary)
        except (UnknownFileTypeError, ValueError) as error:
            raise EgraffError(
                f"{path}: expected a name in a format that ASE writes, such as .extxyz, .cif or "
                f".vasp ({error})."
            ) from None
        finally:
            named.unlink(missing_ok=True)
