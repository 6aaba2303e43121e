"""The `.npy` dictionaries of Fu et al.: water and alanine dipeptide from classical simulations.

A dictionary of arrays, pickled into an npy file. Only arrays are unpickled here: a file that names
anything else is refused before it runs.

    positions under `unwrapped_coords`, `wrapped_coords` or `pos` (T, N, 3) A
    elements under `atom_types` or `atomic_number` (N,)
    forces under `forces` or `force` (T, N, 3) kcal/mol/A, energies under `energy` (T,) kcal/mol
    `lengths` (3,) or (T, 3) A and `angles` of 90 degrees: a rectangular periodic cell
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from ase.units import kcal, mol
from numpy.typing import NDArray

from egraff_lmp.data.arrays import npy_header
from egraff_lmp.data.frames import Frames
from egraff_lmp.data.npz import species_of
from egraff_lmp.errors import EgraffError

_POSITIONS = ("unwrapped_coords", "pos", "wrapped_coords")
_NUMBERS = ("atom_types", "atomic_number")
_FORCES = ("forces", "force")
# What a pickled dictionary of arrays may name; numpy 1 and 2 call their module differently.
_HARMLESS = {
    ("multiarray", "_reconstruct"),
    ("multiarray", "scalar"),
    ("numeric", "_frombuffer"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


def is_dictionary(path: Path) -> bool:
    """Whether `path` is an npy file that holds one Python object."""
    if not (path.is_file() and path.suffix == ".npy"):
        return False
    try:
        with open(path, "rb") as stream:
            shape, dtype = npy_header(stream)
    except (ValueError, OSError):
        return False
    return shape == () and dtype.hasobject


def read_dictionary(path: Path) -> Frames:
    """Frames of a dictionary of arrays.

    Raises:
        EgraffError: a damaged file, objects other than arrays, missing or misshapen arrays, or a
            cell that is not rectangular.
    """
    arrays = _load(path)
    names = ", ".join(sorted(map(str, arrays))) or "nothing"
    positions = _first(arrays, _POSITIONS)
    numbers = _first(arrays, _NUMBERS)
    if positions is None or numbers is None:
        raise EgraffError(
            f"{path}: expected positions ({' or '.join(_POSITIONS)}) and elements "
            f"({' or '.join(_NUMBERS)}), got {names}: convert it by hand."
        )
    unit = kcal / mol
    positions = np.asarray(positions, dtype=np.float64)
    energy, forces = arrays.get("energy"), _first(arrays, _FORCES)
    cell = _cell(path, arrays, len(positions))
    periodic = cell is not None
    return Frames(
        species=species_of(np.asarray(numbers), path),
        positions=positions,
        cell=np.zeros((len(positions), 3, 3)) if cell is None else cell,
        pbc=(periodic, periodic, periodic),
        energy=None if energy is None else unit * np.asarray(energy, np.float64).reshape(-1),
        forces=None if forces is None else unit * np.asarray(forces, np.float64),
        timestep_fs=None,
        source=str(path),
    )


def _cell(path: Path, arrays: dict[str, Any], n_frames: int) -> NDArray[np.float64] | None:
    if arrays.get("lengths") is None:
        return None
    angles = np.asarray(arrays.get("angles", 90.0), dtype=np.float64)
    if not np.allclose(angles, 90.0):
        raise EgraffError(f"{path}: expected angles of 90 degrees, got {angles.reshape(-1)[:3]}.")
    lengths = np.asarray(arrays["lengths"], dtype=np.float64)
    if lengths.shape not in ((3,), (1, 3), (n_frames, 3)):
        raise EgraffError(f"{path}: expected lengths (3,) or (frames, 3), got {lengths.shape}.")
    return np.broadcast_to(lengths, (n_frames, 3))[:, :, None] * np.eye(3)


def _first(arrays: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((arrays[name] for name in names if arrays.get(name) is not None), None)


def _load(path: Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as stream:
            npy_header(stream)
            value = _ArraysOnly(stream).load()
        if isinstance(value, np.ndarray) and value.shape == ():
            value = value.item()
    except EgraffError as error:
        raise EgraffError(f"{path}: {error}") from None
    except Exception as error:  # a damaged pickle raises what it likes
        raise EgraffError(
            f"{path}: expected a dictionary of arrays, got a damaged file "
            f"({type(error).__name__}: {error}): fetch it again."
        ) from None
    if not isinstance(value, dict):
        raise EgraffError(f"{path}: expected a dictionary of arrays, got {type(value).__name__}.")
    return value


class _ArraysOnly(pickle.Unpickler):
    """Unpickles arrays and built-in containers, and refuses everything that could run code."""

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "numpy" and (module.split(".")[-1], name) in _HARMLESS:
            return super().find_class(module.replace("numpy._core", "numpy.core"), name)
        raise EgraffError(
            f"expected arrays alone, got {module}.{name}, which could run code: do not open it."
        )
