"""Known crystals by their elements: one row each, with the source of its lattice constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_numbers, reference_states
from ase.spacegroup import crystal

ELEMENTAL = "N. W. Ashcroft and N. D. Mermin, Solid State Physics (1976), as ase.data has it"
_SIMPLE = ("fcc", "bcc", "hcp", "diamond", "sc")
_NOT_SIMPLE = ("Te", "Se", "Po")  # ASE's table has an approximation of their chains


@dataclass(frozen=True)
class Prototype:
    """A crystal.

    Attributes:
        name: such as "rhombohedral GeTe".
        formula: of the unit; rows of one formula are compared in energy.
        elements: that a model must know.
        build: makes its cell.
        source: of the lattice constants; "" where they are only a start.
        ground: whether it is the stable one of its formula at low temperature.
    """

    name: str
    formula: str
    elements: tuple[str, ...]
    build: Callable[[], Atoms]
    source: str
    ground: bool = True


def _fcc_pair(first: str, second: str, edge: float, angle: float, shift: float) -> Atoms:
    """Two face-centred lattices, shifted along the diagonal of a (rhombohedral) cube."""
    sites = np.array([(0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)])
    return Atoms(
        [first] * 4 + [second] * 4,
        scaled_positions=np.concatenate([sites, sites + shift]),
        cell=[edge] * 3 + [angle] * 3,
        pbc=True,
    )


COMPOUNDS = (
    Prototype(
        "rhombohedral GeTe",
        "GeTe",
        ("Ge", "Te"),
        # Ge at x x x and Te at -x -x -x with x = 0.237: they are 2 x apart along the diagonal.
        lambda: _fcc_pair("Ge", "Te", 5.996, 88.18, 0.474),
        "J. Goldak et al., J. Chem. Phys. 44, 3323 (1966)",
    ),
    Prototype(
        "rocksalt GeTe",
        "GeTe",
        ("Ge", "Te"),
        lambda: _fcc_pair("Ge", "Te", 5.996, 90.0, 0.5),
        "",
        ground=False,
    ),
    Prototype(
        "trigonal Te",
        "Te",
        ("Te",),
        lambda: crystal(
            ["Te"], [(0.2633, 0, 1 / 3)], spacegroup=152,
            cellpar=[4.4572, 4.4572, 5.9290, 90, 90, 120],
        ),
        "P. Cherin and P. Unger, Acta Cryst. 23, 670 (1967)",
    ),
    Prototype(
        "antifluorite Li2S",
        "Li2S",
        ("Li", "S"),
        lambda: crystal(
            ("S", "Li"), [(0, 0, 0), (0.25, 0.25, 0.25)], spacegroup=225,
            cellpar=[5.71] * 3 + [90] * 3,
        ),
        "E. Zintl et al., Z. Elektrochem. 40, 588 (1934)",
    ),
    Prototype(
        "hexagonal Li3P",
        "Li3P",
        ("Li", "P"),
        lambda: crystal(
            ("P", "Li", "Li"),
            [(1 / 3, 2 / 3, 0.25), (0, 0, 0.25), (1 / 3, 2 / 3, 0.583)],
            spacegroup=194,
            cellpar=[4.264, 4.264, 7.579, 90, 90, 120],
        ),
        "G. Brauer and E. Zintl, Z. Phys. Chem. B 37, 323 (1937)",
    ),
)  # fmt: skip


def prototypes(species: Sequence[str]) -> tuple[Prototype, ...]:
    """The rows whose elements a model knows: elements first, those that are simple."""
    found = [_elemental(element) for element in species]
    return (
        *(row for row in found if row is not None),
        *(row for row in COMPOUNDS if set(row.elements) <= set(species)),
    )


def _elemental(element: str) -> Prototype | None:
    state = reference_states[atomic_numbers[element]]
    if state is None or state["symmetry"] not in _SIMPLE or element in _NOT_SIMPLE:
        return None
    name = f"{state['symmetry']} {element}"
    return Prototype(name, element, (element,), lambda: bulk(element), ELEMENTAL)
