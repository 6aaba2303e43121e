"""DeePMD systems: a folder with `type.raw`, `type_map.raw` and one or more `set.*` folders.

Each set holds coord.npy (T, 3 N) A, box.npy (T, 9) A, energy.npy (T,) eV, force.npy (T, 3 N) eV/A
and virial.npy (T, 9) eV, which is minus volume times stress; the older text form has coord.raw,
box.raw and so on beside type.raw. A file `nopbc` in the folder means no periodicity. Energies,
forces and virials may be missing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.arrays import load_npy
from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError


def is_deepmd(path: Path) -> bool:
    """Whether `path` is a folder with `type.raw`."""
    return path.is_dir() and (path / "type.raw").is_file()


def systems_below(path: Path) -> list[Path]:
    """DeePMD systems in the tree below the folder `path`, sorted."""
    return sorted(found.parent for found in path.rglob("type.raw"))


def read_deepmd(path: Path) -> Frames:
    """Frames of one DeePMD system, all its sets in order of their names.

    Raises:
        EgraffError: a missing file, a wrong shape, or the mixed-type layout.
    """
    if not is_deepmd(path):
        raise EgraffError(f"{path}: expected a DeePMD system, a folder with type.raw.")
    species = _species(path)
    sets = sorted(folder for folder in path.glob("set.*") if folder.is_dir())
    if any((folder / "real_atom_types.npy").is_file() for folder in sets):
        raise EgraffError(
            f"{path}: expected one composition, got DeePMD's mixed-type layout: convert it to one "
            "folder per composition (dpdata, format deepmd/npy)."
        )
    parts = [_read_set(folder, ".npy") for folder in sets] or [_read_set(path, ".raw")]
    coord, box, energy, force, virial = (_joined(path, name, parts) for name in _NAMES)
    periodic = not (path / "nopbc").is_file()
    if coord is None or (periodic and box is None):
        raise EgraffError(
            f"{path}: expected coord and box in set.*/*.npy or as *.raw, "
            f"{'coord' if coord is None else 'box'} is missing: name the folder of one system."
        )
    n_atoms, n_frames = len(species), len(coord)
    if coord.size != n_frames * n_atoms * 3:
        raise EgraffError(
            f"{path}: expected coord with {3 * n_atoms} columns for the {n_atoms} atoms of "
            f"type.raw, got {coord.shape[1] if coord.ndim > 1 else coord.shape}."
        )
    cell = _shaped(path, "box", box, (n_frames, 3, 3))
    return Frames(
        species=species,
        positions=coord.reshape(n_frames, n_atoms, 3),
        cell=np.zeros((n_frames, 3, 3)) if cell is None else cell,
        pbc=(periodic, periodic, periodic),
        energy=_shaped(path, "energy", energy, (n_frames,)),
        forces=_shaped(path, "force", force, (n_frames, n_atoms, 3)),
        stress=_stress(_shaped(path, "virial", virial, (n_frames, 3, 3)), cell),
        timestep_fs=None,
        source=str(path),
    )


_NAMES = ("coord", "box", "energy", "force", "virial")


def _stress(
    virial: NDArray[np.float64] | None, cell: NDArray[np.float64] | None
) -> NDArray[np.float64] | None:
    if virial is None or cell is None:
        return None
    return -virial / np.abs(np.linalg.det(cell))[:, None, None]


def _species(path: Path) -> tuple[str, ...]:
    map_file = path / "type_map.raw"
    if not map_file.is_file():
        raise EgraffError(
            f"{path}: expected type_map.raw with the element of each type, it is missing: write "
            "one element a line in the order of the type numbers."
        )
    elements = map_file.read_text().split()
    try:
        types = [int(word) for word in (path / "type.raw").read_text().split()]
    except ValueError as error:
        raise EgraffError(f"{path}/type.raw: expected one integer per atom ({error}).") from None
    wrong = sorted({t for t in types if not 0 <= t < len(elements)})
    if wrong or not types:
        raise EgraffError(
            f"{path}/type.raw: expected types 0 to {len(elements) - 1} ({' '.join(elements)}), "
            f"got {wrong or 'no atoms'}."
        )
    return tuple(elements[t] for t in types)


def _read_set(folder: Path, suffix: str) -> dict[str, NDArray[np.float64]]:
    found: dict[str, NDArray[np.float64]] = {}
    for name in _NAMES:
        file = folder / f"{name}{suffix}"
        if not file.is_file():
            continue
        try:
            raw = load_npy(file) if suffix == ".npy" else _text(file)
            found[name] = np.asarray(raw, dtype=np.float64)
        except (ValueError, EOFError, OSError) as error:
            raise EgraffError(
                f"{file}: expected an array of numbers ({error}): copy the file again."
            ) from None
    return found


def _text(file: Path) -> NDArray[np.float64]:
    return np.loadtxt(file, ndmin=2, dtype=np.float64)


def _joined(
    path: Path, name: str, parts: list[dict[str, NDArray[np.float64]]]
) -> NDArray[np.float64] | None:
    having = [part[name] for part in parts if name in part]
    if having and len(having) != len(parts):
        raise EgraffError(f"{path}: expected {name} in every set.* folder, some lack it.")
    return np.concatenate(having) if having else None


def _shaped(
    path: Path, name: str, array: NDArray[np.float64] | None, shape: tuple[int, ...]
) -> NDArray[np.float64] | None:
    if array is None:
        return None
    if array.size != np.prod(shape) or len(array) != shape[0]:
        raise EgraffError(
            f"{path}: expected {name} that fits {shape} (frames first), got {array.shape}."
        )
    return array.reshape(shape)
