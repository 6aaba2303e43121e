"""Energy and force violation along a trajectory, EV(t) and FV(t), and their geometric means.

EGraFFBench, eq. 4:

    EV(t) = (E^ - E)^2 / (E^^2 + E^2)            FV(t) = |F^ - F| / (|F^| + |F|)

E^ and F^ are the model's. EV on total energies is as small as the arbitrary zero of the energies is
large, so the `egraff` form takes energies relative to the mean of the reference first; there EV
lies in [0, 2] (2 for opposite signs), not in [0, 1] as for energies of one sign. FV lies in [0, 1]
by the triangle inequality; two uncorrelated force vectors of equal norm give 1/sqrt(2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNCORRELATED = 0.5**0.5  # FV of two independent force vectors of equal norm
# Norms of unrelated forces that differ by a third give 0.714, by a half 0.721.
UNCORRELATED_TOLERANCE = 0.02


@dataclass(frozen=True)
class GeometricMean:
    """Geometric mean of the positive entries of a series.

    Attributes:
        value: exp(mean(log x)); 0 if all are zero, NaN if none is finite.
        n_used: positive entries.
        n_zero: entries left out because they are zero (exact agreement, as in a shared first
            frame): one of them would make the mean zero.
        n_failed: entries left out because they are not finite.
    """

    value: float
    n_used: int
    n_zero: int
    n_failed: int


def relative_energies(
    energy: NDArray[np.float64], mean_energy: float, n_atoms: int
) -> NDArray[np.float64]:
    """Energies in eV/atom relative to the mean of the reference, (T,)."""
    return (energy - mean_energy) / n_atoms


def energy_violation(truth: NDArray[np.float64], model: NDArray[np.float64]) -> NDArray[np.float64]:
    """EV(t) of eq. 4, (T,) from energies (T,); 0 where both are zero, NaN where not finite."""
    return _divide((model - truth) ** 2, model**2 + truth**2)


def energy_violation_released(
    truth: NDArray[np.float64], model: NDArray[np.float64]
) -> NDArray[np.float64]:
    """|E^ - E| / (|E^| + |E|), (T,): what the paper's tables hold (times 1e5), not its eq. 4."""
    return _divide(np.abs(model - truth), np.abs(model) + np.abs(truth))


def force_violation(truth: NDArray[np.float64], model: NDArray[np.float64]) -> NDArray[np.float64]:
    """FV(t) of eq. 4, (T,) from forces (T, N, 3); the norm runs over all atoms and components."""
    # Frame by frame: the difference of whole trajectories would be a third one in memory.
    difference = np.array([_norm(a - b) for a, b in zip(model, truth, strict=True)])
    norms = np.array([_norm(a) + _norm(b) for a, b in zip(model, truth, strict=True)])
    return _divide(difference, norms)


def geometric_mean(values: NDArray[np.float64]) -> GeometricMean:
    """Geometric mean of a series (T,), with the entries that could not take part."""
    finite = values[np.isfinite(values)]
    positive = finite[finite > 0]
    if positive.size:
        mean = float(np.exp(np.mean(np.log(positive))))
    else:
        mean = 0.0 if finite.size else float("nan")
    return GeometricMean(
        mean, int(positive.size), int(finite.size - positive.size), int(values.size - finite.size)
    )


def is_uncorrelated(value: float, uncorrelated: float) -> bool:
    """Whether a violation tells nothing of a model, as unrelated frames give the same.

    Args:
        value: geometric mean over the frames of a trajectory comparison.
        uncorrelated: what two unrelated frames give.
    """
    return abs(value - uncorrelated) <= UNCORRELATED_TOLERANCE


def _norm(forces: NDArray[np.float64]) -> float:
    flat = forces.ravel()
    with np.errstate(invalid="ignore", over="ignore"):
        return float(np.sqrt(flat @ flat))


def _divide(
    numerator: NDArray[np.float64], denominator: NDArray[np.float64]
) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        ratio = numerator / denominator
    return np.where((numerator == 0) & (denominator == 0), 0.0, ratio)
