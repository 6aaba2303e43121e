"""LAMMPS data files (atom style atomic, or full) with one element order and no digit lost.

ASE's own writer converts masses between unit systems, which changes their tenth digit, and drops
shears below 1e-4; here every number is written as it is, with 17 significant digits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers
from ase.units import fs
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.data.lammps_data import elements_of_types
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import write_text
from egraff_lmp.rollout.box import LammpsBox, lammps_box


@dataclass(frozen=True)
class Structure:
    """One configuration of atoms.

    Attributes:
        species: element of each atom, length N.
        positions: (N, 3) in A.
        cell: (3, 3) in A, rows are lattice vectors; zeros where there is none.
        pbc: periodicity along the three lattice vectors.
        velocities: (N, 3) in A/fs, or None.
        source: where it comes from, for messages.
    """

    species: tuple[str, ...]
    positions: NDArray[np.float64]
    cell: NDArray[np.float64]
    pbc: tuple[bool, bool, bool]
    velocities: NDArray[np.float64] | None
    source: str

    @classmethod
    def from_frames(cls, frames: Frames, index: int = -1) -> Structure:
        """Frame `index` (negative: from the end) of `frames`; they hold no velocities."""
        if not -len(frames) <= index < len(frames):
            raise EgraffError(
                f"{frames.source}: expected a frame from {-len(frames)} to {len(frames) - 1}, "
                f"got {index}."
            )
        return cls(
            frames.species,
            frames.positions[index],
            frames.cell[index],
            frames.pbc,
            None,
            f"{frames.source}, frame {index % len(frames)}",
        )

    @classmethod
    def from_atoms(cls, atoms: Atoms, source: str = "the structure") -> Structure:
        """An `ase.Atoms`, with its velocities if it has momenta."""
        velocities = atoms.get_velocities() * fs if atoms.has("momenta") else None
        return cls(
            tuple(atoms.get_chemical_symbols()),
            np.asarray(atoms.positions, dtype=np.float64),
            np.asarray(atoms.cell, dtype=np.float64),
            (bool(atoms.pbc[0]), bool(atoms.pbc[1]), bool(atoms.pbc[2])),
            velocities,
            source,
        )

    def box(self) -> LammpsBox:
        """Its box in LAMMPS' frame."""
        return lammps_box(self.cell, self.pbc, self.positions, self.source)


@dataclass(frozen=True)
class Topology:
    """What atom style full tells of atoms beside their types; every bond and angle has type 1.

    Attributes:
        molecules: (N,) number of each atom's molecule, from 1.
        charges: (N,) in e.
        bonds: (B, 2) numbers of atoms, from 1.
        angles: (A, 3) numbers of atoms, from 1; the second one is the vertex.
    """

    molecules: NDArray[np.int64]
    charges: NDArray[np.float64]
    bonds: NDArray[np.int64]
    angles: NDArray[np.int64]


def type_order(present: Sequence[str], known: Sequence[str] | None, source: str) -> tuple[str, ...]:
    """Element of each LAMMPS type: the elements present, in the order of the model's species.

    Args:
        present: elements of the atoms, any order, repeated or not.
        known: the model's species; None orders alphabetically.
        source: names the structure in messages.

    Raises:
        EgraffError: an element that the model does not know.
    """
    elements = set(present)
    if known is None:
        return tuple(sorted(elements))
    unknown = sorted(elements - set(known))
    if unknown:
        raise EgraffError(
            f"{source}: expected elements that the model knows ({' '.join(known)}), got "
            f"{' '.join(unknown)} as well: choose another model or another structure."
        )
    return tuple(element for element in known if element in elements)


def data_text(
    structure: Structure,
    elements: Sequence[str],
    *,
    masses_amu: Mapping[str, float] | None = None,
    triclinic: bool | None = None,
    topology: Topology | None = None,
) -> str:
    """Text of a LAMMPS data file (units metal, atom style atomic, ids 1..N in order).

    Args:
        structure: the atoms; velocities are written if it has them.
        elements: element of each LAMMPS type, in type order.
        masses_amu: mass of each element; None takes ASE's standard masses.
        triclinic: whether the box is written with tilts; None decides by the cell.
        topology: molecules, charges, bonds and angles, which make it atom style full.

    Raises:
        EgraffError: an atom whose element is not in `elements`.
    """
    box = structure.box()
    types = type_indices(structure.species, elements, structure.source)
    skewed = box.is_triclinic if triclinic is None else triclinic
    lines = [
        f"{structure.source.splitlines()[0]} (egraff_lmp; elements {' '.join(elements)})",
        "",
        f"{len(types)} atoms",
        f"{len(elements)} atom types",
        *_bonded_counts(topology),
        "",
    ]
    for axis, name in enumerate("xyz"):
        low = box.origin[axis]
        high = low + box.matrix[axis, axis]
        lines.append(f"{low:.17g} {high:.17g} {name}lo {name}hi")
    if skewed:
        lines.append(" ".join(f"{tilt:.17g}" for tilt in box.tilts) + " xy xz yz")
    lines += ["", "Masses", ""]
    lines += [
        f"{index} {_mass(element, masses_amu):.17g} # {element}"
        for index, element in enumerate(elements, 1)
    ]
    lines += ["", "Atoms # atomic" if topology is None else "Atoms # full", ""]
    heads = [f"{kind}" for kind in types]
    if topology is not None:
        columns = zip(topology.molecules, types, topology.charges, strict=True)
        heads = [f"{molecule} {kind} {charge:.17g}" for molecule, kind, charge in columns]
    lines += [
        f"{index} {head} {x:.17g} {y:.17g} {z:.17g}"
        for index, (head, (x, y, z)) in enumerate(
            zip(heads, box.to_lammps(structure.positions), strict=True), 1
        )
    ]
    if structure.velocities is not None:
        lines += ["", "Velocities", ""]
        # metal units: A/ps
        velocities = box.to_lammps(structure.velocities * 1000.0)
        lines += [f"{i} {x:.17g} {y:.17g} {z:.17g}" for i, (x, y, z) in enumerate(velocities, 1)]
    if topology is not None:
        for title, rows in (("Bonds", topology.bonds), ("Angles", topology.angles)):
            lines += ["", title, ""]
            lines += [f"{i} 1 {' '.join(map(str, row))}" for i, row in enumerate(rows, 1)]
    return "\n".join(lines) + "\n"


def _bonded_counts(topology: Topology | None) -> list[str]:
    if topology is None:
        return []
    counts = {"bond": len(topology.bonds), "angle": len(topology.angles)}
    return [line for name, n in counts.items() for line in (f"{n} {name}s", f"1 {name} types")]


def write_data_file(
    path: str | Path,
    structure: Structure,
    elements: Sequence[str],
    *,
    masses_amu: Mapping[str, float] | None = None,
    triclinic: bool | None = None,
) -> None:
    """Write `data_text` to `path` atomically."""
    write_text(path, data_text(structure, elements, masses_amu=masses_amu, triclinic=triclinic))


def type_indices(species: Sequence[str], elements: Sequence[str], source: str) -> list[int]:
    """LAMMPS type (from 1) of each atom.

    Raises:
        EgraffError: an atom whose element is not in `elements`.
    """
    index = {element: position for position, element in enumerate(elements, 1)}
    missing = sorted(set(species) - set(index))
    if missing:
        raise EgraffError(
            f"{source}: expected elements out of {' '.join(elements)}, got {' '.join(missing)}."
        )
    return [index[element] for element in species]


def elements_of_data_file(path: str | Path) -> tuple[str, ...]:
    """Element of each type from the section Masses ("1 72.63 # Ge"), comments first.

    Raises:
        EgraffError: no such file, or a type whose comment and mass are those of no element.
    """
    path = Path(path)
    if not path.is_file():
        raise EgraffError(f"{path}: expected a LAMMPS data file, there is none: check the path.")
    return elements_of_types(path)


def _mass(element: str, masses_amu: Mapping[str, float] | None) -> float:
    if masses_amu is not None and element in masses_amu:
        return float(masses_amu[element])
    if element not in atomic_numbers:
        raise EgraffError(f"expected chemical elements, got '{element}'.")
    return float(atomic_masses[atomic_numbers[element]])
