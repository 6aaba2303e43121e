"""Energies along a scan: the model's beside the reference's, each relative to its lowest frame.

A scan is a path of frames in order: a molecule with one dihedral angle turned, a reaction path.
What matters along it are differences of energies, so that a constant between model and reference
counts for nothing. Published ones are those of 3BPA (D. P. Kovacs et al., J. Chem. Theory Comput.
17, 7696, 2021) and acetylacetone (I. Batatia et al., Nat. Mach. Intell. 7, 56, 2025).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.collection import Collection
from egraff_lmp.data.frames import Frames
from egraff_lmp.data.vasp import where_labels_are
from egraff_lmp.errors import EgraffError
from egraff_lmp.evaluation.errors import MEV, FrameResult
from egraff_lmp.evaluation.torsion import STRAIGHT_DEGREES, Atoms, dihedrals, turning


@dataclass(frozen=True)
class Coordinate:
    """Where the T frames of a scan stand.

    Attributes:
        values: (T,) the dihedral angle in degrees without jumps, or the place of the frame in its
            file.
        name: of the coordinate, "dihedral angle C1-C2-C3-O4" with atoms counted from 1, or "frame".
        atoms: of the dihedral angle, counted from 1; None where there is none.
    """

    values: NDArray[np.float64]
    name: str
    atoms: Atoms | None

    @property
    def unit(self) -> str:
        """Of the values; "" for the number of a frame."""
        return "" if self.atoms is None else "degrees"


@dataclass(frozen=True)
class Scan:
    """A scan of T frames, of the reference and of a model; numbers that are not known are NaN.

    Attributes:
        source: where the frames come from, as it was named.
        coordinate: see there.
        reference_mev: (T,) energies in meV (of all atoms), 0 at the lowest frame.
        predicted_mev: likewise of the model, 0 at its own lowest frame.
    """

    source: str
    coordinate: Coordinate
    reference_mev: NDArray[np.float64]
    predicted_mev: NDArray[np.float64]

    @property
    def errors_mev(self) -> NDArray[np.float64]:
        """(T,) prediction minus reference."""
        return self.predicted_mev - self.reference_mev

    @property
    def mae_mev(self) -> float:
        """Mean absolute error."""
        known = self.errors_mev[np.isfinite(self.errors_mev)]
        return float(np.abs(known).mean()) if known.size else math.nan

    @property
    def largest_error_mev(self) -> float:
        """The error of largest size."""
        return _at(self.errors_mev, self._worst)

    @property
    def largest_error_at(self) -> float:
        """The coordinate at which that is."""
        return _at(self.coordinate.values, self._worst)

    @property
    def reference_barrier_mev(self) -> float:
        """Height of the reference's highest frame above its lowest."""
        return _highest(self.reference_mev)

    @property
    def predicted_barrier_mev(self) -> float:
        """Likewise of the model."""
        return _highest(self.predicted_mev)

    @property
    def _worst(self) -> int | None:
        errors = np.abs(self.errors_mev)
        return int(np.nanargmax(errors)) if np.isfinite(errors).any() else None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, None for what is not known, with both curves."""
        numbers = {name: getattr(self, name) for name in _NUMBERS}
        curves = {
            "coordinate_values": self.coordinate.values,
            "reference_mev": self.reference_mev,
            "predicted_mev": self.predicted_mev,
        }
        return {
            "source": self.source,
            "n_frames": len(self.reference_mev),
            "coordinate": self.coordinate.name,
            "coordinate_unit": self.coordinate.unit,
            "atoms": None if self.coordinate.atoms is None else list(self.coordinate.atoms),
            **{name: _plain(value) for name, value in numbers.items()},
            **{name: [_plain(value) for value in values] for name, values in curves.items()},
        }

    def rows(self) -> Iterator[dict[str, float | None]]:
        """One row a frame, for a table."""
        columns = (self.coordinate.values, self.reference_mev, self.predicted_mev, self.errors_mev)
        for values in zip(*columns, strict=True):
            yield dict(zip(_COLUMNS, map(_plain, values), strict=True))


_NUMBERS = (
    "mae_mev",
    "largest_error_mev",
    "largest_error_at",
    "reference_barrier_mev",
    "predicted_barrier_mev",
)
_COLUMNS = ("scan_coordinate", "scan_reference_mev", "scan_predicted_mev", "scan_error_mev")


def scan_frames(source: Collection) -> Frames:
    """The frames of a source that is a scan.

    Raises:
        EgraffError: atoms that differ between frames, a single frame, or no energies.
    """
    if len(source.groups) != 1:
        named = ", ".join(sorted({frames.formula for frames in source.groups}))
        raise EgraffError(
            f"{source.source}: expected a scan, whose frames hold the same atoms in the same order "
            f"and the same labels, got {len(source.groups)} kinds of frames ({named}): name one "
            "file for each scan."
        )
    (frames,) = source.groups
    if len(frames) < 2:
        raise EgraffError(
            f"{frames.source}: expected the frames of a scan, got 1: energies are compared between "
            "frames."
        )
    if frames.energy is None:
        way_out = where_labels_are(frames.source) or (
            "name a labelled file, or the energies with --energy-key"
        )
        raise EgraffError(
            f"{frames.source}: expected frames with energies, as a scan is compared by them, they "
            f"have none: {way_out}."
        )
    return frames


def coordinate_of(source: Collection, atoms: Atoms | None = None) -> Coordinate:
    """Where the frames of a scan stand.

    Args:
        source: the scan.
        atoms: numbers from 1 of the four atoms of a dihedral angle; None takes the one that goes
            furthest one way (`turning`), and the places of the frames where there is none.

    Raises:
        EgraffError: no scan (see `scan_frames`), no such atoms, or atoms on a line.
    """
    frames = scan_frames(source)
    if atoms is not None and max(atoms) > frames.n_atoms:
        raise EgraffError(
            f"{frames.source}: expected atoms from 1 to {frames.n_atoms} for a torsion, got "
            f"{','.join(map(str, atoms))}."
        )
    chosen = turning(frames) if atoms is None else tuple(atom - 1 for atom in atoms)
    if chosen is None:
        return Coordinate(source.places[0].astype(np.float64), "frame", None)
    values = dihedrals(frames, np.array([chosen]))[:, 0]
    i, j, k, m = (atom + 1 for atom in chosen)
    if not np.isfinite(values).all():
        raise EgraffError(
            f"{frames.source}: expected four atoms with a dihedral angle, got {i},{j},{k},{m}, "
            f"three of which lie on a line within {STRAIGHT_DEGREES:g} degrees in some frame: "
            "choose others."
        )
    names = "-".join(f"{frames.species[atom]}{atom + 1}" for atom in chosen)
    return Coordinate(values, f"dihedral angle {names}", (i, j, k, m))


def compare(source: str, coordinate: Coordinate, results: Sequence[FrameResult]) -> Scan:
    """The scan of the reference and the model.

    Frames without an energy, or with a prediction that is not finite, are left out of both curves.

    Args:
        source: as it is to be named.
        coordinate: of the frames.
        results: of `evaluate_frames`, one a frame.
    """
    nothing = (math.nan, math.nan)
    pairs = [nothing if each.energy is None else each.energy for each in results]
    energies = MEV * np.array(pairs)
    energies[~np.isfinite(energies).all(axis=1)] = np.nan
    if np.isfinite(energies).any():
        energies -= np.nanmin(energies, axis=0)
    return Scan(source, coordinate, energies[:, 0], energies[:, 1])


def _highest(values: NDArray[np.float64]) -> float:
    return float(np.nanmax(values)) if np.isfinite(values).any() else math.nan


def _at(values: NDArray[np.float64], index: int | None) -> float:
    return math.nan if index is None else float(values[index])


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
