"""Archives with the array names of the MD17 publications: R, z, and E and F where there are any.

    R (T, N, 3) A, z (N,), E (T,) or (T, 1), F (T, N, 3)

The published files are in kcal/mol and say so in `e_unit`, or carry a `theory`; the copies that
Fu et al. made for their training keep the four names but are in eV. No periodicity.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase.units import kcal, mol
from numpy.typing import NDArray

from egraff_lmp.data.arrays import npz_names
from egraff_lmp.data.frames import Frames
from egraff_lmp.data.npz import load_arrays, species_of
from egraff_lmp.errors import EgraffError


def is_published_npz(path: Path) -> bool:
    """Whether `path` is an archive with the arrays R and z."""
    return path.is_file() and path.suffix == ".npz" and {"R", "z"} <= npz_names(path)


def read_published_npz(path: Path) -> Frames:
    """Frames of an archive with R, z, E, F.

    Raises:
        EgraffError: a damaged archive, wrong shapes, or units that are not known here.
    """
    arrays = load_arrays(path)
    positions = np.asarray(arrays["R"], dtype=np.float64)
    if positions.ndim != 3 or positions.shape[2] != 3:
        raise EgraffError(f"{path}: expected R of shape (frames, atoms, 3), got {positions.shape}.")
    scale = _energy_unit_ev(path, arrays)
    length = _text(arrays.get("r_unit"))
    if length not in ("", "Ang", "A", "Angstrom"):
        raise EgraffError(f"{path}: expected R in Angstrom, got the unit '{length}'.")
    energy, forces = arrays.get("E"), arrays.get("F")
    return Frames(
        species=species_of(np.asarray(arrays["z"]), path),
        positions=positions,
        cell=np.zeros((len(positions), 3, 3)),
        pbc=(False, False, False),
        energy=None if energy is None else scale * np.asarray(energy, np.float64).reshape(-1),
        forces=None if forces is None else scale * np.asarray(forces, np.float64),
        timestep_fs=None,
        source=str(path),
    )


def _energy_unit_ev(path: Path, arrays: dict[str, NDArray]) -> float:
    unit = _text(arrays.get("e_unit"))
    if unit == "kcal/mol" or (not unit and "theory" in arrays):
        return float(kcal / mol)
    if unit in ("", "eV"):
        return 1.0
    raise EgraffError(f"{path}: expected energies in kcal/mol or eV, got '{unit}'.")


def _text(value: NDArray | None) -> str:
    if value is None or not value.size:
        return ""
    item = value.reshape(-1)[0]
    return item.decode() if isinstance(item, bytes) else str(item)
