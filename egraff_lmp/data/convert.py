"""Any readable file to the one on-disk form, once: units, provenance, hashes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import ase.units

from egraff_lmp import __version__
from egraff_lmp.data.check import check_labels
from egraff_lmp.data.entry import DataSet
from egraff_lmp.data.frames import Frames
from egraff_lmp.data.read import FORMATS, detect_format
from egraff_lmp.data.store import write_store
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import require_writable, sha256_file


@dataclass(frozen=True)
class InputUnits:
    """Units of a file that its format does not tell.

    Attributes:
        energy: eV, kcal/mol, kJ/mol, hartree or rydberg.
        length: A, bohr or nm, of positions and cells.
        force: "ENERGY/LENGTH"; None is energy over length.
    """

    energy: str = "eV"
    length: str = "A"
    force: str | None = None

    @property
    def force_name(self) -> str:
        """The unit of forces, spelled out."""
        return self.force or f"{self.energy}/{self.length}"


def with_units(frames: Frames, units: InputUnits) -> Frames:
    """The frames in A, eV and eV/A, given that their numbers are in `units`.

    Raises:
        EgraffError: an unknown unit.
    """
    energy, length = _energy_ev(units.energy), _length_angstrom(units.length)
    numerator, separator, denominator = units.force_name.rpartition("/")
    if not separator:
        raise EgraffError(f"expected a unit of force ENERGY/LENGTH, got '{units.force}'.")
    force = _energy_ev(numerator) / _length_angstrom(denominator)
    return replace(
        frames,
        positions=frames.positions * length,
        cell=frames.cell * length,
        energy=None if frames.energy is None else frames.energy * energy,
        forces=None if frames.forces is None else frames.forces * force,
        stress=None if frames.stress is None else frames.stress * (energy / length**3),
    )


def convert_file(
    source: Path,
    out: Path,
    *,
    format: str | None = None,
    timestep_fs: float | None = None,
    units: InputUnits | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Convert a file or folder; the header of the result.

    Args:
        source: path in any format of `FORMATS`.
        out: file to write, .npz.
        format: key of `FORMATS`; None finds it out.
        timestep_fs: time between frames, where they are a time series.
        units: of the source, where they are not eV and A and its format does not say so.
        overwrite: replace `out`.

    Raises:
        EgraffError: unreadable, non-finite labels, or `out` is there.
    """
    _free(out, overwrite)
    if not source.exists():
        raise EgraffError(f"{source}: expected a file or folder, there is none: check the path.")
    if format is not None and format not in FORMATS:
        raise EgraffError(f"expected a format out of {', '.join(FORMATS)}, got '{format}'.")
    row = detect_format(source) if format is None else FORMATS[format]
    frames = row.read(source)  # labels are checked below, in eV
    if not len(frames):
        raise EgraffError(f"{source}: expected at least one frame, got none.")
    if timestep_fs is not None:
        frames = replace(frames, timestep_fs=timestep_fs)
    units = units or InputUnits()
    frames = with_units(frames, units)
    check_labels(frames)
    facts = {
        "format": row.key,
        "units": {"energy": units.energy, "length": units.length, "force": units.force_name},
    }
    return _write(frames, out, source, source.name, facts)


def convert_part(
    entry: DataSet, part: str, out: Path, *, overwrite: bool = False
) -> dict[str, Any]:
    """Convert a part of a registered data set; see `convert_file`."""
    _free(out, overwrite)
    frames = entry.read(part)
    check_labels(frames)
    facts = {
        "data_set": entry.key,
        "part": part,
        "format": detect_format(entry.path(part)).key,
        "homepage": entry.homepage,
        "licence": entry.licence,
        "split": entry.split,
        "order": entry.order_of(part),
        "temperature_kelvin": entry.temperature_of(part),
        "citations": [asdict(citation) for citation in entry.citations],
    }
    return _write(frames, out, entry.path(part), f"{entry.key}:{part}", facts)


def _write(
    frames: Frames, out: Path, source: Path, name: str, facts: Mapping[str, Any]
) -> dict[str, Any]:
    provenance = {
        **facts,
        "files": _hashes(source),
        "frames_sha256": frames.sha256(),
        "converted_by": f"egraff_lmp {__version__}",
    }
    # A path of one machine says nothing on another.
    return write_store(replace(frames, source=name), out, provenance)


def _hashes(source: Path) -> dict[str, str]:
    """SHA-256 of a file, or of every file below a folder, by relative name."""
    if source.is_file():
        return {source.name: sha256_file(source)}
    files = sorted(path for path in source.rglob("*") if path.is_file())
    return {path.relative_to(source.parent).as_posix(): sha256_file(path) for path in files}


def _free(out: Path, overwrite: bool) -> None:
    if out.exists() and not overwrite:
        raise EgraffError(f"{out}: expected no file, there is one: remove it, or use --force.")
    require_writable(out.absolute().parent)


def _energy_ev(name: str) -> float:
    known = {
        "eV": 1.0,
        "kcal/mol": ase.units.kcal / ase.units.mol,
        "kJ/mol": ase.units.kJ / ase.units.mol,
        "hartree": ase.units.Hartree,
        "rydberg": ase.units.Rydberg,
    }
    if name not in known:
        raise EgraffError(f"expected an energy unit out of {', '.join(known)}, got '{name}'.")
    return float(known[name])


def _length_angstrom(name: str) -> float:
    known = {"A": 1.0, "bohr": ase.units.Bohr, "nm": ase.units.nm}
    if name not in known:
        raise EgraffError(f"expected a length unit out of {', '.join(known)}, got '{name}'.")
    return float(known[name])
