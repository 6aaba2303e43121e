"""The `npz` archives of MDBENCHGNN: one composition, arrays named as NequIP's npz data sets name
them.

    pos (T, N, 3) A, energy (T,) or (T, 1) eV, forces (T, N, 3) eV/A,
    cell (3, 3) or (T, 3, 3) A, pbc (3,), atomic_numbers (N,) or (T, N) with equal rows

`cell` and `pbc` may be missing (no cell, not periodic), `energy` and `forces` too; `stress`
(T, 3, 3) eV/A^3 is read where there is one.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from egraff_lmp.data.arrays import load_npz
from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError

REQUIRED = ("pos", "atomic_numbers")


def is_npz(path: Path) -> bool:
    """Whether `path` is a file that ends in .npz."""
    return path.is_file() and path.suffix == ".npz"


def read_npz(path: Path) -> Frames:
    """Frames of an MDBENCHGNN archive.

    Raises:
        EgraffError: no archive, a missing array, a wrong shape, pickled objects.
    """
    arrays = load_arrays(path)
    missing = [name for name in REQUIRED if name not in arrays]
    if missing:
        raise EgraffError(
            f"{path}: expected the arrays pos, energy, forces, cell, pbc and atomic_numbers; "
            f"{' and '.join(missing)} missing, got {', '.join(sorted(arrays)) or 'none'}: "
            "rename the arrays (lengths in A, energies in eV)."
        )
    positions = np.asarray(arrays["pos"], dtype=np.float64)
    if positions.ndim != 3 or positions.shape[2] != 3:
        raise EgraffError(
            f"{path}: expected pos of shape (frames, atoms, 3), got {positions.shape}."
        )
    n_frames = positions.shape[0]
    return Frames(
        species=species_of(arrays["atomic_numbers"], path),
        positions=positions,
        cell=_cell(arrays.get("cell"), n_frames, path),
        pbc=_pbc(arrays.get("pbc"), path),
        energy=_energy(arrays.get("energy"), path),
        forces=None if "forces" not in arrays else np.asarray(arrays["forces"], dtype=np.float64),
        stress=None if "stress" not in arrays else np.asarray(arrays["stress"], dtype=np.float64),
        timestep_fs=None,
        source=str(path),
    )


def load_arrays(path: Path) -> dict[str, NDArray]:
    """Arrays of an archive by name; nothing is unpickled.

    Raises:
        EgraffError: a damaged archive, or pickled objects.
    """
    try:
        return load_npz(path)
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise EgraffError(
            f"{path}: expected an npz archive, got a damaged file ({error}): copy it again."
        ) from None
    except ValueError as error:
        raise EgraffError(
            f"{path}: expected an npz archive of plain arrays, got pickled objects or something "
            f"else ({error}): unpickling runs code, so save plain numeric arrays with np.savez."
        ) from None


def species_of(numbers: NDArray, path: Path) -> tuple[str, ...]:
    """Elements of atomic numbers (N,), or (T, N) with equal rows.

    Raises:
        EgraffError: several compositions, or numbers that are no element's.
    """
    if numbers.ndim == 2:
        if (numbers != numbers[0]).any():
            raise EgraffError(
                f"{path}: expected the same atomic_numbers in every frame, got several "
                "compositions: save one file per composition."
            )
        numbers = numbers[0]
    if numbers.ndim != 1:
        raise EgraffError(f"{path}: expected atomic_numbers (atoms,), got {numbers.shape}.")
    wrong = sorted({int(z) for z in numbers if not 1 <= z < len(chemical_symbols)})
    if wrong:
        raise EgraffError(f"{path}: expected atomic numbers from 1 to 118, got {wrong}.")
    return tuple(chemical_symbols[int(z)] for z in numbers)


def _cell(cell: NDArray | None, n_frames: int, path: Path) -> NDArray[np.float64]:
    if cell is None:
        return np.zeros((n_frames, 3, 3))
    cell = np.asarray(cell, dtype=np.float64)
    if cell.shape == (3, 3):
        return np.broadcast_to(cell, (n_frames, 3, 3)).copy()
    if cell.shape != (n_frames, 3, 3):
        raise EgraffError(
            f"{path}: expected cell of shape (3, 3) or ({n_frames}, 3, 3), got {cell.shape}."
        )
    return cell


def _pbc(pbc: NDArray | None, path: Path) -> tuple[bool, bool, bool]:
    if pbc is None:
        return (False, False, False)
    rows = np.asarray(pbc, dtype=bool).reshape(-1, 3) if pbc.size % 3 == 0 else None
    if rows is None or not rows.size or (rows != rows[0]).any():
        raise EgraffError(f"{path}: expected pbc of shape (3,), got {pbc.tolist()}.")
    return (bool(rows[0, 0]), bool(rows[0, 1]), bool(rows[0, 2]))


def _energy(energy: NDArray | None, path: Path) -> NDArray[np.float64] | None:
    if energy is None:
        return None
    if energy.ndim not in (1, 2) or (energy.ndim == 2 and energy.shape[1] != 1):
        raise EgraffError(
            f"{path}: expected energy of shape (frames,) or (frames, 1), got {energy.shape}."
        )
    return np.asarray(energy, dtype=np.float64).reshape(len(energy))
