"""What a metadynamics has found: `metadynamics.json`, with its surfaces in `surfaces.npz`."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from egraff_lmp.data.arrays import load_npz
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import atomic_path, sha256_file, write_json
from egraff_lmp.metadynamics.settings import Settings
from egraff_lmp.metadynamics.surface import low_bins, mean_surface
from egraff_lmp.score.arrays import Bools, Floats

SCHEMA = 1
KIND = "egraff metadynamics"
NAME, SURFACES = "metadynamics.json", "surfaces.npz"
COMPLETE, BROKEN = "complete", "broken"
_ARRAYS = ("free_energy_kcal", "half_time_kcal", "visits")


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        status: "complete" or "broken"; the surface of a broken one is not used.
        reason: why it broke, or "".
        time_ps: how long it went.
        frame: index of its start in the file of structures.
        bins_visited: bins of the grid that it was in.
        half_time_kcal: error of its surface at half time against that at its end, kcal/mol, over
            the bins that are compared (`compared_bins`); None of a broken run.
        wall_seconds: it took, stops left out.
    """

    status: str
    reason: str
    time_ps: float
    frame: int
    bins_visited: int
    half_time_kcal: float | None
    wall_seconds: float


@dataclass(frozen=True)
class Result:
    """All runs of one potential.

    Attributes:
        settings: see `Settings`.
        potential: its title, `sha256` the hash of a model's file or "".
        structure: where the starts came from.
        limit_kcal: of the bins that enter `Run.half_time_kcal` and `floor_kcal`.
        floor_kcal: error of complete runs against each other (`surface.own_floor`), or None.
        runs: in order.
        free_energy_kcal: surfaces of the complete runs at their end, (runs, bins, bins), as COLVARS
            has written them, in kcal/mol, the first torsion along the first axis.
        half_time_kcal: the same at half time.
        visits: steps in each bin, (runs, bins, bins).
        date: UTC, ISO 8601.
        versions: of the packages.
        machine: where it was made.
        surfaces_sha256: of the file of surfaces; "" before it is written.
    """

    settings: Settings
    potential: str
    sha256: str
    structure: str
    limit_kcal: float
    floor_kcal: float | None
    runs: tuple[Run, ...]
    free_energy_kcal: Floats
    half_time_kcal: Floats
    visits: Floats
    date: str
    versions: Mapping[str, str]
    machine: Mapping[str, Any]
    surfaces_sha256: str = ""

    @property
    def broken(self) -> tuple[int, ...]:
        """Indices of the broken runs."""
        return tuple(i for i, run in enumerate(self.runs) if run.status == BROKEN)

    def mean_kcal(self) -> Floats:
        """Mean surface of the complete runs, (bins, bins), minimum at zero.

        Raises:
            EgraffError: no run is complete.
        """
        if not len(self.free_energy_kcal):
            raise EgraffError(
                f"expected a complete run of {self.potential}, got {len(self.runs)} broken ones: "
                "there is no surface."
            )
        return mean_surface(self.free_energy_kcal, self.settings.thermal_kcal)

    def minimum_degrees(self) -> tuple[float, float] | None:
        """Where the mean surface is lowest; None without a complete run."""
        if not len(self.free_energy_kcal):
            return None
        centres = self.settings.centres_degrees()
        first, second = np.unravel_index(int(np.argmin(self.mean_kcal())), (len(centres),) * 2)
        return float(centres[first]), float(centres[second])

    def to_json(self) -> dict[str, Any]:
        """Plain values with kind and schema number first; the surfaces are in their own file."""
        values = {
            name: getattr(self, name) for name in self.__dataclass_fields__ if name not in _ARRAYS
        }
        values["settings"] = self.settings.to_dict()
        values["runs"] = [asdict(run) for run in self.runs]
        minimum = self.minimum_degrees()
        return {
            "kind": KIND,
            "schema": SCHEMA,
            **values,
            "minimum_degrees": None if minimum is None else list(minimum),
        }

    def write(self, folder: Path) -> None:
        """Write both files; the record comes last, as the sign of a whole result."""
        with atomic_path(folder / SURFACES) as temporary, open(temporary, "wb") as stream:
            arrays = {name: getattr(self, name) for name in _ARRAYS}
            np.savez_compressed(stream, allow_pickle=False, **arrays)
        record = {**self.to_json(), "surfaces_sha256": sha256_file(folder / SURFACES)}
        write_json(folder / NAME, record)


def compared_bins(found: Result, limit_kcal: float) -> Bools:
    """Bins (bins, bins) whose free energy is known: low enough, and visited in every complete run.

    Where no hill ever was, COLVARS' surface is flat and says nothing.
    """
    return np.asarray(low_bins(found.mean_kcal(), limit_kcal) & (found.visits > 0).all(axis=0))


def read_result(folder: Path) -> Result:
    """The record in a folder.

    Raises:
        EgraffError: there is none, another schema, or surfaces that are not those of the record.
    """
    path = folder / NAME
    if not path.is_file():
        raise EgraffError(
            f"{folder}: expected a finished metadynamics, got no {NAME}: repeat the command that "
            "makes it, which goes on where it was."
        )
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["kind"] != KIND or raw["schema"] != SCHEMA:
            raise ValueError("another kind or schema")
        if sha256_file(folder / SURFACES) != raw["surfaces_sha256"]:
            raise ValueError("other surfaces")
        settings = Settings.from_dict(raw["settings"])
        arrays = load_npz(folder / SURFACES, _ARRAYS)
        known = {n: raw[n] for n in Result.__dataclass_fields__ if n not in _ARRAYS}
        runs = tuple(Run(**one) for one in raw["runs"])
        if any(array.shape[1:] != (settings.bins,) * 2 for array in arrays.values()):
            raise ValueError("another grid")
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        raise EgraffError(
            f"{path}: expected results of `egraff metadynamics` of schema {SCHEMA} with their "
            f"{SURFACES}, got something else or a damaged one: make them again in another folder."
        ) from None
    return Result(**{**known, "settings": settings, "runs": runs, **arrays})
