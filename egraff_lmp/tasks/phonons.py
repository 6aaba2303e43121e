"""Phonons of a crystal by finite displacements (phonopy)."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.cell import Cell
from numpy.typing import NDArray

from egraff_lmp.errors import EgraffError, require
from egraff_lmp.fileio import atomic_path
from egraff_lmp.tasks.structure import require_crystal

# Acoustic branches at Gamma are 0; noise of forces in float32 leaves a few hundredths of THz.
IMAGINARY_THZ = 0.1
SHORTEST_ANGSTROM = 10.0
MESH_ANGSTROM = 30.0  # phonopy: points of the mesh times lengths of the cell


@dataclass(frozen=True)
class Phonons:
    """Frequencies of a crystal.

    Attributes:
        supercell: how often the cell was repeated.
        n_displacements: supercells that were evaluated.
        way: distance along the path of high symmetry (ase) in 1/A, (q,).
        frequencies_thz: there, (q, branches).
        points: distances of the points of high symmetry, (p,).
        labels: names of these points.
        largest_thz: frequency on the mesh.
        lowest_thz: on the mesh; negative where it is imaginary.
        stable: whether no frequency is imaginary beyond `IMAGINARY_THZ`.
        zero_point_ev: energy of the cell.
        free_energy_300_kelvin_ev: vibrational free energy of the cell at 300 K.
        heat_capacity_300_kelvin_kb: of the cell at 300 K, in k_B; 3 N classically.
    """

    supercell: tuple[int, int, int]
    n_displacements: int
    way: NDArray[np.float64]
    frequencies_thz: NDArray[np.float64]
    points: NDArray[np.float64]
    labels: tuple[str, ...]
    largest_thz: float
    lowest_thz: float
    stable: bool
    zero_point_ev: float
    free_energy_300_kelvin_ev: float
    heat_capacity_300_kelvin_kb: float


def phonons(
    atoms: Atoms, *, supercell: tuple[int, int, int] | None = None, displacement: float = 0.01
) -> Phonons:
    """Displace atoms of a supercell, and take forces to frequencies.

    The structure should be relaxed: of another the frequencies are those of no minimum.

    Args:
        atoms: a crystal with a calculator, and with its masses.
        supercell: repetitions; None makes every side at least `SHORTEST_ANGSTROM` long.
        displacement: of an atom in A.

    Raises:
        EgraffError: no crystal, left-handed lattice vectors, isotopes of one element, or phonopy
            is not there.
    """
    require_crystal(atoms, "phonons")
    _require_one_mass(atoms)
    if np.linalg.det(np.asarray(atoms.cell)) < 0:
        # spglib, which phonopy asks for the symmetry, knows no others.
        raise EgraffError(
            "phonons: expected right-handed lattice vectors, got left-handed ones: swap two of "
            "them, with the order of the repetitions."
        )
    try:
        from phonopy import Phonopy
        from phonopy.structure.atoms import PhonopyAtoms
    except ImportError:
        raise require("phonopy", "tasks") from None
    if supercell is None:
        x, y, z = (math.ceil(SHORTEST_ANGSTROM / length) for length in atoms.cell.lengths())
        supercell = (x, y, z)
    if min(supercell) < 1:
        raise EgraffError(f"phonons: expected repetitions of 1 and more, got {supercell}.")
    cell = PhonopyAtoms(
        symbols=atoms.get_chemical_symbols(),
        cell=np.asarray(atoms.cell),
        scaled_positions=atoms.get_scaled_positions(),
        masses=atoms.get_masses(),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the primitive cell is found, which is meant
        worker: Any = Phonopy(cell, supercell_matrix=np.diag(supercell), primitive_matrix="auto")
    worker.generate_displacements(distance=displacement)
    displaced = worker.supercells_with_displacements
    worker.forces = [_forces(each, atoms.calc) for each in displaced]
    worker.produce_force_constants()
    worker.symmetrize_force_constants()
    path = Cell(worker.primitive.cell).bandpath(npoints=240)
    way, points, labels = path.get_linear_kpoint_axis()
    worker.run_qpoints(path.kpts)
    bands = np.asarray(worker.qpoints.frequencies)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a mesh that keeps the symmetry in place of another
        worker.run_mesh(MESH_ANGSTROM)
    every = np.asarray(worker.mesh.frequencies)
    worker.run_thermal_properties(t_min=0, t_max=300, t_step=300, exclude_gamma_acoustic=True)
    thermal = worker.thermal_properties
    share = len(atoms) / len(worker.primitive)  # phonopy counts the primitive cell
    kj_per_mol, kb = units.kJ / units.mol, units.kB / (units.J / units.mol)
    return Phonons(
        supercell=supercell,
        n_displacements=len(displaced),
        way=np.asarray(way),
        frequencies_thz=bands,
        points=np.asarray(points),
        labels=tuple(labels),
        largest_thz=float(every.max()),
        lowest_thz=float(every.min()),
        stable=bool(every.min() > -IMAGINARY_THZ),
        zero_point_ev=float(thermal.free_energy[0]) * kj_per_mol * share,
        free_energy_300_kelvin_ev=float(thermal.free_energy[1]) * kj_per_mol * share,
        heat_capacity_300_kelvin_kb=float(thermal.heat_capacity[1]) / kb * share,
    )


def _require_one_mass(atoms: Atoms) -> None:
    """Refuse atoms that differ by their masses alone: they are alike in the primitive cell.

    Raises:
        EgraffError: an element has several masses.
    """
    masses = atoms.get_masses()
    for element in sorted(set(atoms.get_chemical_symbols())):
        mine = masses[atoms.symbols == element]
        if np.ptp(mine) > 0:
            raise EgraffError(
                f"phonons: expected one mass for each element, got {mine.min():g} to "
                f"{mine.max():g} amu for {element}: give all its atoms one mass."
            )


def draw_bands(found: Phonons, path: Path, kind: str) -> None:
    """Write the band structure along the path of high symmetry to a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    axis.plot(found.way, found.frequencies_thz, color="C0", lw=1)
    for point in found.points:
        axis.axvline(point, color="0.85", lw=0.8, zorder=0)
    axis.axhline(0, color="0.6", lw=0.8, zorder=0)
    axis.set_xlim(found.way[0], found.way[-1])
    names: dict[float, str] = {}  # two at one place where the path leaps
    for point, name in zip(found.points, found.labels, strict=True):
        before = names.get(float(point))
        names[float(point)] = name if before is None else f"{before}|{name}"
    axis.set_xticks(list(names), [name.replace("G", "Γ") for name in names.values()])
    axis.set_ylabel("frequency, THz")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150, format=kind)


def _forces(supercell: Any, calculator: Any) -> NDArray[np.float64]:
    atoms = Atoms(
        supercell.symbols,
        scaled_positions=supercell.scaled_positions,
        cell=supercell.cell,
        pbc=True,
    )
    atoms.calc = calculator
    return np.asarray(atoms.get_forces(), dtype=np.float64)
