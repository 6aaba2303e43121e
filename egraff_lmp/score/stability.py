"""Stability: how long a rollout stays physical, and what ended it.

Criteria of Fu et al., "Forces are not enough" (appendix C), with their thresholds:

    molecules, eq. 9   max over bonds | |x_i - x_j| - b_ij | > 0.5 A
    bulk, eq. 8        integral |<g_ref(r)> - <g(r)>_T^(T+tau)| dr > Delta, tau = 1 ps,
                       Delta = 3.0 A for each partial g of water, 1.0 A for the total g of LiPS
                       (and of everything else that they did not treat)

and what ends a run besides: values that are not finite, a temperature out of bounds. Lost atoms are
told by its dump or log, see `rollout`. Each function returns the first frame that violates its
criterion, None if none does; a criterion that a frame cannot be tested against (NaN) counts as
violated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from egraff_lmp.score.arrays import Bools, Floats, Ints
from egraff_lmp.score.records import Fact, RunEnd

BOND_THRESHOLD_A = 0.5
WINDOW_FS = 1000.0
WATER_THRESHOLD_A = 3.0
BULK_THRESHOLD_A = 1.0
# Multiples of the target. The temperature of N atoms fluctuates by sqrt(2/3N) of itself, 8 % for
# 100 atoms, 27 % for 9; a start from relaxed positions falls to half of it.
TEMPERATURE_BOUNDS = (0.25, 4.0)


def rdf_threshold(species: Iterable[str]) -> tuple[float, bool]:
    """Delta in A of eq. 8, and whether it holds for each partial (water) or for the total."""
    if set(species) == {"H", "O"}:
        return WATER_THRESHOLD_A, True
    return BULK_THRESHOLD_A, False


def broken_bond(lengths: Floats, equilibrium: Floats, names: Sequence[str] = ()) -> RunEnd | None:
    """Eq. 9: the first frame in which a bond deviates by more than `BOND_THRESHOLD_A`.

    Args:
        lengths: (T, B) in A.
        equilibrium: (B,) b_ij in A.
        names: of the B bonds, to tell which it was.
    """
    deviation = np.abs(lengths - equilibrium)

    def cause(frame: int) -> Fact:
        worst = int(np.argmax(np.nan_to_num(deviation[frame], nan=np.inf)))
        length, expected = float(lengths[frame, worst]), float(equilibrium[worst])
        bond = names[worst] if names else ""
        return Fact("broken-bond", {"bond": bond, "length": length, "equilibrium": expected})

    return _end((deviation <= BOND_THRESHOLD_A).all(axis=1), cause)


def rdf_departure(errors: Floats, first_frames: Ints, threshold: float) -> RunEnd | None:
    """Eq. 8: the first window of length tau whose g(r) is too far from the reference.

    Windows overlap: T in eq. 8 is any time, here that of each block of a tenth of tau or less.

    Args:
        errors: (W,) integrals of |g_ref - g| in A.
        first_frames: (W,) index of the first frame of each window.
        threshold: Delta in A.
    """

    def cause(window: int) -> Fact:
        return Fact("rdf-departure", {"error": float(errors[window]), "allowed": threshold})

    end = _end(errors <= threshold, cause)
    return None if end is None else replace(end, frame=int(first_frames[end.frame]))


def not_finite(*arrays: Floats | None) -> RunEnd | None:
    """The first frame with a value that is not finite in arrays (T, ...); None entries pass."""
    fine = [
        np.isfinite(array).all(axis=tuple(range(1, array.ndim)))
        for array in arrays
        if array is not None
    ]
    return _end(np.all(fine, axis=0), lambda frame: Fact("not-finite-value"))


def temperature_out_of_bounds(
    temperature_kelvin: Floats,
    target_kelvin: float,
    bounds: tuple[float, float] = TEMPERATURE_BOUNDS,
) -> RunEnd | None:
    """The first frame whose kinetic temperature (T,) leaves bounds, multiples of the target."""
    low, high = (bound * target_kelvin for bound in bounds)
    # A rollout may start at rest: what is cold counts only after it has been warm.
    warm = np.maximum.accumulate(np.nan_to_num(temperature_kelvin) >= low)

    def cause(frame: int) -> Fact:
        kelvin = float(temperature_kelvin[frame])
        return Fact("temperature-out-of-bounds", {"kelvin": kelvin, "low": low, "high": high})

    return _end((temperature_kelvin <= high) & ((temperature_kelvin >= low) | ~warm), cause)


def first_end(ends: Iterable[RunEnd | None]) -> RunEnd | None:
    """The earliest of several criteria, the first named one of those of the same frame."""
    found = [end for end in ends if end is not None]
    return min(found, key=lambda end: end.frame) if found else None


def _end(kept: Bools | np.bool_, cause: Callable[[int], Fact]) -> RunEnd | None:
    """At the first entry (T,) that is False, so that NaN, which compares false, counts."""
    violated = np.flatnonzero(~kept)
    return RunEnd(int(violated[0]), cause(int(violated[0]))) if violated.size else None
