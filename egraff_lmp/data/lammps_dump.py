"""Frames from a LAMMPS `dump custom`, through MDAnalysis.

`lammps_scan` walks through the file first: boxes and steps in double precision come from there,
and so do the complaints about damage that MDAnalysis would read over.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.data.lammps_scan import DUMP_LINE, DumpHeader, open_dump, scan_dump
from egraff_lmp.data.lammps_thermo import THERMO_NAME, read_stress, read_thermo
from egraff_lmp.errors import EgraffError

UNWRAPPED = ("xu", "yu", "zu")
WRAPPED = ("x", "y", "z")
FORCES = ("fx", "fy", "fz")
VELOCITIES = ("vx", "vy", "vz")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DumpedRun:
    """The whole frames of a dump, and what it says of the run besides.

    Attributes:
        frames: up to the first frame with fewer atoms than the first one.
        steps: (T,) MD steps of the frames.
        velocities: (T, N, 3) as dumped (A/ps in metal units), or None.
        lost: (atoms of the first frame, atoms left, step) of the first frame with fewer, or None.
        timestep_fs: MD time step, or None where it is not known.
    """

    frames: Frames
    steps: NDArray[np.int64]
    velocities: NDArray[np.float64] | None
    lost: tuple[int, int, int] | None
    timestep_fs: float | None

    def with_timestep(self, timestep_fs: float) -> DumpedRun:
        """The same with an MD time step that was learnt elsewhere, in fs."""
        step = _frame_step(self.steps, timestep_fs, Path(self.frames.source))
        return replace(self, frames=replace(self.frames, timestep_fs=step), timestep_fs=timestep_fs)


def read_lammps_dump(
    path: str | Path,
    species_by_type: tuple[str, ...] | None = None,
    timestep_fs: float | None = None,
) -> Frames:
    """Frames of a dump with the columns `id type element xu yu zu fx fy fz`, atoms sorted by id.

    MDAnalysis keeps its own positions in float32; the columns are therefore taken from it as
    additional ones, which it keeps in float64, so that the digits written are the digits read.
    A dump has 6 digits unless `dump_modify ... format float %20.15g` says otherwise: good for an
    RDF, not for energies recomputed from it.

    A last frame that is cut short is dropped with a logged warning. Where a resumed run has written
    a step again, the later frame counts.

    Args:
        path: the dump; `thermo.csv` beside it, if there is one, gives the energies by step.
        species_by_type: element of each LAMMPS type, for a dump without an element column.
        timestep_fs: MD time step; if None it is taken from `thermo.csv`, if that is there.

    Returns:
        Frames with coordinates as dumped (unwrapped where the columns are xu yu zu), cell rows of
        zeros along directions that are not periodic, forces if dumped, energies if known (NaN at
        steps without a row), the stress of a rerun of bulk, and the time between frames if steps
        are equally spaced.

    Raises:
        EgraffError: not a dump, missing columns, atoms that change, a damaged frame.
    """
    run = _read(Path(path), species_by_type, timestep_fs, headers=scan_dump(Path(path)))
    return run.frames


def read_dumped_run(path: str | Path, timestep_fs: float | None = None) -> DumpedRun:
    """As `read_lammps_dump`, of a run that may have lost atoms: that is told, and no error.

    Args:
        path: the dump.
        timestep_fs: MD time step; if None it is taken from `thermo.csv`, if that is there.
    """
    path = Path(path)
    headers = _last_of_each_step(scan_dump(path), path)
    n_atoms = headers[0].n_atoms
    fewer = next((k for k, header in enumerate(headers) if header.n_atoms < n_atoms), None)
    run = _read(path, None, timestep_fs, headers=headers[:fewer], velocities=True)
    if fewer is None:
        return run
    return replace(run, lost=(n_atoms, headers[fewer].n_atoms, headers[fewer].step))


def _read(
    path: Path,
    species_by_type: tuple[str, ...] | None,
    timestep_fs: float | None,
    headers: list[DumpHeader],
    velocities: bool = False,
) -> DumpedRun:
    first = headers[0]
    for header in headers[1:]:
        _check_alike(first, header, path)
    coordinates = _coordinate_columns(first, path)
    has_forces = set(FORCES) <= set(first.columns)
    has_velocities = velocities and set(VELOCITIES) <= set(first.columns)
    wanted = ["id", *coordinates, *(FORCES if has_forces else ())]
    wanted += VELOCITIES if has_velocities else ()
    wanted += ["type"] if "type" in first.columns else []
    kept = _last_of_each_step(headers, path)
    data = _read_columns(path, kept, wanted, coordinates)
    for name in ("id", "type"):
        if name in data and (data[name] != data[name][0]).any():
            raise EgraffError(
                f"{path}: expected the same {name}s of atoms in every frame, got others at step "
                f"{kept[int(np.argmax((data[name] != data[name][0]).any(axis=1)))].step}: dump a "
                "fixed group of atoms."
            )
    steps = np.array([header.step for header in kept], dtype=np.int64)
    energy, md_step = _thermo(path, steps, timestep_fs)
    frames = Frames(
        species=_species(path, first, data, species_by_type),
        positions=np.stack([data[name] for name in coordinates], axis=-1),
        cell=np.stack([header.cell for header in kept]),
        pbc=first.pbc,
        energy=energy,
        forces=_vectors(data, FORCES) if has_forces else None,
        timestep_fs=_frame_step(steps, md_step, path),
        source=str(path),
        stress=_stress(path, steps) if all(first.pbc) else None,
    )
    moving = _vectors(data, VELOCITIES) if has_velocities else None
    return DumpedRun(frames, steps, moving, None, md_step)


def _vectors(data: dict[str, NDArray[np.float64]], names: tuple[str, ...]) -> NDArray[np.float64]:
    return np.stack([data[name] for name in names], axis=-1)


def _check_alike(first: DumpHeader, header: DumpHeader, path: Path) -> None:
    for what, expected, got in (
        ("number of atoms", first.n_atoms, header.n_atoms),
        ("columns", " ".join(first.columns), " ".join(header.columns)),
        ("boundaries", first.pbc, header.pbc),
    ):
        if expected != got:
            raise EgraffError(
                f"{path}: expected the {what} of the first frame ({expected}) in every frame, got "
                f"{got} at step {header.step}: frames of one system only can be read; if atoms "
                "were lost, cut the dump before that step."
            )


def _coordinate_columns(header: DumpHeader, path: Path) -> tuple[str, ...]:
    columns = set(header.columns)
    if "id" not in columns or not (columns >= set(UNWRAPPED) or columns >= set(WRAPPED)):
        raise EgraffError(
            f"{path}: expected the columns id and xu yu zu (or x y z), got "
            f"{' '.join(header.columns)}: dump with `{DUMP_LINE}`."
        )
    if columns >= set(UNWRAPPED):
        return UNWRAPPED
    _log.warning("%s: coordinates are wrapped (x y z): no displacements can be had", path)
    return WRAPPED


def _last_of_each_step(headers: list[DumpHeader], path: Path) -> list[DumpHeader]:
    last = {header.step: header for header in headers}
    if len(last) < len(headers):
        _log.warning(
            "%s: %d frames were written again by a resumed run; the later ones count",
            path,
            len(headers) - len(last),
        )
    return [last[step] for step in sorted(last)]


def _read_columns(
    path: Path, headers: list[DumpHeader], wanted: list[str], coordinates: tuple[str, ...]
) -> dict[str, NDArray[np.float64]]:
    """Columns (T, N) of the frames, sorted by id."""
    from MDAnalysis.coordinates.LAMMPS import DumpReader

    data = {name: np.empty((len(headers), headers[0].n_atoms)) for name in wanted}
    convention = "unwrapped" if coordinates == UNWRAPPED else "unscaled"
    step = headers[0].step
    try:
        with DumpReader(
            str(path),
            lammps_coordinate_convention=convention,
            additional_columns=wanted,
            dt=1.0,  # not used, but MDAnalysis warns where it is not told
        ) as reader:
            for row, header in enumerate(headers):
                step = header.step
                timestep = reader[header.number]
                for name in wanted:
                    data[name][row] = timestep.data[name]
    except (ValueError, IndexError) as error:
        raise EgraffError(
            f"{path}: expected {len(headers[0].columns)} values for each atom at step {step}, got "
            f"a damaged line ({error}): remove that frame."
        ) from None
    return data


def _species(
    path: Path,
    header: DumpHeader,
    data: dict[str, NDArray[np.float64]],
    species_by_type: tuple[str, ...] | None,
) -> tuple[str, ...]:
    if species_by_type is None:
        if "element" not in header.columns:
            raise EgraffError(
                f"{path}: expected an element column or the elements by type, got the columns "
                f"{' '.join(header.columns)}: dump with `{DUMP_LINE}` and "
                "`dump_modify d element Ge Te`, or name the elements of the types."
            )
        return _elements(path, header)
    if "type" not in data:
        raise EgraffError(
            f"{path}: expected a type column to go with the elements {species_by_type}, got the "
            f"columns {' '.join(header.columns)}: dump with `{DUMP_LINE}`."
        )
    types = data["type"][0].astype(int)
    if types.max() > len(species_by_type):
        raise EgraffError(
            f"{path}: expected the elements of {types.max()} types, got {len(species_by_type)} "
            f"({' '.join(species_by_type)}): name one element for each LAMMPS type."
        )
    return tuple(species_by_type[kind - 1] for kind in types)


def _elements(path: Path, header: DumpHeader) -> tuple[str, ...]:
    """The element column of the first frame, sorted by id."""
    at_id, at_element = header.columns.index("id"), header.columns.index("element")
    with open_dump(path) as stream:
        for _ in range(9):
            stream.readline()
        rows = [stream.readline().split() for _ in range(header.n_atoms)]
    elements = tuple(row[at_element] for row in sorted(rows, key=lambda row: int(row[at_id])))
    unknown = sorted(set(elements) - set(atomic_numbers))
    if unknown:
        raise EgraffError(
            f"{path}: expected chemical elements in the element column, got {' '.join(unknown)}: "
            "set them with `dump_modify d element ...`."
        )
    return elements


def _thermo(
    path: Path, steps: NDArray[np.int64], timestep_fs: float | None
) -> tuple[NDArray[np.float64] | None, float | None]:
    """Energies (T,) in eV and the MD time step in fs, as far as they are known."""
    side = path.parent / THERMO_NAME
    if not side.is_file():
        return None, timestep_fs
    thermo = read_thermo(side)
    md_step = thermo.timestep_fs() if timestep_fs is None else timestep_fs
    known = np.isin(steps, thermo.step)
    if not known.any():
        _log.warning("%s: holds none of the steps of %s: no energies", side, path.name)
        return None, md_step
    if not known.all():
        _log.warning("%s: lacks %d steps of %s: NaN there", side, int((~known).sum()), path.name)
    return thermo.potential_at(steps), md_step


def _stress(path: Path, steps: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Of a rerun, (T, 3, 3) in eV/A^3; see `read_stress`."""
    side = path.parent / THERMO_NAME
    return read_stress(side, steps) if side.is_file() else None


def _frame_step(steps: NDArray[np.int64], md_step: float | None, path: Path) -> float | None:
    strides = np.unique(np.diff(steps))
    if md_step is None or not len(strides):
        return None
    if len(strides) > 1:
        _log.warning("%s: frames are not equally spaced in time: no time step", path)
        return None
    return float(strides[0] * md_step)
