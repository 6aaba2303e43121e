"""CP2K molecular dynamics: PROJECT-pos-1.xyz, with forces and cell in the files beside it.

    PROJECT-pos-1.xyz   positions in A; the comment line has `i =`, `time =` (fs), `E =` (hartree)
    PROJECT-frc-1.xyz   forces in hartree/bohr, if they were printed
    PROJECT-1.cell      cell vectors of each step in A, if they were printed; else the cell of
    PROJECT-1.restart   which stays as it is (NVE, NVT)

ASE reads CP2K's restart files; for the trajectories it has no reader of energies and forces.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.units import Bohr, Hartree
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError

_POSITIONS = "-pos-1.xyz"
_NUMBER = r"([-+]?\d+\.?\d*(?:[EeDd][-+]?\d+)?)"
_SAME_STRIDE_FS = 1e-6  # times are printed with three decimals or more


def is_cp2k(path: Path) -> bool:
    """Whether `path` is named as CP2K names its trajectories."""
    return path.is_file() and path.name.endswith(_POSITIONS)


@dataclass(frozen=True)
class _Blocks:
    species: tuple[str, ...]
    values: NDArray[np.float64]
    steps: list[int]
    times_fs: list[float | None]
    energies: list[float | None]


def read_cp2k(path: Path) -> Frames:
    """Frames of PROJECT-pos-1.xyz and its companions.

    The time step is set where all frames are equally far apart in time.

    Raises:
        EgraffError: a cut-off file, files of different steps, or no cell.
    """
    positions = _xyz(path)
    project = path.name[: -len(_POSITIONS)]
    force_file = path.with_name(f"{project}-frc-1.xyz")
    forces = None
    if force_file.is_file():
        blocks = _xyz(force_file)
        if blocks.steps != positions.steps or blocks.species != positions.species:
            raise EgraffError(
                f"{force_file}: expected the steps and atoms of {path.name}, got others: print "
                "positions and forces with the same EACH."
            )
        forces = blocks.values * (Hartree / Bohr)
    energies = [value for value in positions.energies if value is not None]
    complete = len(energies) == len(positions.energies)
    cell = _cells(path, project, positions.steps)
    periodic = bool(cell.any())
    return Frames(
        species=positions.species,
        positions=positions.values,
        cell=cell,
        pbc=(periodic, periodic, periodic),
        energy=np.array(energies) * Hartree if complete else None,
        forces=forces,
        timestep_fs=_stride(positions.times_fs),
        source=str(path),
    )


def _xyz(path: Path) -> _Blocks:
    lines = path.read_text(encoding="utf-8").splitlines()
    species: tuple[str, ...] = ()
    values: list[NDArray[np.float64]] = []
    steps: list[int] = []
    times: list[float | None] = []
    energies: list[float | None] = []
    start = 0
    while start < len(lines) and lines[start].strip():
        try:
            n_atoms = int(lines[start])
            words = [line.split() for line in lines[start + 2 : start + 2 + n_atoms]]
            block = np.array([[float(word) for word in row[1:4]] for row in words])
            names = tuple(row[0] for row in words)
            if block.shape != (n_atoms, 3):
                raise ValueError("cut off")
        except (ValueError, IndexError) as error:
            raise EgraffError(
                f"{path}: expected whole XYZ frames, got a damaged one at line {start + 1} "
                f"({error}): remove it."
            ) from None
        if species and names != species:
            raise EgraffError(f"{path}: expected the same atoms in every frame, got others.")
        species = names
        comment = lines[start + 1]
        step = _value(comment, "i")
        steps.append(len(steps) if step is None else int(step))
        times.append(_value(comment, "time"))
        energies.append(_value(comment, "E"))
        values.append(block)
        start += 2 + n_atoms
    if not values:
        raise EgraffError(f"{path}: expected at least one frame, got none.")
    return _Blocks(species, np.stack(values), steps, times, energies)


def _value(comment: str, name: str) -> float | None:
    found = re.search(rf"(?<!\w){name}\s*=\s*{_NUMBER}", comment)
    return float(found.group(1).replace("D", "E").replace("d", "e")) if found else None


def _cells(path: Path, project: str, steps: list[int]) -> NDArray[np.float64]:
    file = path.with_name(f"{project}-1.cell")
    if file.is_file():
        try:
            rows = np.loadtxt(file, ndmin=2)
            known = {int(row[0]): row[2:11].reshape(3, 3) for row in rows}
            return np.stack([known[step] for step in steps])
        except (ValueError, IndexError, KeyError) as error:
            raise EgraffError(
                f"{file}: expected a row of step, time and nine components for every frame of "
                f"{path.name} ({error}): print them with the same EACH."
            ) from None
    restart = path.with_name(f"{project}-1.restart")
    if not restart.is_file():
        raise EgraffError(
            f"{path}: expected the cell in {file.name} or {restart.name} beside it, got neither: "
            "copy one of them too."
        )
    from ase.io import read

    try:
        atoms = read(restart, format="cp2k-restart", parallel=False)
        cell = np.asarray(atoms.cell, dtype=np.float64)  # type: ignore[union-attr]
    except Exception as error:  # ASE's readers raise what they like
        raise EgraffError(f"{restart}: expected a CP2K restart file ({error}).") from None
    return np.broadcast_to(cell, (len(steps), 3, 3)).copy()


def _stride(times: list[float | None]) -> float | None:
    known = [time for time in times if time is not None]
    gaps = np.diff(known)
    if len(known) != len(times) or not gaps.size:
        return None
    stride = float(gaps.mean())
    return stride if stride > 0 and np.ptp(gaps) <= 1e-3 * stride + _SAME_STRIDE_FS else None
