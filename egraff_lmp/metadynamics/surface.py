"""Free-energy surfaces as arrays: means over runs, errors, what is left of one torsion alone.

    F(phi, psi) = -k_B T ln p(phi, psi),     F(phi) = -k_B T ln sum_psi exp(-F(phi, psi) / k_B T)

F is known up to a constant. Two surfaces are compared after the best one, which for the mean of
absolute differences is their median.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from egraff_lmp.score.arrays import Bools, Floats


def normalised(surface: Floats, thermal: float) -> Floats:
    """The surface (n, n) with sum exp(-F / kT) = 1; the same unit as `thermal`, which is kT."""
    lowest = surface.min()
    total = np.exp(-(surface - lowest) / thermal).sum()
    return np.asarray(surface - lowest + thermal * np.log(total))


def mean_surface(surfaces: Sequence[Floats] | Floats, thermal: float) -> Floats:
    """Mean of surfaces (n, n), each of them normalised; its minimum is zero."""
    mean = np.mean([normalised(one, thermal) for one in surfaces], axis=0)
    return np.asarray(mean - mean.min())


def low_bins(reference: Floats, limit: float) -> Bools:
    """Bins whose free energy in the reference lies below `limit` above its minimum."""
    return np.asarray(reference - reference.min() < limit)


def difference(surface: Floats, reference: Floats, chosen: Bools) -> Floats:
    """surface - reference (n, n), less the median of that over the chosen bins."""
    raw = surface - reference
    return np.asarray(raw - np.median(raw[chosen]))


def mean_absolute_error(surface: Floats, reference: Floats, chosen: Bools) -> float:
    """Mean of |surface - reference| over the chosen bins, after the best offset."""
    return float(np.abs(difference(surface, reference, chosen)[chosen]).mean())


def marginal(surface: Floats, axis: int, thermal: float) -> Floats:
    """F (n,) of the torsion along `axis` alone, its minimum at zero."""
    weights = np.exp(-(surface - surface.min()) / thermal).sum(axis=1 - axis)
    free = -thermal * np.log(weights)
    return np.asarray(free - free.min())


def own_floor(surfaces: Sequence[Floats] | Floats, chosen: Bools, thermal: float) -> float | None:
    """The error that runs of one potential have against each other; None for fewer than two.

    The mean of the errors of each run against the mean of the others: a model that is perfect has
    about this error, with runs as long.
    """
    if len(surfaces) < 2:
        return None
    errors = []
    for index, one in enumerate(surfaces):
        others = [other for place, other in enumerate(surfaces) if place != index]
        errors.append(mean_absolute_error(one, mean_surface(others, thermal), chosen))
    return float(np.mean(errors))
